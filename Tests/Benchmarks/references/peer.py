"""What the reference peers share: memory that is there before the clock starts, and turns told by JSON lines."""

import ctypes
import json
import mmap
import os
import resource
import sys
import threading
import zlib

MADV_POPULATE_WRITE = 23
_BLOCK = 16 << 20


class Memory:
    """Anonymous memory of this process, populated, in huge pages where the system gives them."""

    def __init__(self, size):
        self.size = size
        self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._map.madvise(mmap.MADV_HUGEPAGE)
        self._map.madvise(MADV_POPULATE_WRITE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self.view = memoryview(self._map)

    def fill(self):
        """Random bytes, no two blocks alike."""
        block = os.urandom(_BLOCK)
        for index, offset in enumerate(range(0, self.size, _BLOCK)):
            length = min(_BLOCK, self.size - offset)
            self.view[offset:offset + length] = block[:length]
            self.view[offset:offset + 8] = index.to_bytes(8, "little")

    def checksum(self):
        return zlib.crc32(self.view)


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def turns():
    """One request after the other, until the rig is gone."""
    for line in sys.stdin:
        yield json.loads(line)


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def in_threads(tasks):
    """Runs callables side by side; the first error of any ends this process."""
    errors = []

    def run(task):
        try:
            task()
        except Exception as error:  # Told below, whatever it is.
            errors.append(error)

    threads = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def check(memory, wanted):
    """Ends this process when the bytes are not the source's."""
    if memory.checksum() != wanted:
        say("failed", message="the bytes that came are not the source's")
        sys.exit(1)
