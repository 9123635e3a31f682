"""Copies memory to memory within one process: the C library's memcpy, on one or more threads."""

import ctypes
import sys
import time

from references.peer import Memory, cpu_seconds, in_threads, say, turns

# Its foreign calls don't hold the interpreter's lock.
memcpy = ctypes.CDLL(None).memcpy
memcpy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
memcpy.restype = ctypes.c_void_p


def copy(source, target, threads):
    share = source.size // threads
    in_threads([
        lambda offset=index * share: memcpy(target.address + offset, source.address + offset, share)
        for index in range(threads)])


def main():
    size = int(sys.argv[1])
    source, target = Memory(size), Memory(size)
    source.fill()
    say("ready")
    for turn in turns():
        start, cpu = time.monotonic(), cpu_seconds()
        copy(source, target, turn["threads"])
        say("done", seconds=time.monotonic() - start, bytes=size, cpu=cpu_seconds() - cpu)


if __name__ == "__main__":
    main()
