"""Moves memory over plain TCP connections: `source ADDRESS SIZE`, or `target SIZE` with addresses in each turn.

A request is 16 bytes, offset and length; its answer is these bytes and nothing else.
"""

import socket
import struct
import sys
import threading
import time

from references.peer import Memory, check, cpu_seconds, in_threads, say, turns

REQUEST = struct.Struct("<QQ")
RECEIVED_AT_ONCE = 1 << 20
# Sent beyond what a timed turn can take.
ENDLESS = 1 << 62
# A timed turn counts nothing before this: bursts and the slow start are over then; seconds.
WARM_UP = 0.5


def serve(connection, memory):
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            request = connection.recv(REQUEST.size, socket.MSG_WAITALL)
            if len(request) < REQUEST.size:
                return
            offset, left = REQUEST.unpack(request)
            try:
                while left > 0:
                    length = min(left, memory.size - offset)
                    connection.sendall(memory.view[offset:offset + length])
                    left -= length
                    offset = 0
            except OSError:
                return


def source(address, size):
    memory = Memory(size)
    memory.fill()
    listener = socket.create_server((address, 0))
    say("ready", address=address, port=listener.getsockname()[1], checksum=memory.checksum())
    # The rig keeps the other end of this pipe open while it lives.
    threading.Thread(target=lambda: (sys.stdin.read(), listener.shutdown(socket.SHUT_RDWR)), daemon=True).start()
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(connection, memory), daemon=True).start()


def receive(connection, view):
    filled = 0
    while filled < len(view):
        count = connection.recv_into(view[filled:filled + RECEIVED_AT_ONCE])
        if count == 0:
            raise ConnectionError("the source closed")
        filled += count


def fetch(connection, memory, offset, length):
    connection.sendall(REQUEST.pack(offset, length))
    receive(connection, memory.view[offset:offset + length])


def connect(turn):
    return [
        socket.create_connection((peer["address"], peer["port"]), timeout=30)
        for peer in turn["sources"] for _ in range(turn["connections"])]


def whole(turn, memory):
    """All bytes once, an equal share over each connection."""
    connections = connect(turn)
    share = memory.size // len(connections)
    start, cpu = time.monotonic(), cpu_seconds()
    in_threads([
        lambda connection=connection, offset=index * share: fetch(connection, memory, offset, share)
        for index, connection in enumerate(connections)])
    say("done", seconds=time.monotonic() - start, bytes=share * len(connections), cpu=cpu_seconds() - cpu)
    for connection in connections:
        connection.close()
    if "checksum" in turn:
        check(memory, turn["checksum"])


def timed(turn, memory):
    """What comes over each source's connections in so many seconds while all of them send."""
    connections = connect(turn)
    begin = time.monotonic() + WARM_UP
    end = begin + turn["seconds"]
    counts = [0] * len(connections)

    def drain(index, connection):
        connection.sendall(REQUEST.pack(0, ENDLESS))
        part = memory.view[index * RECEIVED_AT_ONCE:(index + 1) * RECEIVED_AT_ONCE]
        while (now := time.monotonic()) < end:
            count = connection.recv_into(part)
            if count == 0:
                raise ConnectionError("the source closed")
            if now >= begin:
                counts[index] += count

    in_threads([lambda index=index, connection=connection: drain(index, connection)
                for index, connection in enumerate(connections)])
    for connection in connections:
        connection.close()
    each = turn["connections"]
    rates = [sum(counts[first:first + each]) / turn["seconds"] for first in range(0, len(counts), each)]
    say("done", seconds=turn["seconds"], rates=rates)


def target(size):
    memory = Memory(size)
    say("ready")
    for turn in turns():
        (timed if "seconds" in turn else whole)(turn, memory)


if __name__ == "__main__":
    if sys.argv[1] == "source":
        source(sys.argv[2], int(sys.argv[3]))
    else:
        target(int(sys.argv[2]))
