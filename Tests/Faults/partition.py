"""Four and four real sidecars in two network namespaces, joined by a rate-limited bridge in a third. The bridge loses
one side for a while; on each side one peer is killed meanwhile. After the healing both sides agree."""

import argparse
import os
import shutil
import subprocess
import time

from harness.cluster import Cluster
from harness.outcome import Outcome, skip, tell
from harness.views import HELD, SKEW, Watch

SIDE = 4
# What each port of the bridge lets through.
RATE = ("rate", "20mbit", "burst", "32kbit", "latency", "400ms")
CONVERGENCE_LIMIT = 30
# Seconds beside their validity until the peers of the other side are forgotten.
FORGET_LIMIT = HELD + SKEW
HEAL_LIMIT = 5
# Seconds after the healing in which nothing dead may come back.
QUIET = 15


class Network:
    """Namespaces `hub`, `left` and `right`; whatever the outcome, all are removed."""

    def __init__(self):
        self.names = {side: f"mxf{os.getpid()}{side}" for side in ("hub", "left", "right")}

    def __enter__(self):
        try:
            for name in self.names.values():
                run("ip", "netns", "add", name)
                run("ip", "-n", name, "link", "set", "lo", "up")
            self._hub("link", "add", "bridge", "type", "bridge")
            self._hub("link", "set", "bridge", "up")
            self._join("left", "10.99.0.1/24")
            self._join("right", "10.99.0.2/24")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _join(self, side, address):
        name = self.names[side]
        self._hub("link", "add", side, "type", "veth", "peer", "name", "mesh", "netns", name)
        self._hub("link", "set", side, "master", "bridge", "up")
        run("ip", "-n", name, "address", "add", address, "dev", "mesh")
        run("ip", "-n", name, "link", "set", "mesh", "up")
        run("tc", "-n", self.names["hub"], "qdisc", "add", "dev", side, "root", "tbf", *RATE)
        run("tc", "-n", name, "qdisc", "add", "dev", "mesh", "root", "tbf", *RATE)

    def _hub(self, *arguments):
        run("ip", "-n", self.names["hub"], *arguments)

    def inside(self, side):
        """What comes before a program so that it runs on that side."""
        return ("ip", "netns", "exec", self.names[side])

    def part(self):
        self._hub("link", "set", "right", "down")

    def heal(self):
        self._hub("link", "set", "right", "up")

    def __exit__(self, *_):
        for name in self.names.values():
            subprocess.run(("ip", "netns", "delete", name), capture_output=True, check=False)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def require_network():
    """Ends the script where namespaces can't be made."""
    if os.geteuid() != 0:
        skip("network namespaces need root")
    for tool in ("ip", "tc"):
        if shutil.which(tool) is None:
            skip(f"there is no {tool}; install iproute2")
    try:
        with Network():
            pass
    except OSError as error:
        skip(f"no rate-limited bridge between namespaces can be made here: {error}")


class Sides:
    """The peers of both sides, and what they should list when together and when apart."""

    def __init__(self, cluster, network):
        self.cluster = cluster
        self.left = self._start(network, "left", "10.99.0.1", [])
        self.right = self._start(network, "right", "10.99.0.2", [self.left[0].bootstrap])

    def _start(self, network, side, address, seeds):
        peers = []
        for index in range(SIDE):
            peer = self.cluster.start_sidecar(
                f"{side}{index}", seeds or [first.bootstrap for first in peers[:1]], address, network.inside(side),
                f"shared={self.cluster.model}")
            peer.await_start()
            peers.append(peer)
        return peers

    def together(self):
        return expect(self.left + self.right)

    def apart(self):
        return expect(self.left) + expect(self.right)


def expect(peers):
    """Every living one of them lists the living ones and their offers, and nothing else."""
    ids = {peer.id for peer in peers if peer.ended_at is None}
    return [(peer, {(id, "shared") for id in ids}, ids) for peer in peers if peer.ended_at is None]


def partition(sides, network, seconds, watch, outcome):
    network.part()
    start = time.monotonic()
    for side in (sides.left, sides.right):
        side[-1].kill()
    tell("parted; one peer of each side is killed")
    took, differences = watch.until_equal(sides.apart(), FORGET_LIMIT)
    if took is not None:
        tell(f"each side lists its own only after {took:.1f} s")
    outcome.check(f"parted, each side lists its own only within {FORGET_LIMIT} s", differences)
    watch.settled_at = time.monotonic()
    differences = watch.keep_watching(sides.apart(), max(1, start + seconds - time.monotonic()))
    outcome.check("and nothing else until the healing", differences)
    tell(f"parted for {time.monotonic() - start:.0f} s")


def heal(sides, network, watch, outcome):
    network.heal()
    took, differences = watch.until_equal(sides.together(), HEAL_LIMIT)
    if took is not None:
        tell(f"both sides agree {took:.1f} s after the healing")
    if not outcome.check(f"both sides agree within {HEAL_LIMIT} s of the healing", differences):
        took, _ = watch.until_equal(sides.together(), 60)
        tell(f"they agree {HEAL_LIMIT + took:.1f} s after it" if took else "nor do they within a minute")
    outcome.check(f"nothing changes in the {QUIET} s after that", watch.keep_watching(sides.together(), QUIET))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    parser.add_argument("--long", action="store_true", help="parted for 60 s instead of 20")
    chosen, outcome = parser.parse_args(), Outcome()
    require_network()
    with Network() as network, Cluster(chosen.programs) as cluster:
        sides, watch = Sides(cluster, network), Watch(cluster)
        took, differences = watch.until_equal(sides.together(), CONVERGENCE_LIMIT)
        if took is not None:
            tell(f"{2 * SIDE} peers across a bridge at {RATE[1]} agree after {took:.1f} s")
        outcome.check(f"both sides agree within {CONVERGENCE_LIMIT} s of their start", differences)
        partition(sides, network, 60 if chosen.long else 20, watch, outcome)
        heal(sides, network, watch, outcome)
        outcome.check("no dead source was offered after its end, nothing dead came back", watch.violations)
    outcome.finish()


if __name__ == "__main__":
    main()
