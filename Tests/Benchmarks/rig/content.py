"""The model that is moved: a checkpoint folder in memory, no two chunks alike."""

import os

from checkpoint import generate

from rig.processes import Failed

SHARED_MEMORY = "/dev/shm"


class Model:
    def __init__(self, folder, bytes):
        self.folder = folder
        self.bytes = bytes


def write_model(folder, size, copies):
    """Writes it under `folder`. `copies` are what the processes hold besides, which must fit into memory too."""
    free = free_memory()
    if free < size * (copies + 1) * 1.1:
        raise Failed(f"{free / 1e9:.1f} GB of memory are free, {size * (copies + 1) * 1.1 / 1e9:.1f} GB are needed")
    path = os.path.join(folder, "model")
    generate(path, size)
    return Model(path, sum(entry.stat().st_size for entry in os.scandir(path)))


def free_memory():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
