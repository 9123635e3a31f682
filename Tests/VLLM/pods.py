"""Pods for the tests: a sidecar, and a worker or a vLLM engine beside it, in a folder that only the two share."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

from harness.local_socket import Unanswered, eventually

HERE = os.path.dirname(os.path.abspath(__file__))

# Seconds. An engine takes up to a minute on two cores that nobody else uses.
WORKER_LIMIT = 60
ENGINE_LIMIT = 420


class Process:
    """A worker or an engine: lines of JSON in and out, everything else in a log."""

    def __init__(self, name, command, environment, log, limit):
        self.name = name
        self.log = log
        self.limit = limit
        self.events = queue.Queue()
        self.started = time.monotonic()
        reading, writing = os.pipe()
        command = [part.replace("OUTPUT", str(writing)) for part in command]
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment, pass_fds=[writing],
                text=True, start_new_session=True)
        os.close(writing)
        threading.Thread(target=self._read, args=(reading,), daemon=True).start()

    def _read(self, reading):
        with os.fdopen(reading) as lines:
            for line in lines:
                self.events.put((time.monotonic(), json.loads(line)))
        self.events.put(None)

    def next(self, event, limit=None):
        """Waits for the next line, which must be this event."""
        try:
            item = self.events.get(timeout=limit or self.limit)
        except queue.Empty:
            raise Unanswered(f"{self.name} says nothing: {self.last_words()}") from None
        if item is None:
            raise Unanswered(f"{self.name} ended: {self.last_words()}")
        moment, told = item
        if told["event"] != event:
            raise Unanswered(f"{self.name} says {str(told)[:1500]} instead of {event}: {self.last_words()}")
        told["seconds_since_start"] = moment - self.started
        return told

    def do(self, what, event, **arguments):
        self.process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
        self.process.stdin.flush()
        return self.next(event)

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def kill(self):
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait()

    def words(self):
        with open(self.log, errors="replace") as text:
            return text.read()

    def last_words(self):
        return self.words()[-3000:].strip() or "it wrote nothing"


class Pod:
    """What one pod has: a folder for sockets, a sidecar, and at most one engine or some workers."""

    def __init__(self, cluster, name, seeds=(), python=None, variables=None, has_sidecar=True, more=()):
        self.cluster = cluster
        self.name = name
        self.seeds = list(seeds)
        self.more = more
        self.python = python or sys.executable
        self.folder = f"{cluster.folder}/{name}-mx"
        os.makedirs(self.folder, mode=0o700)
        self.variables = {"MX_ZMQ_ADDRESS": f"ipc://{self.folder}/vllm.sock"} | (variables or {})
        self.processes = []
        self.sidecar = None
        if has_sidecar:
            self.start_sidecar()

    def start_sidecar(self):
        self.sidecar = self.cluster.start_sidecar(
            self.name, self.seeds, variables=self.variables, log_level="info", slots=4, more=self.more)
        self.sidecar.await_start()
        return self.sidecar

    def worker(self, *options, label="worker", **variables):
        """`worker.py`; MX_* variables by name."""
        command = [self.python, f"{HERE}/worker.py", "--output", "OUTPUT", *map(str, options)]
        return self._start(label, command, WORKER_LIMIT, variables)

    def engine(self, model, *options, label="engine", more=None, **variables):
        """A vLLM engine; `more` are arguments of vllm.LLM."""
        command = [self.python, f"{HERE}/engine.py", "--output", "OUTPUT", "--model", model, *options]
        command += ["--options", json.dumps(more or {})]
        return self._start(label, command, ENGINE_LIMIT, variables)

    def _start(self, label, command, limit, variables):
        environment = self.cluster.environment() | {
            "PYTHONPATH": f"{self.cluster.folder}/python", "HF_HUB_OFFLINE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1", "OMP_NUM_THREADS": "1",
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "TOKENIZERS_PARALLELISM": "false",
        }
        process = Process(
            f"{self.name}'s {label}", command, environment | self.variables | variables,
            f"{self.cluster.folder}/{self.name}-{label}.log", limit)
        self.processes.append(process)
        return process

    def sources(self):
        return self.sidecar.local.ask("sources").get("sources") or []

    def await_source(self, count=1, limit=60, model=None):
        """Until this many live whole sources are known here; returns them."""

        def found():
            live = [
                source for source in self.sources()
                if source["coverage"] > 0 and (model is None or source["model"] == model)]
            return live if len(live) >= count else None

        return eventually(f"{self.name} knows {count} sources", limit, found)

    def end(self):
        for process in self.processes:
            process.kill()


def install_package(cluster):
    """As a sidecar's container does it."""
    script = os.path.join(HERE, "..", "..", "deploy", "vllm", "install.sh")
    subprocess.run([script, f"{cluster.folder}/python"], check=True, timeout=60)
