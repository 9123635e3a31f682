"""Fifty real sidecars and a server on loopback: they converge, announcements spread, and neither a dead server nor a
flushed Redis nor a third of the peers killed at once changes what the others may choose from."""

import argparse
import shutil
import time

from harness.cluster import Cluster
from harness.figures import histogram, quantile, report_at_rest, spread
from harness.outcome import Outcome, tell
from harness.views import SKEW, TERM, Watch, sources_of

ANNOUNCEMENTS = 10
# Peers that are asked in turn after each announcement: few, so that each is asked often.
WATCHED = 5
NEWCOMERS = 5
# Seconds for 51 programs that start at once on two cores to know each other.
CONVERGENCE_LIMIT = 60
# Seconds for an announcement to be everywhere, and for the median peer to hear it (the bound of the design).
SPREAD_LIMIT = 10
MEDIAN_LIMIT = 0.05
# How old announcements were when gossip brought them, by the clock that all processes share here.
PROPAGATION = "modelexpress_mesh_propagation_seconds"
# Seconds beside term and skew until all agree after the last event.
SETTLE_LIMIT = TERM + SKEW + 5
# Seconds in which nothing dead may come back.
QUIET = 15
# Seconds until a server that starts empty lists everything: sidecars ask their bootstrap addresses every 10 s.
RETURN_LIMIT = 20
REST = 20


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    parser.add_argument("--sidecars", type=int, help="how many (default 50, of a debug build 20)")
    parser.add_argument("--debug-build", action="store_true", help="report how fast it is, don't judge that")
    parser.add_argument("--long", action="store_true", help="the server is away for 60 s instead of about 25")
    chosen = parser.parse_args()
    # Fifty peers of a debug build are more than two cores carry.
    chosen.sidecars = chosen.sidecars or (20 if chosen.debug_build else 50)
    return chosen


def converge(cluster, count, outcome):
    """(a) All start at once, knowing only the server's bootstrap port."""
    server = cluster.start_server()
    server.await_start()
    start = time.monotonic()
    sidecars = [cluster.start_sidecar(f"s{index}", [server.bootstrap]) for index in range(count)]
    for sidecar in sidecars:
        sidecar.await_start()
    answering = time.monotonic() - start
    waiting = list(cluster.peers)
    while waiting and time.monotonic() < start + CONVERGENCE_LIMIT:
        waiting = [peer for peer in waiting if peer.local.ask("status")["status"]["peers"] != count + 1]
        time.sleep(0.1)
    tell(f"{count} sidecars answer after {answering:.1f} s, all converged after {time.monotonic() - start:.1f} s")
    outcome.check(
        f"{count} sidecars and a server know each other within {CONVERGENCE_LIMIT} s",
        [f"{peer.name} does not know all {count + 1}" for peer in waiting])
    return server, sidecars


def first_sights(cluster, origin, model, watched):
    """Announces a model at one sidecar and asks the watched in turn, one question at a time, until each lists it.

    Returns the seconds to each one's first sight, to when the origin said that it serves, and from each first sight
    back to the look before it. All but the last count from the request to serve, digesting the folder included.
    """
    start = time.monotonic()
    origin.local.ask("serve", path=cluster.model, model=model)
    served = time.monotonic() - start
    sights, gaps = [], []
    waiting = {peer: start for peer in watched}
    while waiting and time.monotonic() < start + SPREAD_LIMIT:
        for peer, last_look in list(waiting.items()):
            asked = time.monotonic()
            if (origin.id, model) in sources_of(peer):
                sights.append(time.monotonic() - start)
                gaps.append(time.monotonic() - last_look)
                del waiting[peer]
            else:
                waiting[peer] = asked
    return sights, served, gaps


def still_without(origin, model, peers):
    """The peers that don't list it within the limit."""
    end = time.monotonic() + SPREAD_LIMIT
    while peers and time.monotonic() < end:
        peers = [peer for peer in peers if (origin.id, model) not in sources_of(peer)]
    return peers


