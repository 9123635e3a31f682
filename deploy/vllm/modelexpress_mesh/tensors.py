"""Which memory of a model is its weights: storages, and the tensors that are views into them.

What is shared is what a checkpoint fills: parameters and persistent buffers. Whole storages travel, never tensors one by one, so
tied tensors travel once, and views that overlap, or are not contiguous, come out as they went in.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

# How deep tensors are looked for in a module's lists and dictionaries.
_DEPTH = 4


class Unsuitable(Exception):
    """The model's weights can't be shared; the text says why, and names what is in the way."""


@dataclasses.dataclass(frozen=True)
class TensorView:
    """A name of a tensor, and where it lies."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    # In elements.
    stride: tuple[int, ...]
    # Index into the storages.
    storage: int
    # Bytes from the start of the storage, and from the first element to the end of the last.
    offset: int
    size: int


@dataclasses.dataclass
class Weights:
    """All storages of a model's weights, in the order of their first tensor's name, and all names for views into them."""

    views: list[TensorView]
    # For each storage: its name, its bytes, and the tensors whose memory it is.
    names: list[str]
    sizes: list[int]
    tensors: list[list[torch.Tensor]]

    @property
    def total_bytes(self) -> int:
        return sum(self.sizes)

    def layout(self) -> list[tuple]:
        """What must be equal before and after the weights are loaded for them to be shared."""
        return [dataclasses.astuple(view) for view in self.views] + list(zip(self.names, self.sizes, strict=True))


def find(model: nn.Module) -> Weights:
    """Every parameter and persistent buffer of `model`, by storage.

    Raises `Unsuitable` for tensors that have no memory of their own, and for a model that has none at all.
    """
    named = sorted(_named(model), key=lambda pair: pair[0].encode())
    if not named:
        raise Unsuitable("the model has no weights")
    for name, tensor in named:
        if tensor.is_meta:
            raise Unsuitable(f"{name} has no memory before its weights are loaded (online quantisation)")
        if is_traceable_wrapper_subclass(tensor):
            raise Unsuitable(f"{name} is a {type(tensor).__name__}, which keeps its bytes elsewhere")
    weights = Weights([], [], [], [])
    indices: dict[tuple, int] = {}
    for name, tensor in named:
        storage = tensor.untyped_storage()
        # Empty storages have no address: each is its own.
        key = (str(tensor.device), storage.data_ptr()) if storage.nbytes() else (name,)
        index = indices.setdefault(key, len(weights.names))
        if index == len(weights.names):
            weights.names.append(name)
            weights.sizes.append(storage.nbytes())
            weights.tensors.append([])
        if not any(known is tensor for known in weights.tensors[index]):
            weights.tensors[index].append(tensor)
        element = tensor.element_size()
        weights.views.append(
            TensorView(
                name=name,
                dtype=str(tensor.dtype).removeprefix("torch."),
                shape=tuple(tensor.shape),
                stride=tuple(tensor.stride()),
                storage=index,
                offset=tensor.storage_offset() * element if tensor.numel() else 0,
                size=_span(tensor) * element,
            )
        )
    return weights


def _named(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters(remove_duplicate=False)
    for prefix, module in model.named_modules(remove_duplicate=False):
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                yield (f"{prefix}.{name}" if prefix else name), buffer


def _span(tensor: torch.Tensor) -> int:
    """Elements from the first to the last, which for a view with gaps is more than it has."""
    if tensor.numel() == 0:
        return 0
    return 1 + sum((length - 1) * stride for length, stride in zip(tensor.shape, tensor.stride(), strict=True))


def other_state(model: nn.Module) -> dict[str, object]:
    """What a module has beside its weights: plain tensors, non-persistent buffers, and simple values, as something to compare.

    A model whose loading changes any of it isn't whole with its weights alone: a replica that is given those would compute
    something else, without a word.
    """
    state: dict[str, object] = {}
    shared = {_storage_of(tensor) for _, tensor in _named(model)}
    for prefix, module in model.named_modules():
        for name, value in vars(module).items():
            if name in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
                continue
            _note(state, f"{prefix}.{name}" if prefix else name, value, shared, _DEPTH)
        for name in module._non_persistent_buffers_set:
            buffer = module._buffers.get(name)
            if buffer is not None:
                state[f"{prefix}.{name}" if prefix else name] = _fingerprint(buffer, shared)
    return state


def changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Names of what differs, sorted."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _note(state: dict[str, object], name: str, value: object, shared: set, depth: int) -> None:
    if isinstance(value, torch.Tensor):
        state[name] = _fingerprint(value, shared)
    elif value is None or isinstance(value, (bool, int, float, str)):
        state[name] = value
    elif depth > 0 and type(value) in (list, tuple):
        for index, item in enumerate(value):
            _note(state, f"{name}.{index}", item, shared, depth - 1)
    elif depth > 0 and type(value) is dict:
        for key, item in value.items():
            _note(state, f"{name}.{key}", item, shared, depth - 1)


def _storage_of(tensor: torch.Tensor) -> tuple | None:
    if tensor.is_meta or is_traceable_wrapper_subclass(tensor) or tensor.layout is not torch.strided:
        return None
    return str(tensor.device), tensor.untyped_storage().data_ptr()


def _fingerprint(tensor: torch.Tensor, shared: set) -> tuple:
    shape = (str(tensor.dtype), tuple(tensor.shape))
    storage = _storage_of(tensor)
    # Another view of a weight changes with it.
    if storage is None or tensor.numel() == 0 or storage in shared:
        return shape
    data = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
    return (*shape, zlib.crc32(data))
