"""Floods against one of three real sidecars, one after the other. Under each its neighbours stay up, what the flood sends is
counted under its reason, and memory, descriptors and threads stay within bounds. Tells the CPU that each flood costs."""

import argparse
import json
import os
import subprocess
import time

from harness.cluster import START_LIMIT, Cluster
from harness.figures import cpu_seconds, memory, series
from harness.local_socket import eventually
from harness.outcome import Outcome, skip, tell
from harness.views import peers_of

RATE = 10_000
# Anonymous bytes, descriptors and threads that a flood may cost while it lasts.
MEMORY_BOUND = 192 << 20
DESCRIPTOR_BOUND = 4_500
THREAD_BOUND = 4
# Seconds after a flood in which a peer is as it was.
SETTLE_LIMIT = 15

# Flood: rate a second, and the series one of which must count it.
FLOODS = {
    "control-stranger": (RATE, [("frames_dropped_total", "control", "unknown")]),
    "control-peer": (RATE, [("frames_dropped_total", "control", "over_budget")]),
    "gossip-stranger": (RATE, [("zap", "refused", None)]),
    "gossip-peer": (RATE, [("frames_dropped_total", "gossip", "over_budget"), ("refused", "malformed", None)]),
    "gossip-forged": (RATE, [("frames_dropped_total", "gossip", "over_budget"), ("refused", "bad_signature", None)]),
    "subscriptions": (RATE, [("frames_dropped_total", "gossip", "over_budget")]),
    "bootstrap": (2_000, [("bootstrap", "rate", None), ("bootstrap", "crowd", None)]),
    "connections": (2_000, [("handshakes", "in", None)]),
}


def name_of(kind, first, second):
    if kind == "zap":
        return f'modelexpress_zap_decisions_total{{decision="{first}"}}'
    if kind == "refused":
        return f'modelexpress_mesh_frames_refused_total{{reason="{first}"}}'
    if kind == "bootstrap":
        return f'modelexpress_bootstrap_refused_total{{reason="{first}"}}'
    if kind == "handshakes":
        return f'modelexpress_mesh_handshake_failures_total{{direction="{first}"}}'
    return f'modelexpress_mesh_{kind}{{reason="{second}",socket="{first}"}}'


def descriptors(process):
    return len(os.listdir(f"/proc/{process}/fd"))


