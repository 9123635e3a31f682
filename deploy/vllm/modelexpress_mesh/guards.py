"""An engine that changes its weights stops being a source first."""

from __future__ import annotations

import functools
import importlib
from typing import Any

# Methods of vLLM's workers that change weights in place, give their memory up, or take it back.
_MODULE = "vllm.v1.worker.gpu_worker"
_CLASS = "Worker"
METHODS = ("sleep", "discard", "reload_weights", "update_weights", "start_weight_update", "reset_weights")


def install() -> list[str]:
    """Wraps those of them that this vLLM has; returns their names. Again does nothing."""
    try:
        worker = getattr(importlib.import_module(_MODULE), _CLASS)
    except (ImportError, AttributeError):
        return []
    wrapped = []
    for name in METHODS:
        method = vars(worker).get(name)
        if callable(method) and not hasattr(method, "_modelexpress_mesh"):
            setattr(worker, name, _guarded(method))
            wrapped.append(name)
    return wrapped


def _guarded(method: Any) -> Any:
    @functools.wraps(method)
    def first_stop_sharing(*arguments: Any, **named: Any) -> Any:
        from . import loader

        session = loader.session()
        if session is not None:
            session.stop_sharing(f"the engine was asked to {method.__name__.replace('_', ' ')}")
        return method(*arguments, **named)

    first_stop_sharing._modelexpress_mesh = True  # type: ignore[attr-defined]
    return first_stop_sharing
