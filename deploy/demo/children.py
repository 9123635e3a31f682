"""The processes that the demo starts, their output, and their end."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time

from failure import DemoError

# How long processes may take to end when asked to, before they are killed; seconds.
_GRACE_S = 8.0
_POLL_S = 0.02
# How long the last lines of a process that has ended may take to arrive; seconds.
_READER_S = 5.0


class Child:
    """A process in a session of its own. Its output goes to a log; lines of JSON are kept with their time."""

    def __init__(self, label, arguments, environment, log):
        self.label = label
        self.log = log
        self.events = []
        self._file = open(log, "ab", buffering=0)
        # Ctrl-C in the terminal must reach the demo alone, which ends its children in order; but when the demo itself
        # is killed with SIGKILL, they are told to end all the same.
        guard = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
        self._process = subprocess.Popen(
            guard + arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            arrived = time.monotonic()
            self._file.write(line)
            if line.startswith(b"{"):
                try:
                    self.events.append((arrived, json.loads(line)))
                except ValueError:
                    continue

    def first(self, key, value):
        """The first event with this value, as (time of arrival, event), or None."""
        return next((entry for entry in list(self.events) if entry[1].get(key) == value), None)

    def last(self, key, value):
        """The last such event, or None."""
        return next((entry for entry in reversed(list(self.events)) if entry[1].get(key) == value), None)

    @property
    def exit_status(self):
        """None while it runs."""
        return self._process.poll()

    def require_alive(self):
        """Raises `DemoError` when it has ended."""
        if self.exit_status is not None:
            self._reader.join(_READER_S)
            raise DemoError(f"{self.label} ended with {describe_status(self.exit_status)}", self.log)

    def settle(self):
        """Waits for the last lines of a process that has ended."""
        self._reader.join(_READER_S)

    def ask_to_end(self):
        if self.exit_status is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self):
        """SIGKILL to it alone, as a crash or an operating system short of memory would."""
        self._process.kill()
        self._process.wait()

    def kill_group(self):
        """Ends what it may have started and left, too."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._reader.join(_READER_S)
        self._file.close()


class Children:
    """All children that are not known to be gone."""

    def __init__(self, interrupts):
        self._interrupts = interrupts
        self._alive = []

    def start(self, label, arguments, environment, log):
        with self._interrupts.held():
            child = Child(label, arguments, environment, log)
            self._alive.append(child)
        return child

    def end(self, children):
        """Asks them to end, the youngest first, and kills those that don't within the grace."""
        for child in reversed(children):
            child.ask_to_end()
        limit = time.monotonic() + _GRACE_S
        while any(child.exit_status is None for child in children) and time.monotonic() < limit:
            time.sleep(_POLL_S)
        for child in children:
            child.kill_group()
        self._alive = [child for child in self._alive if child not in children]

    def end_all(self):
        self.end(list(self._alive))


def wait_until(condition, limit_s, what, watched):
    """Returns the first true value of `condition()`; `DemoError` after the limit or when a watched child ends."""
    limit = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        for child in watched:
            child.require_alive()
        if time.monotonic() > limit:
            raise DemoError(f"{what} did not come within {limit_s:.0f} s", watched[0].log)
        time.sleep(_POLL_S)


def describe_status(status):
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
