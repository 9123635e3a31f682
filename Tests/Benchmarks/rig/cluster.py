"""A cluster of the built programs: keys, sources and targets."""

import json
import os
import subprocess

from rig.processes import Failed, wait_until

COMMAND_LIMIT = 30
START_LIMIT = 60
# Digesting a source is slower than this on no machine, nor is a transfer; bytes a second.
SLOWEST = 10_000_000
MODEL = "benchmark"
# What a user's own set-up must not bring in.
FOREIGN = ("MX_", "REDIS_URL", "MODEL_EXPRESS_")
LOOPBACK = "127.0.0.1"


class Transfer:
    """What came of one pull: its own figures, and the CPU that both sides used for it."""

    def __init__(self, pull, used_by_sources):
        complete = pull.last("complete")
        # The first source comes when the destination is there, which takes memory from the system.
        first = pull.first("source") or pull.first("found")
        self.event = complete.content
        self.bytes = self.event["bytes"]
        # From when the destination was ready for bytes until the last chunk was verified; and from the find to the end.
        self.seconds = self.event["transfer_seconds"]
        self.all_seconds = self.event["seconds"]
        # On the rig's clock.
        self.began, self.ended = pull.first("found").at, complete.at
        self.target_cpu = complete.cpu - first.cpu
        self.source_cpu = used_by_sources
        self.shares = {
            f"{source['name']} over {source['lane']}": source["bytes"] / self.bytes for source in self.event["sources"]}
        self.notes = [source["note"] for source in self.event["sources"] if source["note"]]

    @property
    def elapsed(self):
        """From the find to the end on the rig's clock."""
        return self.ended - self.began

    @property
    def rate(self):
        """GB/s."""
        return self.bytes / 1e9 / self.seconds

    @property
    def lanes(self):
        return sorted({source["lane"] for source in self.event["sources"] if source["bytes"]})


class Cluster:
    """Each process has a state folder of its own; the token and the folder of lane sockets are shared."""

    def __init__(self, programs, processes, folder, model):
        self._program = os.path.join(programs, "modelexpress")
        self._processes = processes
        self._folder = folder
        self._model = model
        self._bootstrap = None
        self._started = 0
        # Environment of every process beside its own.
        self.settings = {}
        self.sources = []
        self._run(["keys", "init"])
        self._run(["keys", "token", "--roles", "origin,relay,reader,server", "--out", f"{folder}/token"])

    def start_sources(self, hosts):
        """Serves the model from memory on each host (None: this machine); returns once the first source knows of all."""
        for host in hosts:
            self.sources.append(self._start_source(host))
        limit = START_LIMIT + len(hosts) * self._model.bytes / SLOWEST
        for source in self.sources:
            wait_until(lambda source=source: source.first("serving"), limit, f"{source.label}'s manifest", self.sources)
        self.await_offers()

    def _start_source(self, host):
        name = self._name("source")
        arguments = ["serve", self._model.folder, "--name", MODEL, "--in-memory"]
        source = self._start(name, host, arguments)
        source.host = host
        if self._bootstrap is None:
            serving = wait_until(
                lambda: source.first("serving"), START_LIMIT + self._model.bytes / SLOWEST, f"{name}'s manifest",
                [source])
            self._bootstrap = serving.content["bootstrap"]
        return source

    def await_offers(self):
        """Waits until the sources, and nobody else, are offered."""
        labels = sorted(source.label for source in self.sources)
        wait_until(
            lambda: sorted(offer["name"] for offer in self._offers() if offer["coverage"] == 1) == labels, START_LIMIT,
            f"the offers of {', '.join(labels)} alone", self.sources)

    def _offers(self):
        done = self._finish(["sources", "--state-dir", self._state(self.sources[0].label), "--json"])
        return json.loads(done.stdout) if done.returncode == 0 else []

    def start_pull(self, host=None, lane=None, integrity=None, serves=False, populated=True):
        """Begins to fill memory, all of which is taken from the system before, unless it shall be as bytes come."""
        name = self._name("target")
        arguments = ["pull", MODEL, "--in-memory"]
        arguments += ["--populate"] if populated else []
        arguments += ["--lane", lane] if lane else []
        arguments += ["--integrity", integrity] if integrity else []
        arguments += ["--serve"] if serves else []
        return self._start(name, host, arguments)

    def await_completion(self, pulls, watched=()):
        """The `complete` events of the pulls, in their order."""
        limit = START_LIMIT + len(pulls) * self._model.bytes / SLOWEST
        wait_until(
            lambda: all(pull.last("complete") for pull in pulls), limit,
            f"the end of {', '.join(pull.label for pull in pulls)}", [*watched, *pulls])
        return [pull.last("complete") for pull in pulls]

    def transfer(self, **options):
        """One pull from beginning to end."""
        used = [source.cpu() for source in self.sources]
        pull = self.start_pull(**options)
        self.await_completion([pull], self.sources)
        used = sum(source.cpu() - before for source, before in zip(self.sources, used))
        transfer = Transfer(pull, used)
        self.end([pull])
        return transfer

    def end(self, processes):
        self._processes.end(processes)
        self.sources = [source for source in self.sources if source not in processes]

    def _name(self, kind):
        self._started += 1
        return f"{kind}-{self._started}"

    def _start(self, name, host, arguments):
        address = host.address if host else LOOPBACK
        command = [*(host.wrapper if host else []), self._program, *arguments, "--json", "--peer-name", name]
        # The first one has nobody to join.
        command += ["--peers", self._bootstrap or f"{address}:1", "--bind", address, "--advertise", address]
        return self._processes.start(name, command, self._environment(name), f"{self._folder}/{name}.log")

    def _run(self, arguments):
        done = self._finish(arguments)
        if done.returncode != 0:
            raise Failed(f"modelexpress {' '.join(arguments)}: {done.stderr.strip()}")

    def _finish(self, arguments):
        try:
            return subprocess.run(
                [self._program, *arguments], env=self._environment("keys"), stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=COMMAND_LIMIT, check=False)
        except subprocess.TimeoutExpired:
            raise Failed(f"modelexpress {' '.join(arguments)} did not end within {COMMAND_LIMIT} s") from None

    def _environment(self, name):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        return kept | {
            "MX_STATE_DIR": self._state(name), "MX_TOKEN_FILE": f"{self._folder}/token",
            "MX_HOST_SOCKET_DIR": f"{self._folder}/lanes", **self.settings,
        }

    def _state(self, name):
        return f"{self._folder}/state/{name}"
