"""What the public gRPC API carries with 10,000 workers registered, beside a plain redis-benchmark GET in the same run.

The load (EngineLoad), the server and Redis share this machine's cores; so do redis-benchmark and its Redis."""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from harness.cluster import Cluster
from harness.figures import cpu_seconds, memory
from harness.local_socket import eventually
from harness.redis_server import Redis
from output import AT_LEAST, Figure, tell

NAMES = ["grpc-list", "grpc-update"]
WORKERS, MODELS, CONNECTIONS, STREAMS = 10_000, 100, 8, 32
SECONDS = 5
# Of redis-benchmark, its own default; and how many requests it makes.
CLIENTS = 50
REQUESTS = 200_000
# Half of what a plain GET reaches.
UPDATE_GOAL = 0.5


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the programs, built with the gRPC API")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("names", nargs="*", default=NAMES)
    return parser.parse_args()


class Server(Cluster):
    """One server on a Redis of its own, with all workers registered."""

    def __init__(self, programs):
        super().__init__(programs)
        self.redis = Redis(f"{self.folder}/redis")

    def __enter__(self):
        super().__enter__()
        try:
            self.redis.start()
            self.server = self.start_redis_server("server", self.redis.url)
            self.server.await_start()
            self.port = eventually("the gRPC port", 30, lambda: self.logged_number(self.server, "grpc.port"))
            self.load("publish")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *details):
        self.redis.kill()
        super().__exit__(*details)

    def load(self, step):
        before = cpu_seconds(self.server.process.pid), cpu_seconds(self.redis.process.pid)
        done = subprocess.run(
            [f"{self.programs}/EngineLoad", step, str(self.port), "--workers", str(WORKERS), "--models", str(MODELS),
             "--connections", str(CONNECTIONS), "--streams", str(STREAMS), "--seconds", str(SECONDS)],
            capture_output=True, text=True, timeout=300, check=True)
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        if answer["failed"]:
            raise RuntimeError(f"{step}: {answer['failed']} calls failed")
        answer["server_cpu_us"] = (cpu_seconds(self.server.process.pid) - before[0]) / answer["answered"] * 1e6
        answer["redis_cpu_us"] = (cpu_seconds(self.redis.process.pid) - before[1]) / answer["answered"] * 1e6
        return answer


class PlainRedis:
    """A Redis as it comes, on a port, and its own benchmark."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="mxr")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self.process = subprocess.Popen(
            ["redis-server", "--port", self.port, "--dir", self.folder, "--save", "", "--bind", "127.0.0.1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually("redis-server answers", 20, lambda: subprocess.run(
            ["redis-cli", "-p", self.port, "PING"], capture_output=True, text=True).stdout.strip() == "PONG")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def gets(self):
        """GETs a second."""
        done = subprocess.run(
            ["redis-benchmark", "-p", self.port, "-t", "get", "-n", str(REQUESTS), "-c", str(CLIENTS), "--csv"],
            capture_output=True, text=True, timeout=300, check=True)
        return float(done.stdout.strip().splitlines()[-1].split(",")[1].strip('"'))


def main():
    chosen = options()
    for name in chosen.names:
        if name not in NAMES:
            sys.exit(f"no measurement is called {name}")
    with Server(chosen.programs) as ours, PlainRedis() as plain:
        for name in chosen.names:
            step = name.removeprefix("grpc-")
            answers, gets = [], []
            ours.load(step)
            for _ in range(chosen.runs):
                gets.append(plain.gets())
                answers.append(ours.load(step))
                time.sleep(0.5)
            middle = sorted(answers, key=lambda one: one["per_second"])[len(answers) // 2]
            tell(Figure(
                name=name, unit="calls/s", runs=[one["per_second"] for one in answers],
                references={"redis-benchmark GET, 50 clients": gets},
                ratios=[one["per_second"] / each for one, each in zip(answers, gets)], ratio_of="ours by GETs",
                goal=UPDATE_GOAL if name == "grpc-update" else None, bound=AT_LEAST,
                details={
                    "p50_ms": middle["p50_ms"], "p99_ms": middle["p99_ms"], "bytes_of_an_answer": middle["bytes_each"],
                    "server_cpu_us_each": middle["server_cpu_us"], "redis_cpu_us_each": middle["redis_cpu_us"],
                    "server_resident_mb": memory(ours.server.process.pid)[0] / 1e6, "workers": WORKERS, "models": MODELS,
                    "under_way_at_once": CONNECTIONS * STREAMS, "cores": os.cpu_count()}), chosen.json)


if __name__ == "__main__":
    main()
