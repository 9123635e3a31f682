"""One side of a transfer with Mooncake's wheel over TCP: `source ADDRESS SIZE` or `target ADDRESS SIZE`."""

import sys
import time

from mooncake.engine import TransferEngine

from references.peer import Memory, check, cpu_seconds, in_threads, say, turns

CHUNK = 4 << 20


def start(address, memory):
    engine = TransferEngine()
    if engine.initialize(address, "P2PHANDSHAKE", "tcp", "") != 0:
        raise OSError("Mooncake's engine did not start")
    if engine.register_memory(memory.address, memory.size) != 0:
        raise OSError("Mooncake did not register the memory")
    return engine


def source(address, size):
    memory = Memory(size)
    memory.fill()
    engine = start(address, memory)
    say("ready", segment=f"{address}:{engine.get_rpc_port()}", base=memory.address, checksum=memory.checksum())
    sys.stdin.read()


def fetch(engine, memory, peer, offset, length):
    places = range(offset, offset + length, CHUNK)
    lengths = [min(CHUNK, offset + length - at) for at in places]
    result = engine.batch_transfer_sync_read(
        peer["segment"], [memory.address + at for at in places], [peer["base"] + at for at in places], lengths)
    if result != 0:
        raise OSError(f"Mooncake's transfer failed with {result}")


def target(address, size):
    memory = Memory(size)
    engine = start(address, memory)
    say("ready")
    for turn in turns():
        sources = turn["sources"]
        share = size // len(sources)
        begin, cpu = time.monotonic(), cpu_seconds()
        in_threads([
            lambda peer=peer, offset=index * share: fetch(engine, memory, peer, offset, share)
            for index, peer in enumerate(sources)])
        say("done", seconds=time.monotonic() - begin, bytes=share * len(sources), cpu=cpu_seconds() - cpu)
        if "checksum" in turn:
            check(memory, turn["checksum"])


if __name__ == "__main__":
    (source if sys.argv[1] == "source" else target)(sys.argv[2], int(sys.argv[3]))
