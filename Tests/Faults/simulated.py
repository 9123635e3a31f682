"""Twenty and then fifty real sidecars and a server on loopback, beside the same mesh in the simulator: what each hears at rest
must agree within a factor of two. Times are printed beside each other and not judged: the real ones share few processors."""

import argparse
import json
import os
import subprocess
import sys
import time

from fifty import announce, converge
from harness.cluster import Cluster
from harness.figures import counters
from harness.outcome import Outcome, skip, tell

SIZES = (20, 50)
FACTOR = 2
REST = 20
# Seconds after all know each other until views and channels have come to rest; an idle channel is closed after 30 s.
SETTLE = 35
LIMIT = 120
# What a real peer counts, and what the simulator calls the same.
RATES = (
    ("gossip messages", "modelexpress_mesh_gossip_frames_total", "gossip_messages_per_peer_second"),
    ("gossip bytes", "modelexpress_mesh_gossip_bytes_total", "gossip_bytes_per_peer_second"),
    ("control messages", "modelexpress_mesh_control_messages_total", "control_messages_per_peer_second"),
)


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    parser.add_argument("--long", action="store_true", help="no difference here")
    return parser.parse_args()


def simulated(programs, count):
    command = [f"{programs}/modelexpress-sim", "run", "simulations/loopback.yaml", "--seed", "1", "--json"]
    done = subprocess.run([*command, "--peers", str(count)], capture_output=True, text=True, timeout=LIMIT)
    if done.returncode not in (0, 1):
        sys.exit(f"{command[0]}: {done.stderr}")
    return json.loads(done.stdout)["metrics"]


def at_rest(peers):
    """What a peer hears in a second, the mean over all."""
    start, before = time.monotonic(), [counters(peer) for peer in peers]
    time.sleep(REST)
    period, after = time.monotonic() - start, [counters(peer) for peer in peers]
    return {
        name: sum(new.get(name, 0) - old.get(name, 0) for old, new in zip(before, after)) / period / len(peers)
        for _, name, _ in RATES
    }


def compare(programs, count, outcome):
    expected = simulated(programs, count)
    with Cluster(programs) as cluster:
        _, sidecars = converge(cluster, count, outcome)
        time.sleep(SETTLE)
        measured = at_rest(cluster.peers)
        problems = []
        for words, name, metric in RATES:
            ratio = measured[name] / expected[metric]
            tell(f"  {words} a second: {measured[name]:.1f} real, {expected[metric]:.1f} simulated, ratio {ratio:.2f}")
            if not 1 / FACTOR <= ratio <= FACTOR:
                problems.append(f"{words}: the ratio is {ratio:.2f}")
        outcome.check(f"{count} real sidecars hear what the simulated ones hear, within a factor of {FACTOR}", problems)
        announce(cluster, sidecars, is_judged=False, outcome=outcome)
        median, last = expected["rumour_p50_ms"], expected["rumour_all_ms"]
        tell(f"  simulated, until half hold an announcement {median:.2f} ms, until all do {last:.2f} ms")


def main():
    chosen, outcome = options(), Outcome()
    if not os.access(f"{chosen.programs}/modelexpress-sim", os.X_OK):
        skip("there is no simulator in the folder of the programs")
    for count in SIZES:
        compare(chosen.programs, count, outcome)
    outcome.finish()


if __name__ == "__main__":
    main()
