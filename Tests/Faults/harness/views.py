"""What peers should know of the mesh, and what they say that they know."""

import time

# Seconds that what a peer says holds without renewal, and that clocks may differ. What it said last ends after their
# sum, so that a clock that is ahead takes nothing away early.
TERM = 8
SKEW = 5
HELD = TERM + SKEW


def sources_of(peer):
    """What it may choose from, as a set of (peer, model)."""
    return {(source["peer"], source["model"]) for source in peer.local.ask("sources").get("sources") or []}


def peers_of(peer):
    return {known["peer"] for known in peer.local.ask("peers").get("peers") or []}


class Watch:
    """Asks peers in rounds, and notes every dead source that is offered after its end and all that comes back."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.violations = []
        # From when on nothing that is dead may be listed at all; None while that isn't settled.
        self.settled_at = None
        self.rounds = 0
        self.slowest = 0.0

    def round(self, expectations):
        """One look at every peer. `expectations` are (peer, sources, peers); returns the differences."""
        start = time.monotonic()
        differences = []
        for peer, sources, peers in expectations:
            asked = time.monotonic()
            found, known = sources_of(peer), peers_of(peer)
            self._judge(peer, asked, found, known)
            differences += difference(peer, "sources", sources, found)
            differences += difference(peer, "peers", peers, known)
        self.rounds += 1
        self.slowest = max(self.slowest, time.monotonic() - start)
        return differences

    def until_equal(self, expectations, limit, pause=0.2):
        """Rounds until all agree; the seconds that took, or None, and what differs still."""
        start = time.monotonic()
        while True:
            differences = self.round(expectations)
            passed = time.monotonic() - start
            if not differences:
                return passed, []
            if passed > limit:
                return None, differences
            time.sleep(pause)

    def keep_watching(self, expectations, seconds, pause=0.2):
        """Rounds for so long; every difference on the way."""
        end = time.monotonic() + seconds
        differences = []
        while time.monotonic() < end:
            differences += self.round(expectations)
            time.sleep(pause)
        return differences

    def _judge(self, peer, asked, sources, peers):
        names = {dead.id: dead for dead in self.cluster.dead}
        for owner, model in sources:
            dead = names.get(owner)
            if dead and asked > dead.ended_at + HELD:
                late = asked - dead.ended_at - HELD
                self.violations.append(f"{peer.name} offers {model} of {dead.name} {late:.2f} s after its end")
        for owner in peers & set(names):
            if self.settled_at is not None and asked > self.settled_at:
                self.violations.append(f"{peer.name} lists {names[owner].name} again, which is dead")


def difference(peer, what, wanted, found):
    if wanted == found:
        return []
    return [f"{peer.name}: {len(wanted - found)} {what} missing, {len(found - wanted)} too many"]
