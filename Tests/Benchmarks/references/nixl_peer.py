"""One side of a transfer with NIXL's wheel: `source SIZE` or `target SIZE`, with `prog` or `noprog` behind.

UCX takes its settings from the environment.
"""

import base64
import select
import sys
import time

from nixl_cu12._api import nixl_agent, nixl_agent_config

from references.peer import Memory, check, cpu_seconds, say, turns

CHUNK = 4 << 20
LIMIT = 120


def agent(name, has_progress_thread):
    return nixl_agent(name, nixl_agent_config(enable_prog_thread=has_progress_thread, backends=["UCX"]))


def pieces(address, offset, length):
    return [(address + at, min(CHUNK, offset + length - at), 0) for at in range(offset, offset + length, CHUNK)]


def source(name, size, has_progress_thread):
    memory = Memory(size)
    memory.fill()
    here = agent(name, has_progress_thread)
    here.register_memory([(memory.address, size, 0, "")], "DRAM")
    say("ready", name=name, metadata=base64.b64encode(here.get_agent_metadata()).decode(), base=memory.address,
        checksum=memory.checksum())
    if has_progress_thread:
        sys.stdin.read()
        return
    # Without its thread NIXL makes progress only in its owner's calls.
    while not select.select([sys.stdin], [], [], 0)[0]:
        here.get_new_notifs()


def transfer(here, memory, sources):
    """An equal part from each source at once."""
    share = memory.size // len(sources)
    handles = [
        here.initialize_xfer(
            "READ", here.get_xfer_descs(pieces(memory.address, index * share, share), "DRAM"),
            here.get_xfer_descs(pieces(peer["base"], index * share, share), "DRAM"), peer["name"])
        for index, peer in enumerate(sources)]
    start, cpu = time.monotonic(), cpu_seconds()
    waiting = []
    for handle in handles:
        state = here.transfer(handle)
        if state == "ERR":
            raise OSError("NIXL could not begin the transfer")
        if state != "DONE":
            waiting.append(handle)
    while waiting:
        for handle in list(waiting):
            state = here.check_xfer_state(handle)
            if state == "ERR":
                raise OSError("NIXL's transfer failed")
            if state == "DONE":
                waiting.remove(handle)
        if time.monotonic() - start > LIMIT:
            raise OSError(f"NIXL's transfer took longer than {LIMIT} s")
    say("done", seconds=time.monotonic() - start, bytes=share * len(sources), cpu=cpu_seconds() - cpu)
    for handle in handles:
        here.release_xfer_handle(handle)


def target(size, has_progress_thread):
    memory = Memory(size)
    here = agent("target", has_progress_thread)
    here.register_memory([(memory.address, size, 0, "")], "DRAM")
    say("ready")
    known = set()
    for turn in turns():
        for peer in turn["sources"]:
            if peer["name"] not in known:
                here.add_remote_agent(base64.b64decode(peer["metadata"]))
                known.add(peer["name"])
        transfer(here, memory, turn["sources"])
        if "checksum" in turn:
            check(memory, turn["checksum"])


if __name__ == "__main__":
    has_progress_thread = sys.argv[-1] == "prog"
    if sys.argv[1] == "source":
        source(sys.argv[2], int(sys.argv[3]), has_progress_thread)
    else:
        target(int(sys.argv[2]), has_progress_thread)