class Attacker:
    """The flood program, started and a neighbour, before it floods."""

    def __init__(self, programs, cluster, flood, rate, seconds, seed):
        command = [f"{programs}/MeshAttacker", flood, "--seed", seed, "--token", f"{cluster.folder}/keys/token"]
        command += ["--rate", str(rate), "--seconds", str(seconds)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline().strip()
        if line != "ready":
            raise RuntimeError(f"{flood}: the attacker says: {line}")

    def begin(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    @property
    def is_running(self):
        return self.process.poll() is None

    def sent(self):
        return int(self.process.stdout.read().split()[-1])

    def kill(self):
        self.process.kill()
        self.process.wait()


def run_flood(flood, options, cluster, victim, others, outcome):
    rate, reasons = FLOODS[flood]
    process = victim.process.pid
    attacker = Attacker(options.programs, cluster, flood, rate, options.seconds, victim.bootstrap)
    try:
        before, cpu = series(victim), cpu_seconds(process)
        held = (memory(process)[1], descriptors(process), memory(process)[2])
        most, problems, start = list(held), [], time.monotonic()
        expected = {other.id for other in others}
        attacker.begin()
        while attacker.is_running:
            now = (memory(process)[1], descriptors(process), memory(process)[2])
            most = [max(pair) for pair in zip(most, now)]
            # Asked of the victim itself, so it also shows that it still answers.
            problems += [f"{name} is no longer known" for name in expected - peers_of(victim)]
            time.sleep(0.1)
        period = time.monotonic() - start
        sent, used = attacker.sent(), cpu_seconds(process) - cpu
    finally:
        attacker.kill()
    after = series(victim)
    counted = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}
    outcome.check(f"{flood}: the neighbours stay known throughout", set(problems))
    wanted = [name_of(*reason) for reason in reasons]
    hits = {name: int(counted.get(name, 0)) for name in wanted}
    outcome.check(f"{flood}: it is counted", [] if any(hits.values()) else [f"none of {', '.join(wanted)}"])
    bounds = zip(("bytes", "descriptors", "threads"), most, held, (MEMORY_BOUND, DESCRIPTOR_BOUND, THREAD_BOUND))
    too_much = [f"{more - less} {what} more" for what, more, less, bound in bounds if more - less > bound]
    outcome.check(f"{flood}: memory, descriptors and threads stay within bounds", too_much)
    outcome.check(f"{flood}: afterwards all is as before", settle(victim, others, held))
    tell(
        f"{flood}: {sent} sent in {period:.1f} s; the peer used {used:.2f} CPU seconds "
        f"({used / period * 100:.0f}% of a core) and up to {(most[0] - held[0]) / 1e6:.1f} MB, "
        f"{most[1] - held[1]} descriptors; {hits}")
    return {
        "flood": flood, "sent": sent, "seconds": round(period, 2), "cpu_seconds": round(used, 3),
        "cpu_share": round(used / period, 4), "anonymous_bytes": most[0] - held[0],
        "descriptors": most[1] - held[1], "threads": most[2] - held[2], "counted": hits,
    }


def settle(victim, others, held):
    """What is not as it was before the flood, within the limit."""
    process = victim.process.pid

    def is_settled():
        lost = {other.id for other in others} - peers_of(victim)
        return not lost and descriptors(process) <= held[1] + 16 and all(victim.id in peers_of(o) for o in others)

    try:
        eventually("all is as before", SETTLE_LIMIT, is_settled, pause=0.2)
    except Exception as error:  # what is missing is told below
        return [f"{error}: {descriptors(process) - held[1]} descriptors more, knows {len(peers_of(victim))}"]
    return []


def idle_share(victim, seconds):
    """CPU of the peer while nobody floods, as a share of a core."""
    before, start = cpu_seconds(victim.process.pid), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(victim.process.pid) - before) / (time.monotonic() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    parser.add_argument("--long", action="store_true", help="20 s of each flood instead of 3")
    parser.add_argument("--seconds", type=int, help="seconds of each flood")
    parser.add_argument("--only", choices=FLOODS, action="append", help="this flood; may be given again")
    parser.add_argument("--json", action="store_true", help="prints the figures as one JSON line before the last")
    options, outcome = parser.parse_args(), Outcome()
    options.seconds = options.seconds or (20 if options.long else 3)
    if not os.access(f"{options.programs}/MeshAttacker", os.X_OK):
        skip(f"there is no MeshAttacker in {options.programs}; run `swift build`")
    with Cluster(options.programs) as cluster:
        victim = cluster.start_sidecar("victim", [], serve=f"m={cluster.model}")
        victim.await_start()
        others = [cluster.start_sidecar(name, [victim.bootstrap]) for name in ("left", "right")]
        for other in others:
            other.await_start()
        ids = {other.id for other in others}
        eventually("the peers know each other", START_LIMIT, lambda: ids <= peers_of(victim))
        idle = idle_share(victim, 3)
        tell(f"before the floods the peer uses {idle * 100:.1f}% of a core")
        floods = []
        for flood in options.only or FLOODS:
            floods.append(run_flood(flood, options, cluster, victim, others, outcome))
        dead = [peer.name for peer in [victim, *others] if peer.process.poll() is not None]
        outcome.check("nobody has ended", dead)
    if options.json:
        print(json.dumps({"idle_cpu_share": round(idle, 4), "floods": floods}))
    outcome.finish()


if __name__ == "__main__":
    main()
