"""The load format `modelexpress-mesh`: weights from the memory of other replicas, else from disk as vLLM would load them."""

from __future__ import annotations

import atexit
import dataclasses
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import vllm
from torch import nn
from vllm.logger import init_logger
from vllm.model_executor.model_loader import get_model_loader
from vllm.model_executor.model_loader.base_loader import BaseModelLoader

from . import TESTED_VLLM, identity
from .agent import Agent
from .session import Session
from .settings import Settings, SettingsError

# In vLLM's tree, so that it is written as vLLM's own lines are.
log: logging.Logger = init_logger("vllm.modelexpress_mesh")

# The worker's session: one for each process, whose first model it shares.
_session: Session | None = None


class MeshModelLoader(BaseModelLoader):
    """Fills the model that an engine serves; whatever else it loads, a draft model for instance, comes from disk."""

    def __init__(self, load_config: Any) -> None:
        super().__init__(load_config)
        self._settings = Settings.from_environment()
        self._vllm_config: Any = None
        if vllm.__version__ not in TESTED_VLLM:
            log.warning(
                "modelexpress-mesh was tested with vLLM %s, and this is %s", ", ".join(TESTED_VLLM), vllm.__version__
            )

    def download_model(self, model_config: Any) -> None:
        self._disk_loader().download_model(model_config)

    def load_model(self, vllm_config: Any, model_config: Any, prefix: str = "") -> nn.Module:
        self._vllm_config = vllm_config
        model = super().load_model(vllm_config=vllm_config, model_config=model_config, prefix=prefix)
        if _session is not None and self._is_served(model_config):
            _session.ready()
        return model

    def load_weights(self, model: nn.Module, model_config: Any) -> None:
        global _session
        loader = self._disk_loader()
        if not self._is_served(model_config):
            log.info("%s is not the model that is served: its weights come from disk", model_config.model)
            loader.load_weights(model, model_config)
        elif _session is not None:
            # A second time in one process: the weights change under whoever reads them.
            _session.stop_sharing("weights are loaded again")
            loader.load_weights(model, model_config)
        else:
            number = identity.number(self._vllm_config)
            _session = Session(self._settings, self._make_agent(number), log)
            _count_bytes(loader, _session)
            _session.obtain(
                model,
                identity.of(self._vllm_config, model_config, self._settings, "loaded"),
                number,
                identity.may_load(model_config),
                lambda: loader.load_weights(model, model_config),
            )

    def _is_served(self, model_config: Any) -> bool:
        # vLLM asks for a draft model with the same configuration of the engine, and another one of the model.
        return self._vllm_config is not None and self._vllm_config.model_config is model_config

    def _disk_loader(self) -> BaseModelLoader:
        return get_model_loader(dataclasses.replace(self.load_config, load_format=self._settings.disk_format))

    def _make_agent(self, number: int) -> Agent | None:
        try:
            agent = Agent(self._settings, number, vllm.__version__, log)
        except (OSError, SettingsError, RuntimeError) as error:
            # pyzmq's errors are of these kinds, by what went wrong.
            log.warning("this worker shares no weights: %s", error)
            return None
        atexit.register(agent.close)
        return agent


def _count_bytes(loader: BaseModelLoader, session: Session) -> None:
    """Tells what the loader has read, so that those who wait see that it goes on."""
    read = getattr(loader, "get_all_weights", None)
    if read is None:
        return

    def counted(*arguments: Any, **named: Any) -> Iterator[tuple[str, torch.Tensor]]:
        weights: Iterable[tuple[str, torch.Tensor]] = read(*arguments, **named)
        for name, tensor in weights:
            yield name, tensor
            session.note_loaded(tensor.numel() * tensor.element_size())

    loader.get_all_weights = counted


def session() -> Session | None:
    """What this process shares, when there is something."""
    return _session
