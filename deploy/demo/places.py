"""Where the demo's files lie: weights where there is room, keys and sockets where paths are short."""

import os
import shutil
import tempfile

from failure import DemoError

# The source (where it is generated) and the copies of one round at a time.
_COPIES = 3
# Logs, keys, Redis, and what a file system needs for itself.
_SLACK = 256 << 20
_SHARED_MEMORY = "/dev/shm"
# Memory is taken for weights only when this many models fit, and programs have this much beside them.
_MODELS_IN_MEMORY = 5
_MEMORY_FOR_PROGRAMS = 2 << 30
# Small enough that Ctrl-C is felt at once.
_TOUCHED_AT_ONCE = 16 << 20
_CGROUP = "/sys/fs/cgroup"


class Places:
    """Two folders, made when asked for, removed at the end."""

    def __init__(self, interrupts, keeps):
        self._interrupts = interrupts
        self._keeps = keeps
        self._made = []
        self._made_parents = []

    def make_work_folder(self, chosen, model_bytes, is_generated):
        """The folder for checkpoint and copies; raises `DemoError` where they don't fit."""
        needed = model_bytes * (_COPIES + is_generated) + _SLACK
        parent = chosen or _roomy_parent(model_bytes)
        if chosen:
            self._make_parents(os.path.abspath(chosen))
        free = _free(parent)
        if free < needed:
            raise DemoError(
                f"{parent} has {free / 1e9:.1f} GB free and the demo needs {needed / 1e9:.1f} GB: "
                "name a roomier folder with --work DIR, or a smaller model with --size 256MiB")
        return self._make(parent)

    def make_run_folder(self):
        """The folder for keys, sockets and logs: socket paths are limited to 107 bytes, so it lies at a short path."""
        return self._make("/tmp" if os.access("/tmp", os.W_OK) else tempfile.gettempdir())

    def touch_memory(self, folder, model_bytes):
        """Takes the memory of a round's copies once and gives it back, where the work folder lies in memory.

        A virtual machine gets memory from its host when it is first touched, at a fraction of the speed of a copy: without
        this the first round would measure that.
        """
        if not folder.startswith(_SHARED_MEMORY):
            return
        path = os.path.join(folder, "touched")
        zeros = bytes(_TOUCHED_AT_ONCE)
        with open(path, "wb", buffering=0) as file:
            for _ in range(0, model_bytes * _COPIES, _TOUCHED_AT_ONCE):
                file.write(zeros)
        os.remove(path)

    def remove(self):
        """Removes both; returns the folders that stay since the user wanted to keep them."""
        if self._keeps:
            return self._made
        for folder in self._made:
            shutil.rmtree(folder, ignore_errors=True)
        for folder in reversed(self._made_parents):
            try:
                os.rmdir(folder)
            except OSError:
                pass
        return []

    def _make_parents(self, folder):
        """Makes a folder with its parents, and notes which of them are ours to remove."""
        if os.path.isdir(folder):
            return
        self._make_parents(os.path.dirname(folder))
        with self._interrupts.held():
            try:
                os.mkdir(folder)
            except OSError as error:
                raise DemoError(f"--work can't be made: {error}") from None
            self._made_parents.append(folder)

    def _make(self, parent):
        with self._interrupts.held():
            folder = tempfile.mkdtemp(prefix="mx-demo-", dir=parent)
            self._made.append(folder)
        return os.path.realpath(folder)


def _roomy_parent(model_bytes):
    wanted = model_bytes * _MODELS_IN_MEMORY
    if _free(_SHARED_MEMORY) >= wanted and _free_memory() >= wanted + _MEMORY_FOR_PROGRAMS:
        return _SHARED_MEMORY
    return os.environ.get("TMPDIR") or "/tmp"


def _free(folder):
    try:
        usage = os.statvfs(folder)
    except OSError:
        return 0
    return usage.f_bavail * usage.f_frsize if os.access(folder, os.W_OK) else 0


def _free_memory():
    """Bytes of memory that this machine, and the container that this may be in, can still give."""
    free = _number("/proc/meminfo", "MemAvailable:") * 1024
    limit, used = _number(f"{_CGROUP}/memory.max"), _number(f"{_CGROUP}/memory.current")
    return min(free, limit - used) if limit else free


def _number(path, label=None):
    """The number in a file, or behind a label in it; 0 where there is none."""
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                words = line.split()
                if label is None or words[0] == label:
                    return int(words[-1 if label is None else 1])
    except (OSError, ValueError, IndexError):
        pass
    return 0
