"""Processes that print JSON lines, how much CPU they used, and their end."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time

from rig.machine import take_precedence

# How long processes may take to end when asked to, before they are killed; seconds.
GRACE = 8.0
POLL = 0.01
READER_LIMIT = 5.0
# CPUCLOCK_SCHED of linux/posix-timers.h: what all threads of a process used, in nanoseconds instead of ticks.
CPU_CLOCK = 2


class Failed(Exception):
    """A measurement could not be taken; the message says why."""

    @property
    def reason(self):
        """In one line."""
        return str(self).splitlines()[0]


def cpu_seconds(pid):
    """User and system time of all threads of any process since its start."""
    return time.clock_gettime((~pid << 3) | CPU_CLOCK)


class Event:
    """A JSON line: when it arrived on the monotonic clock, and what its process had used by then."""

    def __init__(self, content, at, cpu):
        self.content = content
        self.at = at
        self.cpu = cpu


class Process:
    """In a session of its own, so that Ctrl-C reaches the rig alone, which ends its processes in order."""

    def __init__(self, label, command, environment, log):
        self.label = label
        self.log = log
        self.events = []
        self._file = open(log, "ab", buffering=0)
        # When the rig itself is killed, its processes are told to end all the same.
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        self._process = subprocess.Popen(
            [*guard, *command], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._file,
            start_new_session=True)
        take_precedence(self.pid)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            at, cpu = time.monotonic(), self.cpu()
            self._file.write(line)
            if line.startswith(b"{"):
                try:
                    self.events.append(Event(json.loads(line), at, cpu))
                except ValueError:
                    continue

    @property
    def pid(self):
        return self._process.pid

    @property
    def is_alive(self):
        return self._process.poll() is None

    def cpu(self):
        try:
            return cpu_seconds(self.pid)
        except OSError:
            return 0.0

    def say(self, message):
        """Writes a JSON line to its standard input."""
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Failed(f"{self.label} listens no more: {error}; {self.last_words()}") from None

    def first(self, kind):
        return next((event for event in list(self.events) if event.content.get("event") == kind), None)

    def last(self, kind):
        return next((event for event in reversed(list(self.events)) if event.content.get("event") == kind), None)

    def count(self, kind):
        return sum(event.content.get("event") == kind for event in list(self.events))

    def require_alive(self):
        """Fails when it told of a failure, or has ended before it told that its work is complete."""
        failure = self.first("failed")
        if failure:
            raise Failed(f"{self.label} failed: {failure.content.get('message', self.last_words())}")
        if not self.is_alive and not self.first("complete"):
            self._reader.join(READER_LIMIT)
            raise Failed(f"{self.label} ended with {self._process.returncode}: {self.last_words()}")

    def last_words(self):
        with open(self.log, errors="replace") as text:
            return text.read()[-1000:].strip() or "it wrote nothing"

    def signal(self, number):
        self._process.send_signal(number)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def ask_to_end(self):
        if self.is_alive:
            self.signal(signal.SIGTERM)
            # A stopped one would hear of it later only.
            self.signal(signal.SIGCONT)

    def clean_up(self):
        """Ends what it may have started and left, too."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._reader.join(READER_LIMIT)
        self._process.stdin.close()
        self._file.close()


class Processes:
    """All that were started and not ended; none outlives the `with`."""

    def __init__(self, interrupts):
        self._interrupts = interrupts
        self._alive = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(list(self._alive))

    def start(self, label, command, environment, log):
        with self._interrupts.held():
            process = Process(label, command, environment, log)
            self._alive.append(process)
        return process

    def end(self, processes):
        """Asks them to end, and kills those that don't within the grace."""
        for process in reversed(processes):
            process.ask_to_end()
        limit = time.monotonic() + GRACE
        while any(process.is_alive for process in processes) and time.monotonic() < limit:
            time.sleep(POLL)
        for process in processes:
            process.clean_up()
        self._alive = [process for process in self._alive if process not in processes]


def wait_until(condition, limit, what, watched=()):
    """The first true value of `condition()`; fails after `limit` seconds, or when a watched process ends before."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        for process in watched:
            process.require_alive()
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {limit:.0f} s")
        time.sleep(POLL)
