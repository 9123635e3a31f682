"""Hosts as network namespaces around a bridge, their links limited with tc tbf."""

import os
import shutil
import subprocess

from rig.processes import Failed

# A limited link lets a burst through and queues so long at most, as a switch does: milliseconds.
LATENCY = 50
# Seconds at the full rate that may go at once; the least bytes of it hold one segment of generic offload.
BURST_SECONDS = 0.002
BURST_MINIMUM = 128 << 10
COMMAND_LIMIT = 20


class Link:
    """Bits a second that a host may send (`up`) and get (`down`); None: as fast as the machine is."""

    def __init__(self, up=None, down=None):
        self.up = up
        self.down = down


class Host:
    def __init__(self, namespace, address):
        self.namespace = namespace
        self.address = address

    @property
    def wrapper(self):
        """What comes before a program so that it runs on this host."""
        return ["ip", "netns", "exec", self.namespace]


class Network:
    """A host for each link. Whatever the outcome, the namespaces are removed."""

    def __init__(self, links):
        self._prefix = f"mxb{os.getpid()}"
        self._hub = f"{self._prefix}hub"
        self._links = links
        self.hosts = [Host(f"{self._prefix}h{index}", f"10.98.0.{index + 1}") for index in range(len(links))]

    def __enter__(self):
        try:
            for name in (self._hub, *(host.namespace for host in self.hosts)):
                run("ip", "netns", "add", name)
                run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", self._hub, "link", "add", "bridge", "type", "bridge")
            run("ip", "-n", self._hub, "link", "set", "bridge", "up")
            for index, (host, link) in enumerate(zip(self.hosts, self._links)):
                self._join(host, link, f"port{index}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in (*(host.namespace for host in self.hosts), self._hub):
            subprocess.run(("ip", "netns", "delete", name), capture_output=True, check=False, timeout=COMMAND_LIMIT)

    def _join(self, host, link, port):
        run("ip", "-n", self._hub, "link", "add", port, "type", "veth", "peer", "name", "eth", "netns", host.namespace)
        run("ip", "-n", self._hub, "link", "set", port, "master", "bridge", "up")
        run("ip", "-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth")
        run("ip", "-n", host.namespace, "link", "set", "eth", "up")
        limit(host.namespace, "eth", link.up)
        limit(self._hub, port, link.down)


def limit(namespace, device, rate):
    if rate is None:
        return
    burst = max(BURST_MINIMUM, int(rate / 8 * BURST_SECONDS))
    run("tc", "-n", namespace, "qdisc", "add", "dev", device, "root", "tbf", "rate", f"{rate:.0f}bit", "burst",
        f"{burst}b", "latency", f"{LATENCY}ms")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMMAND_LIMIT)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")


def why_impossible():
    """A sentence where namespaces can't be made, else None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            return f"there is no {tool}; install iproute2"
    try:
        with Network([Link(up=1e9)]):
            return None
    except Failed as failure:
        return f"no rate-limited bridge between namespaces can be made here: {failure}"
