"""Figures of the rendezvous server: writes into Redis, snapshots, memory, restart, a crowd of newcomers, the end.

Peers are virtual: one process (MeshLoad) signs and hands on what thousands of them say. It, the server and Redis share this machine's
cores, so times are an upper bound of the server's own."""

import argparse
import json
import signal
import subprocess
import sys
import time

from harness.cluster import Cluster
from harness.figures import cpu_seconds, memory, series
from harness.load import MeshLoad
from harness.local_socket import eventually
from harness.redis_server import Redis

NAMES = ["server-writes", "server-snapshots", "server-size", "server-crowd", "server-end"]
WRITES = 'modelexpress_snapshot_store_writes_total{result="accepted"}'


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("names", nargs="*", default=NAMES)
    return parser.parse_args()


class Rig:
    """A server on a Redis of its own, with publishers."""

    def __init__(self, cluster, publishers, records, beacon, term, name="server"):
        self.cluster = cluster
        self.redis = Redis(f"{cluster.folder}/redis-{name}")
        self.redis.start()
        self.server = cluster.start_redis_server(name, self.redis.url)
        self.server.await_start()
        self.publishers = publishers
        self.load = MeshLoad(cluster, [self.server.bootstrap], publishers, records, 900, term, beacon)
        self.wanted = publishers * (records + 1)
        eventually("the publishers are known", 240, lambda: self.metric("modelexpress_mesh_records") >= self.wanted, 0.2)
        eventually("the store has taken them", 240, lambda: self.metric("modelexpress_snapshot_store_pending") == 0, 0.2)

    def metric(self, name):
        return series(self.server).get(name, 0)

    def joiners(self, count, within, *arguments):
        done = subprocess.run(
            [f"{self.cluster.programs}/MeshLoad", "join", "--seed", self.server.bootstrap, "--token",
             f"{self.cluster.folder}/keys/token", "--joiners", str(count), "--within", str(within), *arguments],
            capture_output=True, text=True, timeout=180)
        return json.loads(done.stdout.strip().splitlines()[-1])

    def close(self):
        self.load.stop()
        if self.server.ended_at is None:
            self.server.kill()
        self.redis.kill()


def writes(cluster, tell):
    """1,000 beacons a minute: what goes into Redis, and what that costs."""
    rig = Rig(cluster, 275, 1, 15, 60)
    try:
        time.sleep(5)
        before = series(rig.server)
        cpu = cpu_seconds(rig.server.process.pid), cpu_seconds(rig.redis.process.pid)
        start = time.monotonic()
        time.sleep(60)
        seconds = time.monotonic() - start
        after = series(rig.server)
        cpu = (cpu_seconds(rig.server.process.pid) - cpu[0]) / seconds, (cpu_seconds(rig.redis.process.pid) - cpu[1]) / seconds
        results = {key: after.get(key, 0) - before.get(key, 0) for key in after if "snapshot_store" in key}
        beacons = sum(after[key] - before.get(key, 0) for key in after if key.startswith("modelexpress_mesh_records_repaired"))
        put = sum(value for key, value in results.items() if "writes_total" in key)
        tell("server-writes", put / seconds * 60, "writes a minute", beacons=beacons / seconds * 60,
             renewed_records=results.get("modelexpress_snapshot_store_renewed_total", 0) / seconds * 60,
             server_share_of_core=cpu[0], redis_share_of_core=cpu[1])
    finally:
        rig.close()


def snapshots(cluster, tell):
    """One newcomer: everything, and what concerns one model, of meshes of three sizes."""
    for count in (100, 1_000, 10_000):
        rig = Rig(cluster, count, 5, 15, 60, f"server{count}")
        try:
            for words, kind in ((["--everything"], "everything"), (["--model", "load/model-0"], "one model")):
                found = [rig.joiners(1, 0, *words) for _ in range(3)]
                best = min(found, key=lambda one: one["median_ms"])
                tell(f"server-snapshots {count} peers, {kind}", best["median_ms"], "ms from nothing to the whole snapshot",
                     bytes=best["snapshot_bytes"], frames=best["snapshot_frames"], whole=best["whole"])
        finally:
            rig.close()


def size(cluster, tell):
    """10,000 peers with 50,000 announcements: memory, and a restart on what Redis holds."""
    rig = Rig(cluster, 10_000, 5, 15, 60)
    try:
        time.sleep(20)
        resident, anonymous, _ = memory(rig.server.process.pid)
        cpu = cpu_seconds(rig.server.process.pid)
        time.sleep(20)
        share = (cpu_seconds(rig.server.process.pid) - cpu) / 20
        held = memory(rig.redis.process.pid)[0]
        tell("server-size memory", resident / 1e6, "MB resident", anonymous_mb=anonymous / 1e6, redis_mb=held / 1e6,
             server_share_of_core=share, records=rig.metric("modelexpress_mesh_records"))
        rig.load.stop()
        port = int(rig.server.bootstrap.rsplit(":", 1)[1])
        rig.server.kill()
        start = time.monotonic()
        rig.server = cluster.start_redis_server("server", rig.redis.url, bootstrap_port=port)
        rig.server.await_start()
        answering = time.monotonic() - start
        eventually("the records are read", 120, lambda: rig.metric("modelexpress_mesh_records") >= rig.wanted * 0.99, 0.1)
        tell("server-size restart", time.monotonic() - start, "s until it holds all that Redis does", answers_after=answering)
    finally:
        rig.close()


def crowd(cluster, tell):
    """1,000 newcomers of one model within 2 s, in a mesh of 1,000."""
    rig = Rig(cluster, 1_000, 5, 15, 60)
    try:
        cpu = cpu_seconds(rig.server.process.pid)
        found = rig.joiners(1_000, 2)
        tell("server-crowd", found["all_after_ms"] / 1e3, "s until the last of 1,000 has its snapshot",
             whole=found["whole"], wrong=found["wrong"], median_ms=found["median_ms"], p99_ms=found["p99_ms"],
             most_ms=found["most_ms"], bytes_each=found["snapshot_bytes"],
             server_cpu_s=cpu_seconds(rig.server.process.pid) - cpu)
    finally:
        rig.close()


def end(cluster, tell):
    """SIGTERM to exit, with 1,000 peers known."""
    rig = Rig(cluster, 1_000, 5, 15, 60)
    try:
        start = time.monotonic()
        rig.server.process.send_signal(signal.SIGTERM)
        code = rig.server.process.wait(timeout=20)
        rig.server.ended_at = time.monotonic()
        tell("server-end", rig.server.ended_at - start, "s from SIGTERM to exit", code=code)
    finally:
        rig.close()


def main():
    chosen = options()

    def tell(name, value, unit, **more):
        if chosen.json:
            print(json.dumps({"name": name, "ours": value, "unit": unit, "references": [], "ratio": None, "goal": None,
                              "runs": 1, **more}), flush=True)
        else:
            rest = ", ".join(f"{key} {word:.3f}" if isinstance(word, float) else f"{key} {word}" for key, word in more.items())
            print(f"{name}: {value:.3f} {unit} ({rest})", flush=True)

    steps = dict(zip(NAMES, (writes, snapshots, size, crowd, end)))
    for name in chosen.names or NAMES:
        if name not in steps:
            sys.exit(f"no measurement is called {name}")
        for _ in range(chosen.runs):
            with Cluster(chosen.programs) as cluster:
                steps[name](cluster, tell)


if __name__ == "__main__":
    main()
