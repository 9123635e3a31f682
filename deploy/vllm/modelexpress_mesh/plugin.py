"""What vLLM calls at its start, in each of its processes."""

from __future__ import annotations

LOAD_FORMAT = "modelexpress-mesh"


def register() -> None:
    """Makes the load format known, and sees to it that engines stop being a source before they change their weights."""
    try:
        from vllm.model_executor.model_loader import _LOAD_FORMAT_TO_MODEL_LOADER, register_model_loader
    except ImportError as error:
        raise RuntimeError(
            "modelexpress-mesh needs a vLLM with register_model_loader (0.9 or later); this one has none"
        ) from error
    from .guards import install
    from .loader import MeshModelLoader

    if _LOAD_FORMAT_TO_MODEL_LOADER.get(LOAD_FORMAT) is not MeshModelLoader:
        register_model_loader(LOAD_FORMAT)(MeshModelLoader)
    install()
