"""Digests memory with OpenSSL's SHA-256, on one or more threads: what another digest than ours would cost."""

import hashlib
import os
import sys
import time

from references.peer import cpu_seconds, in_threads, say, turns


def main():
    data = os.urandom(int(sys.argv[1]))
    say("ready")
    for turn in turns():
        threads = turn["threads"]
        start, cpu = time.monotonic(), cpu_seconds()
        in_threads([lambda: hashlib.sha256(data).digest() for _ in range(threads)])
        say("done", seconds=time.monotonic() - start, bytes=threads * len(data), cpu=cpu_seconds() - cpu)


if __name__ == "__main__":
    main()
