"""What must be equal for weights to fit: read from vLLM's configuration."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Any

import torch

from .settings import Settings

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SNAPSHOT = re.compile(r"/snapshots/([0-9a-f]{40})(/|$)")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf")


@dataclasses.dataclass(frozen=True)
class Identity:
    model: str
    revision: str
    stage: str
    dtype: str
    quantisation: str
    tensor_parallel: int
    pipeline_parallel: int
    expert_parallel: int


def of(vllm_config: Any, model_config: Any, settings: Settings, stage: str) -> Identity:
    """The source identity of a model in this engine. `stage` is `loaded` or `processed`."""
    parallel = vllm_config.parallel_config
    # vLLM has no size of its own for experts: they are spread over all that hold a part of a layer.
    experts = (
        parallel.tensor_parallel_size * parallel.data_parallel_size * getattr(parallel, "prefill_context_parallel_size", 1)
        if getattr(parallel, "enable_expert_parallel", False)
        else 1
    )
    return Identity(
        model=settings.model_name or served_name(model_config),
        revision=settings.revision or revision(model_config),
        stage=stage,
        dtype=str(model_config.dtype).removeprefix("torch."),
        quantisation=str(model_config.quantization or ""),
        tensor_parallel=parallel.tensor_parallel_size,
        pipeline_parallel=parallel.pipeline_parallel_size,
        expert_parallel=experts,
    )


def served_name(model_config: Any) -> str:
    name = model_config.served_model_name
    if isinstance(name, (list, tuple)):
        name = name[0] if name else None
    return name or model_config.model


def revision(model_config: Any) -> str:
    """The commit that the hub's snapshot is of; empty when nothing tells, as with a folder that somebody made."""
    snapshot = _SNAPSHOT.search(os.path.abspath(str(model_config.model)))
    if snapshot:
        return snapshot.group(1)
    for known in (getattr(getattr(model_config, "hf_config", None), "_commit_hash", None), model_config.revision):
        if known and _COMMIT.fullmatch(known):
            return known
    return ""


def number(vllm_config: Any) -> int:
    """The worker's number, which no two workers of a pod share: its rank in the world of all data-parallel replicas."""
    parallel = vllm_config.parallel_config
    world = parallel.tensor_parallel_size * parallel.pipeline_parallel_size
    initialised = torch.distributed.is_available() and torch.distributed.is_initialized()
    rank = torch.distributed.get_rank() if initialised else getattr(parallel, "rank", 0)
    if initialised and torch.distributed.get_world_size() > world:
        # The world spans the data-parallel replicas already.
        return rank
    return (getattr(parallel, "data_parallel_rank", 0) or 0) * world + rank


def may_load(model_config: Any) -> bool:
    """Whether the weights can come from disk: not from a folder without any. A model of a hub may be downloaded."""
    folder = str(model_config.model)
    if not os.path.isdir(folder):
        return True
    return any(name.endswith(_WEIGHTS) for name in os.listdir(folder))
