"""The worker's end of the two sockets: the sidecar asks, a thread of the worker answers, the engine waits.

The engine's thread moves the worker through its phases and blocks at two points, each for a bounded time: until somebody has
filled its weights or told it to load them itself, and until loaded weights were digested. The sidecar asks for the phase and
acts on it.

| phase | meaning |
|---|---|
| starting | there is nothing to describe yet |
| waiting | the engine waits for its weights; the arena is to be filled |
| filled | the arena holds verified weights, and the engine takes them |
| loading | the engine loads from disk; the arena of before is given up |
| loaded | the arena holds the weights, and the engine waits for `proceed` |
| processing | vLLM makes of them what it computes with |
| ready | done; the arena still holds the weights, but for what processing changed in it |
| changed | the engine is about to change its weights, and waits for `withdrawn` |
| apart | the engine shares nothing |
"""

from __future__ import annotations

import array
import dataclasses
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import zmq

from . import PROTOCOL, __version__
from .arena import ALIGNMENT, Arena
from .settings import Settings

# What a sidecar may send in one message, bytes: the record of a rank's weights is the largest.
REQUEST_LIMIT = 256 << 20
# Of a request on the descriptor socket.
LINE_LIMIT = 4096
# Sidecars that are connected at once: one, and one that is being replaced.
CONNECTIONS = 4
# How often the thread looks whether it shall end, milliseconds.
_TURN = 200


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of the wait for weights."""

    # Whether the arena holds verified weights.
    is_filled: bool
    # For people.
    reason: str
    details: dict[str, Any] = dataclasses.field(default_factory=dict)


class _Refused(Exception):
    pass


class Agent:
    """One worker, as its sidecar sees it. Made on the engine's thread; its own thread ends with `close` or the process."""

    def __init__(self, settings: Settings, number: int, vllm_version: str, log: logging.Logger) -> None:
        self._settings = settings
        self._number = number
        self._vllm_version = vllm_version
        self._log = log
        self._state = threading.Condition()
        self._generation = uuid.uuid4().hex
        self._phase = "starting"
        self._description: dict[str, Any] | None = None
        self._arena: Arena | None = None
        self._make_arena: Callable[[], Arena] | None = None
        self._arenas = 0
        self._verdict: Verdict | None = None
        self._may_proceed = False
        self._is_withdrawn = False
        self._record = ""
        self._loaded_bytes = 0
        self._total_bytes = 0
        self._last_word: float | None = None
        self._is_ending = False
        path = settings.socket_path(number)
        self._paths = (path, settings.descriptor_path(path))
        os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
        for stale in self._paths:
            # Left by a worker that was killed.
            if os.path.exists(stale):
                os.unlink(stale)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._connections: dict[int, socket.socket] = {}
        self._context = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        self._router.setsockopt(zmq.MAXMSGSIZE, REQUEST_LIMIT)
        self._router.bind(f"ipc://{self._paths[0]}")
        self._listener.bind(self._paths[1])
        self._listener.listen(CONNECTIONS)
        for path in self._paths:
            # The sidecar may be another user, in the group that the shared folder has.
            os.chmod(path, 0o660)
        self._thread = threading.Thread(target=self._serve, name="modelexpress", daemon=True)
        self._thread.start()

    # On the engine's thread

    @property
    def arena(self) -> Arena | None:
        return self._arena

    def describe(self, description: dict[str, Any], total_bytes: int) -> None:
        """What there is to share; before `wait_for_weights` or `wait_until_digested`."""
        with self._state:
            self._description = description
            self._total_bytes = total_bytes

    def wait_for_weights(self, make_arena: Callable[[], Arena]) -> Verdict:
        """Blocks until the arena is filled, or the weights have to come from disk; the arena is given up then.

        `make_arena` is called again when another sidecar comes: the one before it may still write to what it was given.
        """
        with self._state:
            self._make_arena = make_arena
            self._take(make_arena())
            self._phase = "waiting"
            self._verdict = None
            began = time.monotonic()
            while self._verdict is None:
                reason = self._silence(began)
                if reason is not None:
                    self._verdict = Verdict(False, reason)
                    break
                self._state.wait(0.1)
            self._make_arena = None
            verdict = self._verdict
            if not verdict.is_filled:
                self._phase = "loading"
                self._drop()
            return verdict

    def begin_loading(self) -> None:
        with self._state:
            self._phase = "loading"
            self._loaded_bytes = 0

    def note_loaded(self, size: int) -> None:
        with self._state:
            self._loaded_bytes += size

    def wait_until_digested(self, arena: Arena, limit: float) -> bool:
        """Hands over an arena with weights in it, and blocks until the sidecar has digested them, or no reader is left of
        those who read them while they came. False when that took longer than `limit` seconds, or there is no sidecar."""
        with self._state:
            if arena is not self._arena:
                self._take(arena)
            self._phase = "loaded"
            self._may_proceed = False
            began = time.monotonic()
            while not self._may_proceed and self._is_worth_waiting(began, limit):
                self._state.wait(0.05)
            self._phase = "processing"
            return self._may_proceed

    def ready(self) -> None:
        with self._state:
            if self._phase == "processing":
                self._phase = "ready"

    def stop_sharing(self, why: str) -> None:
        """Before the weights change: returns when nobody is given them any more, or after the drain time."""
        with self._state:
            if self._phase not in ("processing", "ready", "loaded"):
                self._phase = "apart"
                return
            self._log.info("no longer a source: %s", why)
            self._phase = "changed"
            self._is_withdrawn = False
            began = time.monotonic()
            while not self._is_withdrawn and self._is_worth_waiting(began, self._settings.drain_wait):
                self._state.wait(0.05)
            if not self._is_withdrawn and self._connections:
                self._log.warning("the sidecar did not say within %g s that it serves nothing", self._settings.drain_wait)
            self._phase = "apart"
            self._record = ""
            self._drop()

    def stand_apart(self) -> None:
        """Shares nothing, for as long as the worker lives."""
        with self._state:
            self._phase = "apart"
            self._drop()

    def close(self) -> None:
        with self._state:
            if self._is_ending:
                return
            self._is_ending = True
            self._drop()
        self._thread.join(2)
        for path in self._paths:
            if os.path.exists(path):
                os.unlink(path)

    def _take(self, arena: Arena) -> None:
        self._drop()
        self._arena = arena
        self._arenas += 1

    def _drop(self) -> None:
        if self._arena is not None:
            self._arena.close()
            self._arena = None

    def _is_worth_waiting(self, began: float, limit: float) -> bool:
        """Whether a sidecar is there, speaks, and has time left."""
        now = time.monotonic()
        heard = max(self._last_word or began, began)
        return bool(self._connections) and now < began + limit and now < heard + self._settings.stall

    def _silence(self, began: float) -> str | None:
        now = time.monotonic()
        wait = self._settings.sidecar_wait
        if self._last_word is None:
            return f"no sidecar within {wait:g} s at {self._paths[0]}" if now > began + wait else None
        # A sidecar that is gone may be replaced; one that is connected and says nothing hangs.
        limit = self._settings.stall if self._connections else wait
        quiet = now - max(self._last_word, began)
        if quiet <= limit:
            return None
        return f"the sidecar {'says nothing' if self._connections else 'is gone'} since {quiet:.1f} s"

    # On the agent's thread

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._listener, zmq.POLLIN)
        while not self._is_ending:
            for item, _ in poller.poll(_TURN):
                if item is self._router:
                    self._receive()
                elif item == self._listener.fileno():
                    self._accept(poller)
                else:
                    self._hear(item, poller)
        for connection in self._connections.values():
            connection.close()
        self._listener.close()
        self._context.destroy(linger=0)

    def _receive(self) -> None:
        while True:
            try:
                frames = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(frames) != 2:
                continue
            try:
                request = json.loads(frames[1])
            except (ValueError, RecursionError):
                continue
            if not isinstance(request, dict):
                continue
            answer: dict[str, Any] = {"protocol": PROTOCOL, "id": request.get("id", 0), "ok": True}
            try:
                answer |= self._answer(request)
            except _Refused as refusal:
                answer |= {"ok": False, "error": str(refusal)}
            try:
                self._router.send_multipart([frames[0], json.dumps(answer).encode()], zmq.NOBLOCK)
            except zmq.ZMQError:
                # Whoever asked does not take its answers, and asks again.
                pass

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("protocol") != PROTOCOL:
            raise _Refused(f"this worker speaks protocol {PROTOCOL}, the sidecar {request.get('protocol')}: use one release")
        name = request.get("request")
        with self._state:
            self._last_word = time.monotonic()
            if name != "hello" and request.get("generation") != self._generation:
                raise _Refused("another generation: the worker was restarted")
            match name:
                case "hello":
                    return {
                        "version": __version__,
                        "vllm": self._vllm_version,
                        "generation": self._generation,
                        "worker": self._number,
                        "pid": os.getpid(),
                        "phase": self._phase,
                        "arena": self._arenas if self._arena else 0,
                        "loadedBytes": self._loaded_bytes,
                        "totalBytes": self._total_bytes,
                    }
                case "describe":
                    if self._description is None:
                        raise _Refused("nothing to describe yet")
                    return {"description": self._description | {"alignment": ALIGNMENT}, "record": self._record}
                case "mapped":
                    if self._arena is None or request.get("arena") != self._arenas:
                        raise _Refused("that arena is given up")
                    self._arena.seal()
                case "filled":
                    self._require("waiting")
                    details = request.get("details")
                    details = details if isinstance(details, dict) else {}
                    self._verdict = Verdict(True, str(request.get("reason", "")), details)
                    self._phase = "filled"
                    self._record = str(request.get("record", ""))
                case "disk":
                    self._require("waiting")
                    self._verdict = Verdict(False, str(request.get("reason", "")))
                    self._phase = "loading"
                case "proceed":
                    self._require("loaded")
                    self._may_proceed = True
                    self._record = str(request.get("record", "")) or self._record
                case "withdrawn":
                    self._is_withdrawn = True
                case _:
                    raise _Refused(f"no request is called {name}")
            self._state.notify_all()
            return {}

    def _require(self, phase: str) -> None:
        if self._phase != phase:
            raise _Refused(f"the worker is {self._phase}, not {phase}")

    def _accept(self, poller: zmq.Poller) -> None:
        connection, _ = self._listener.accept()
        if len(self._connections) >= CONNECTIONS:
            connection.close()
            return
        connection.settimeout(1)
        with self._state:
            self._connections[connection.fileno()] = connection
        poller.register(connection.fileno(), zmq.POLLIN)

    def _hear(self, descriptor: int, poller: zmq.Poller) -> None:
        """A line asks for the arena; the end of the connection is the sidecar's."""
        connection = self._connections.get(descriptor)
        if connection is None:
            return
        try:
            line = connection.recv(LINE_LIMIT)
            if line:
                self._pass_arena(connection, line)
                return
        except (OSError, ValueError, RecursionError):
            # It leaves, or sends what is no request: either way this connection is over.
            pass
        poller.unregister(descriptor)
        with self._state:
            del self._connections[descriptor]
            self._state.notify_all()
        connection.close()

    def _pass_arena(self, connection: socket.socket, line: bytes) -> None:
        request = json.loads(line)
        with self._state:
            is_current = isinstance(request, dict) and request.get("generation") == self._generation
            if is_current and self._arena is not None and self._arena.is_sealed and self._make_arena is not None:
                self._take(self._make_arena())
            arena = self._arena if is_current else None
            descriptors = [] if arena is None else [arena.descriptor]
            answer = {"arena": self._arenas if arena else 0, "size": arena.size if arena else 0}
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
            connection.sendmsg([json.dumps(answer).encode() + b"\n"], ancillary)