def announcers(sidecars):
    return [sidecars[index * len(sidecars) // ANNOUNCEMENTS] for index in range(ANNOUNCEMENTS)]


def announce(cluster, sidecars, is_judged, outcome):
    """(b) Ten announcements, each at another sidecar and watched by other peers, so that all are watched in turn."""
    sights, serves, gaps, late, turn = [], [], [], [], 0
    before = histogram(cluster.peers, PROPAGATION, 'kind="record"')
    for index, origin in enumerate(announcers(sidecars)):
        others = [peer for peer in cluster.peers if peer is not origin]
        watched = [others[(turn + offset) % len(others)] for offset in range(min(WATCHED, len(others)))]
        turn += len(watched)
        seen, served, between = first_sights(cluster, origin, f"model-{index}", watched)
        sights += seen
        serves.append(served)
        gaps += between
        late += [f"{peer.name} does not list model-{index}" for peer in still_without(origin, f"model-{index}", others)]
    tell(f"first sight of {ANNOUNCEMENTS} announcements, {len(sights)} of them: {spread(sights, 'ms', 1e3)}")
    tell(f"  of that, until the origin had digested and announced: {spread(serves, 'ms', 1e3)}")
    tell(f"  resolution, from a first sight back to the look before: {spread(gaps, 'ms', 1e3)}")
    missed = ANNOUNCEMENTS * len(watched) - len(sights)
    outcome.check(
        f"announcements reach all within {SPREAD_LIMIT} s", late + [f"{missed} watched saw nothing"] * (missed > 0))
    bounds, after = histogram(cluster.peers, PROPAGATION, 'kind="record"')
    heard = [late - early for early, late in zip(before[1] or [0] * len(after), after)]
    middle, tail = quantile(bounds, heard, 0.5), quantile(bounds, heard, 0.99)
    tell(f"  heard by gossip {sum(heard):.0f} times: median at most {middle * 1e3:.0f}, p99 at most {tail * 1e3:.0f} ms")
    if not is_judged:
        tell("skipped: how fast announcements spread, which isn't judged here")
        return
    outcome.check(
        f"the median peer hears an announcement within {MEDIAN_LIMIT * 1e3:.0f} ms",
        [] if middle <= MEDIAN_LIMIT else [f"it took {middle * 1e3:.1f} ms"])


def offer_everywhere(cluster, sidecars):
    """Every sidecar serves the same folder, so that every death takes something away."""
    for sidecar in sidecars:
        sidecar.local.ask("serve", path=cluster.model, model="shared")


class Fault:
    """(c) The server dies, its Redis is flushed, a third of the sidecars die, newcomers join."""

    def __init__(self, cluster, server, sidecars, outcome):
        self.cluster = cluster
        self.server = server
        self.sidecars = sidecars
        self.outcome = outcome
        self.watch = Watch(cluster)
        self.offered = {(peer.id, f"model-{index}") for index, peer in enumerate(announcers(sidecars))}
        self.offered |= {(peer.id, "shared") for peer in sidecars}

    def expectations(self):
        """Every living peer lists the living peers and what they offer, and nothing else."""
        peers = {peer.id for peer in self.cluster.living}
        sources = {offer for offer in self.offered if offer[0] in peers}
        return [(peer, sources, peers) for peer in self.cluster.living]

    def strike(self):
        self.server.kill()
        shutil.rmtree(f"{self.server.state_folder}/redis", ignore_errors=True)
        down = time.monotonic()
        for sidecar in self.sidecars[::3]:
            sidecar.kill()
        seed = next(sidecar for sidecar in self.sidecars if sidecar.ended_at is None)
        newcomers = [
            self.cluster.start_sidecar(f"n{index}", [seed.bootstrap], serve=f"shared={self.cluster.model}")
            for index in range(NEWCOMERS)
        ]
        for newcomer in newcomers:
            newcomer.await_start()
            self.offered.add((newcomer.id, "shared"))
        tell(f"killed the server and {len(self.sidecars[::3])} sidecars, {NEWCOMERS} newcomers answer")
        return down

    def settle(self):
        expectations = self.expectations()
        took, differences = self.watch.until_equal(expectations, SETTLE_LIMIT)
        if took is not None:
            tell(f"{len(expectations)} living peers agree on {len(expectations[0][1])} sources after {took:.1f} s")
        self.outcome.check(
            f"without the server, all living peers list the same living sources and peers within {SETTLE_LIMIT} s",
            differences)
        self.watch.settled_at = time.monotonic()
        differences = self.watch.keep_watching(expectations, QUIET)
        self.outcome.check(f"nothing changes in the {QUIET} s after that", differences)

    def bring_server_back(self, port):
        shutil.rmtree(self.server.state_folder)
        server = self.cluster.start_server(bootstrap_port=port)
        server.await_start()
        took, differences = self.watch.until_equal(self.expectations(), RETURN_LIMIT)
        if took is not None:
            tell(f"the new server and all others list everything {took:.1f} s after it answers")
        self.outcome.check(f"a server that starts empty lists everything within {RETURN_LIMIT} s", differences)
        self.watch.keep_watching(self.expectations(), 3)

    def conclude(self):
        tell(f"{self.watch.rounds} rounds of questions, the longest {self.watch.slowest:.2f} s")
        self.outcome.check("no dead source was offered after its end, nothing dead came back", self.watch.violations)


def main():
    chosen, outcome = options(), Outcome()
    with Cluster(chosen.programs) as cluster:
        server, sidecars = converge(cluster, chosen.sidecars, outcome)
        report_at_rest(sidecars, REST, tell)
        announce(cluster, sidecars, not chosen.debug_build, outcome)
        offer_everywhere(cluster, sidecars)
        fault = Fault(cluster, server, sidecars, outcome)
        outcome.check(
            f"every sidecar's offer is listed everywhere within {SETTLE_LIMIT} s",
            fault.watch.until_equal(fault.expectations(), SETTLE_LIMIT)[1])
        down = fault.strike()
        fault.settle()
        if chosen.long:
            fault.watch.keep_watching(fault.expectations(), max(0, down + 60 - time.monotonic()))
        tell(f"the server was away for {time.monotonic() - down:.0f} s")
        fault.bring_server_back(int(server.bootstrap.rsplit(":", 1)[1]))
        fault.conclude()
        ended = [peer for peer in cluster.living if peer.process.poll() is not None]
        outcome.check(
            "no living peer ended", [f"{peer.name}: {peer.process.returncode}: {peer.last_words()}" for peer in ended])
    outcome.finish()


if __name__ == "__main__":
    main()
