"""Starts the reference peers and takes turns with them."""

import dataclasses
import os
import signal
import sys

from rig.processes import wait_until

START_LIMIT = 120
TURN_LIMIT = 300
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HASHED = 256 << 20
LOOPBACK = "127.0.0.1"
# UCX cuts a read over TCP into 8 KiB unless told otherwise.
NIXL_TCP = {"UCX_TLS": "tcp"}
NIXL_TCP_TUNED = {
    "UCX_TLS": "tcp", "UCX_TCP_TX_SEG_SIZE": "256k", "UCX_TCP_RX_SEG_SIZE": "256k", "UCX_TCP_SNDBUF": "4m",
    "UCX_TCP_RCVBUF": "4m"}
# Seconds; it gives up after 30 otherwise, which slow links need.
MOONCAKE = {"MC_TRANSFER_TIMEOUT": "300"}
MOONCAKE_TUNED = {**MOONCAKE, "MC_TCP_ENABLE_CONNECTION_POOL": "1"}


@dataclasses.dataclass
class Sample:
    """One transfer. CPU seconds of both sides, where they are known."""

    seconds: float
    bytes: int = 0
    target_cpu: float = 0.0
    source_cpu: float = 0.0

    @property
    def rate(self):
        """GB/s."""
        return self.bytes / 1e9 / self.seconds


class Reference:
    """Sources and a target that move the bytes when told."""

    def __init__(self, processes, sources, target):
        self._processes = processes
        self.sources = sources
        self.target = target
        self._turns = 0
        self._hellos = [ready(source, source) for source in sources]
        ready(target, *sources)
        self._signal(signal.SIGSTOP)

    def _signal(self, number):
        for process in (*self.sources, self.target):
            process.signal(number)

    def _take(self, turn):
        """Between turns they are stopped: some of them poll without end, which others would feel."""
        self._signal(signal.SIGCONT)
        try:
            return self._take_awake(turn)
        finally:
            self._signal(signal.SIGSTOP)

    def _take_awake(self, turn):
        self._turns += 1
        used = [source.cpu() for source in self.sources]
        self.target.say(turn)
        wait_until(
            lambda: self.target.count("done") >= self._turns, TURN_LIMIT, f"a turn of {self.target.label}",
            [*self.sources, self.target])
        done = self.target.last("done").content
        cpu = sum(source.cpu() - before for source, before in zip(self.sources, used))
        return done, cpu

    def measure(self, **turn):
        """One transfer of everything; the first one is compared with the source."""
        turn["sources"] = self._hellos
        if self._turns == 0 and len(self._hellos) == 1:
            turn["checksum"] = self._hellos[0]["checksum"]
        done, cpu = self._take(turn)
        return Sample(done["seconds"], done["bytes"], done["cpu"], cpu)

    def rates(self, seconds, **turn):
        """Bytes a second that came from each source while all sent (plain TCP only)."""
        turn["sources"] = self._hellos
        done, _ = self._take({**turn, "seconds": seconds})
        return done["rates"]

    def end(self):
        self._signal(signal.SIGCONT)
        self._processes.end([*self.sources, self.target])


def ready(process, *watched):
    return wait_until(
        lambda: process.first("ready"), START_LIMIT, f"{process.label}'s start", [process, *watched]).content


class Peers:
    """Makes references of one size."""

    def __init__(self, processes, folder, size, wheels=None):
        self._processes = processes
        self._folder = folder
        self._size = size
        self._wheels = wheels
        self._started = 0

    def memcpy(self):
        return Reference(self._processes, [], self._start("memcpy", None, sys.executable, [str(self._size)], {}))

    def sha256(self):
        return Reference(self._processes, [], self._start("sha256", None, sys.executable, [str(HASHED)], {}))

    def tcp(self, source_hosts=(None,), target_host=None):
        return self._pair(
            "tcp", source_hosts, target_host, sys.executable, lambda host, _: [address(host)], lambda _: [], {})

    def nixl(self, settings, progress_thread, source_hosts=(None,), target_host=None):
        way = "prog" if progress_thread else "noprog"
        return self._pair(
            "nixl", source_hosts, target_host, self._wheels.python, lambda _, index: [f"source-{index}"], lambda _: [],
            settings, [way])

    def mooncake(self, settings, source_hosts=(None,), target_host=None):
        return self._pair(
            "mooncake", source_hosts, target_host, self._wheels.python, lambda host, _: [address(host)],
            lambda host: [address(host)], settings)

    def _pair(self, kind, source_hosts, target_host, python, of_source, of_target, settings, behind=()):
        size = [str(self._size)]
        sources = [
            self._start(kind, host, python, ["source", *of_source(host, index), *size, *behind], settings)
            for index, host in enumerate(source_hosts)]
        target = self._start(kind, target_host, python, ["target", *of_target(target_host), *size, *behind], settings)
        return Reference(self._processes, sources, target)

    def _start(self, kind, host, python, arguments, settings):
        self._started += 1
        label = f"{kind}-{self._started}"
        command = [*(host.wrapper if host else []), python, "-B", "-m", f"references.{kind}_peer", *arguments]
        environment = {**os.environ, "PYTHONPATH": ROOT, "UCX_WARN_UNUSED_ENV_VARS": "n", **settings}
        return self._processes.start(label, command, environment, f"{self._folder}/{label}.log")


def address(host):
    return host.address if host else LOOPBACK
