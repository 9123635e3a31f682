"""How long an engine takes to be ready, from disk and from a peer in turn, and what a source notices of being read."""

import argparse
import json
import re
import statistics
import subprocess
import sys
import threading

import models
from harness.cluster import Cluster
from harness.outcome import tell
from pods import Pod, install_package

NAME = {"MX_MODEL_NAME": "test/llama", "MX_MODEL_REVISION": "r1"}
# 0.9 GB of weights.
SIZES = {"hidden": 1024, "layers": 28, "intermediate": 4096}
PHASES = {
    "waited": r"waited ([0-9.]+) s", "handed_over": r"handed over in ([0-9.]+) s", "drained": r"drained in ([0-9.]+) s",
    "digested": r"were digested in ([0-9.]+) s", "vllm_read_disk": r"Loading weights took ([0-9.]+) s",
}


def phases(engine):
    found = {name: re.findall(pattern, engine.words()) for name, pattern in PHASES.items()}
    return {name: float(values[-1]) for name, values in found.items() if values}


def spread(values):
    return {"median": statistics.median(values), "from": min(values), "to": max(values), "runs": len(values)}


class Readers:
    """`modelexpress pull --discard` of the engine's memory, again and again, with the options of a peer of its own."""

    def __init__(self, cluster, pod):
        folder = f"{cluster.folder}/reader"
        self.command = [
            f"{cluster.programs}/modelexpress", "pull", "test/llama", "--stage", "loaded", "--discard", "--json", "--bind",
            "127.0.0.1", "--state-dir", folder, "--peers", pod.sidecar.bootstrap]
        self.environment = cluster.environment()
        self.ended = threading.Event()
        self.rates = []
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        while not self.ended.is_set():
            done = subprocess.run(self.command, capture_output=True, text=True, env=self.environment)
            last = json.loads(done.stdout.splitlines()[-1])
            if last["event"] != "complete":
                raise RuntimeError(str(last))
            self.rates.append(last["gigabytes_per_second"])

    def end(self):
        self.ended.set()
        self.thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {}
    with Cluster(options.programs) as cluster:
        install_package(cluster)
        folder = models.make_llama(f"{cluster.folder}/llama", **SIZES)
        empty = models.without_weights(folder, f"{folder}-empty")
        pod = Pod(cluster, "source", python=sys.executable)
        source = pod.engine(folder, **NAME)
        loaded = source.next("ready")
        figures["source_phases"] = phases(source)
        pod.await_source()
        seconds = {"disk": [], "peer": []}
        taken = []
        for run in range(options.runs):
            # In turn, so that whatever else the machine does meets both.
            disk = pod.engine(folder, "--load-format", "auto", label=f"disk-{run}")
            seconds["disk"].append(disk.next("ready")["start_seconds"])
            disk.kill()
            target = Pod(cluster, f"target-{run}", [pod.sidecar.bootstrap], python=sys.executable)
            engine = target.engine(empty, **NAME)
            ready = engine.next("ready")
            if ready["digests"] != loaded["digests"]:
                raise RuntimeError("a target has other tensors")
            seconds["peer"].append(ready["start_seconds"])
            taken.append(phases(engine))
            target.end()
            target.sidecar.kill()
            tell(f"run {run}: disk {seconds['disk'][-1]:.1f} s, peer {seconds['peer'][-1]:.1f} s, {taken[-1]}")
        figures["start_seconds"] = {name: spread(values) for name, values in seconds.items()}
        figures["target_phases"] = {name: spread([item[name] for item in taken]) for name in taken[0]}
        rates = {"alone": [], "read": []}
        for _ in range(options.runs):
            rates["alone"].append(source.do("throughput", "throughput", seconds=8)["tokens_per_second"])
            readers = Readers(cluster, pod)
            rates["read"].append(source.do("throughput", "throughput", seconds=8)["tokens_per_second"])
            readers.end()
            tell(f"tokens a second: alone {rates['alone'][-1]:.0f}, read {rates['read'][-1]:.0f}; "
                 f"reader {statistics.median(readers.rates):.2f} GB/s")
        figures["tokens_per_second"] = {name: spread(values) for name, values in rates.items()}
        pod.end()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
