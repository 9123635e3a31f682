"""One memory file that holds a worker's weights, made here and shared with the sidecar."""

from __future__ import annotations

import ctypes
import fcntl
import gc
import os

import torch

from .tensors import Unsuitable, Weights

# Where storages begin: a multiple of a cache line, which also suits every type. The sidecar computes the same.
ALIGNMENT = 64
# Left to everybody else when an arena is made, bytes.
RESERVE = 64 << 20

_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
# Python 3.11 has no name for it: later mappings, and write(), can't change the file.
_F_SEAL_FUTURE_WRITE = 0x0010


def starts_of(sizes: list[int], alignment: int = ALIGNMENT) -> tuple[list[int], int]:
    """Where each storage begins in an arena, and the arena's size; bytes."""
    starts, end = [], 0
    for size in sizes:
        start = (end + alignment - 1) // alignment * alignment
        starts.append(start)
        end = start + size
    return starts, end


class Arena:
    """The memory file of one worker. Its size is final at once; `seal` ends writing by whoever has not mapped it yet.

    Memory is taken as it is written. The file lives as long as its descriptor, a mapping, or a tensor in it does.
    """

    def __init__(self, weights: Weights) -> None:
        self.starts, self.size = starts_of(weights.sizes)
        self.is_sealed = False
        # An empty mapping is none.
        length = max(self.size, 1)
        self.descriptor = os.memfd_create("modelexpress-weights", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, length)
            fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SIZE_SEALS)
            self.storage = torch.UntypedStorage.from_file(f"/proc/self/fd/{self.descriptor}", True, length)
        except BaseException:
            os.close(self.descriptor)
            raise

    def seal(self) -> None:
        """From now on only those who have it mapped can write to it. Again does nothing."""
        if self.is_sealed:
            return
        self.is_sealed = True
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _F_SEAL_FUTURE_WRITE | fcntl.F_SEAL_SEAL)

    def close(self) -> None:
        """Gives up the descriptor; tensors in the arena go on living."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def part(self, start: int, size: int) -> torch.Tensor:
        """Bytes of the arena, as a tensor."""
        return torch.empty(0, dtype=torch.uint8).set_(self.storage, start, (size,), (1,))

    def copy_in(self, weights: Weights) -> None:
        """Copies every storage of the weights into the arena."""
        for start, size, tensors in zip(self.starts, weights.sizes, weights.tensors, strict=True):
            if size:
                self.part(start, size).copy_(_bytes_of(tensors[0]))

    def copy_out(self, weights: Weights) -> None:
        """Copies the arena into every storage of the weights, and waits for their device."""
        for start, size, tensors in zip(self.starts, weights.sizes, weights.tensors, strict=True):
            if size:
                _bytes_of(tensors[0]).copy_(self.part(start, size))
        synchronise(weights)

    def move_in(self, weights: Weights) -> None:
        """Makes the arena the memory of every tensor of the weights; what is in it already stays.

        Whoever else looks at one of their storages, in whatever object, is moved as well.
        """
        by_address = {
            tensors[0].untyped_storage().data_ptr(): start
            for start, size, tensors in zip(self.starts, weights.sizes, weights.tensors, strict=True)
            if size
        }
        moved = set()
        for tensors in [_living_tensors(), *weights.tensors]:
            for tensor in tensors:
                if id(tensor) in moved:
                    continue
                start = by_address.get(_address(tensor))
                if start is not None:
                    self._move(tensor, start)
                    moved.add(id(tensor))

    def _move(self, tensor: torch.Tensor, start: int) -> None:
        offset = start // tensor.element_size() + tensor.storage_offset()
        view = torch.empty(0, dtype=tensor.dtype).set_(self.storage, offset, tensor.size(), tensor.stride())
        # Keeps the object, its class and the attributes that vLLM hangs on it.
        tensor.data = view


def synchronise(weights: Weights) -> None:
    """Waits until the device of the weights has done all it was told."""
    device = next((tensors[0].device for tensors in weights.tensors if tensors), torch.device("cpu"))
    if device.type != "cpu":
        torch.accelerator.synchronize()


def require_memory(size: int) -> None:
    """Raises `Unsuitable` when a memory file of so many bytes would end this process rather than fail."""
    available = available_memory()
    if available is not None and size > available - RESERVE:
        raise Unsuitable(
            f"{size} bytes of shared memory are needed and {max(available - RESERVE, 0)} are left; "
            "raise the container's memory limit, which counts shared memory"
        )


def available_memory() -> int | None:
    """Bytes that may be taken before the kernel kills something; None when nothing tells."""
    found = []
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            found.append(int(line.split()[1]) * 1024)
    for limit_path, used_path, stat_path in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
            "/sys/fs/cgroup/memory/memory.stat",
        ),
    ):
        limit, used = _number(limit_path), _number(used_path)
        if limit is None or used is None:
            continue
        cache = next((int(line.split()[1]) for line in _lines(stat_path) if line.startswith("inactive_file ")), 0)
        found.append(limit - max(used - cache, 0))
        break
    return min(found) if found else None


def _number(path: str) -> int | None:
    line = next(iter(_lines(path)), "")
    return int(line) if line.isdigit() else None


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _bytes_of(tensor: torch.Tensor) -> torch.Tensor:
    """The whole storage of a tensor, as bytes on its device."""
    storage = tensor.untyped_storage()
    return torch.empty(0, dtype=torch.uint8, device=tensor.device).set_(storage, 0, (storage.nbytes(),), (1,))


def _address(tensor: torch.Tensor) -> int | None:
    try:
        return tensor.untyped_storage().data_ptr() if tensor.device.type == "cpu" else None
    except (RuntimeError, NotImplementedError):
        # A tensor without a storage: sparse, or a wrapper.
        return None


def _living_tensors() -> list[torch.Tensor]:
    # By its type and not by isinstance: that asks the object, and lazy modules and proxies come alive when asked.
    return [item for item in gc.get_objects() if issubclass(type(item), torch.Tensor)]


def return_freed_memory() -> None:
    """Gives what was freed back to the system, where the allocator would keep it."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        # Another C library than glibc.
        pass
