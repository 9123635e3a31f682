"""Measures the mesh with real sidecars on loopback."""

import argparse
import json
import math
import statistics
import sys
import time

from harness.cluster import Cluster
from harness.figures import counters, cpu_seconds, histogram, memory, quantile
from harness.local_socket import Unanswered, eventually

SIZES = (10, 25, 50)
# Seconds in which all peers must know each other.
CONVERGENCE_LIMIT = 120
# Announcements of one run, and seconds between them.
ANNOUNCEMENTS = 20
PAUSE = 0.25
# Seconds at rest that are measured, and before that.
REST = 20
CALM = 10
PROPAGATION = "modelexpress_mesh_propagation_seconds"
SIGNATURE = "modelexpress_signature_check_seconds"


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--runs", type=int, default=1, help="how often each is taken")
    parser.add_argument("names", nargs="+")
    return parser.parse_args()


def serf_seconds(peers, share=0.99, fanout=3, interval=0.2):
    """Serf's published convergence formula: the time until `share` of the peers have an event."""
    return math.log(share / (1 - share) * (peers + 1)) / (0.5 * fanout) * interval


class Mesh:
    """So many sidecars and a server that all know each other."""

    def __init__(self, cluster, count):
        server = cluster.start_server()
        server.await_start()
        self.cluster = cluster
        self.sidecars = [cluster.start_sidecar(f"s{index}", [server.bootstrap]) for index in range(count)]
        for sidecar in self.sidecars:
            sidecar.await_start()
        for peer in cluster.peers:
            eventually(
                f"{peer.name} knows all", CONVERGENCE_LIMIT,
                lambda peer=peer: peer.local.ask("status")["status"]["peers"] == count + 1, pause=0.2)
        time.sleep(CALM)


def propagation(mesh):
    before = histogram(mesh.cluster.peers, PROPAGATION, 'kind="record"')
    for index in range(ANNOUNCEMENTS):
        origin = mesh.sidecars[index * len(mesh.sidecars) // ANNOUNCEMENTS]
        origin.local.ask("serve", path=mesh.cluster.model, model=f"model-{time.monotonic_ns()}-{index}")
        time.sleep(PAUSE)
    time.sleep(2)
    bounds, after = histogram(mesh.cluster.peers, PROPAGATION, 'kind="record"')
    counts = [late - early for early, late in zip(before[1] or [0] * len(after), after)]
    reached = sum(counts) / (ANNOUNCEMENTS * (len(mesh.cluster.peers) - 1))
    return quantile(bounds, counts, 0.5), quantile(bounds, counts, 0.99), reached


def rest(mesh):
    processes = [sidecar.process.pid for sidecar in mesh.sidecars]
    early, used, start = [counters(peer) for peer in mesh.sidecars], list(map(cpu_seconds, processes)), time.monotonic()
    time.sleep(REST)
    period = time.monotonic() - start
    cpu = statistics.median((cpu_seconds(process) - before) / period for process, before in zip(processes, used))
    late = [counters(peer) for peer in mesh.sidecars]

    def rate(*names):
        return statistics.median(
            sum(new.get(name, 0) - old.get(name, 0) for name in names) / period for old, new in zip(early, late))

    resident, anonymous, _ = zip(*(memory(process) for process in processes))
    return {
        "cpu": cpu,
        "messages": rate("modelexpress_mesh_gossip_frames_total", "modelexpress_mesh_control_messages_total"),
        "bytes": rate("modelexpress_mesh_gossip_bytes_total", "modelexpress_mesh_control_bytes_total"),
        "resident": statistics.median(resident),
        "anonymous": statistics.median(anonymous),
    }


def tell(chosen, name, runs, unit, goal=None, references=None):
    """One measurement: the median of its runs, and how it stands to each reference."""
    ours = statistics.median(runs)
    references = references or {}
    ratio = {key: ours / value for key, value in references.items() if value}
    if chosen.json:
        line = {"name": name, "ours": ours, "unit": unit, "references": references, "ratio": ratio, "goal": goal, "runs": runs}
        print(json.dumps(line), flush=True)
        return
    text = f"{name:32} {ours:12.6g} {unit:10} {min(runs):.6g} to {max(runs):.6g}"
    text += f"  goal {goal:g}" if goal is not None else ""
    print(text + "".join(f"  {value:.3g} of {key}" for key, value in ratio.items()), flush=True)


def measure(chosen, count):
    middles, tails, reaches, rests, signatures = [], [], [], [], []
    for _ in range(chosen.runs):
        with Cluster(chosen.programs) as cluster:
            mesh = Mesh(cluster, count)
            if "mesh-rest" in chosen.names:
                rests.append(rest(mesh))
            if "mesh-propagation" in chosen.names:
                middle, tail, reached = propagation(mesh)
                middles.append(middle)
                tails.append(tail)
                reaches.append(reached)
            if "mesh-signature" in chosen.names:
                sums = [counters(peer) for peer in mesh.sidecars]
                checked = sum(each.get(f"{SIGNATURE}_count", 0) for each in sums)
                signatures.append(sum(each.get(f"{SIGNATURE}_sum", 0) for each in sums) / checked)
    if middles:
        reference = {"serf formula, 99%": serf_seconds(count)}
        tell(chosen, f"mesh-propagation-{count}-p50", middles, "s", goal=0.05)
        tell(chosen, f"mesh-propagation-{count}-p99", tails, "s", references=reference)
        tell(chosen, f"mesh-propagation-{count}-reached", reaches, "of peers")
    for key, unit in (("cpu", "of a core"), ("messages", "1/s"), ("bytes", "B/s"), ("resident", "B"), ("anonymous", "B")):
        if rests:
            tell(chosen, f"mesh-rest-{count}-{key}", [each[key] for each in rests], unit)
    if signatures:
        tell(chosen, f"mesh-signature-{count}", signatures, "s", references={"libsodium, idle machine": 55e-6})


def main():
    chosen = options()
    try:
        for count in SIZES:
            measure(chosen, count)
    except Unanswered as error:
        sys.exit(f"Tests/Benchmarks/mesh.py: {error}")


if __name__ == "__main__":
    main()
