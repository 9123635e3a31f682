"""Asks a peer on its local socket: JSON lines both ways, over a connection that is kept."""

import json
import socket
import time

# Seconds in which a line of an answer must come.
ANSWER_LIMIT = 15


class Unanswered(Exception):
    """Nobody answered, or what answered said that it failed."""


class LocalSocket:
    def __init__(self, path):
        self.path = path
        self._stream = None

    def ask(self, request, **fields):
        """The last line of the answer. A connection that the peer closed meanwhile is opened again, once."""
        question = json.dumps({"request": request, **fields}).encode() + b"\n"
        for is_last_try in (False, True):
            try:
                return self._exchange(question)
            except OSError as error:
                self.close()
                if is_last_try:
                    raise Unanswered(f"{self.path}: {error}") from error

    def _exchange(self, question):
        if self._stream is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(ANSWER_LIMIT)
            connection.connect(self.path)
            self._stream = connection.makefile("rwb")
            connection.close()
        self._stream.write(question)
        self._stream.flush()
        while True:
            line = self._stream.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError("the answer ended early")
            answer = json.loads(line)
            if answer.get("error"):
                raise Unanswered(f"{self.path}: {answer['error']}")
            if answer["is_last"]:
                return answer

    def close(self):
        if self._stream is not None:
            try:
                self._stream.close()
            except OSError:
                pass
            self._stream = None


def eventually(what, limit, condition, pause=0.05):
    """Polls until the condition gives something true, and returns that; fails after `limit` seconds."""
    end = time.monotonic() + limit
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Unanswered(f"{what}: not within {limit} s")
        time.sleep(pause)
