"""Sources and targets with the public client's own loading code move bytes with NIXL; our server alone brings them together."""

import json
import os
import subprocess
import sys
import threading

from rig import READY, STALE, Client, Rig, differ, finish, messages, options

from harness.local_socket import Unanswered, eventually
from harness.outcome import Outcome, tell

# Seconds in which a process must load its libraries and do its work; two cores may be busy.
LIMIT = 120


class Engine:
    """A process of engine.py. `ports` are its own, as two workers of one host have."""

    def __init__(self, rig, server, role, ports, *arguments, central=False, **settings):
        environment = {**os.environ, "MX_SERVER_ADDRESS": server.address, "MX_P2P_METADATA": "0" if central else "1",
                       "MX_WORKER_HOST": "127.0.0.1", "MX_METADATA_PORT": str(ports), "MX_WORKER_GRPC_PORT": str(ports + 1),
                       "MX_HEARTBEAT_INTERVAL_SECS": "1", "MX_TRANSFER_TIMEOUT": "60", "UCX_TLS": "tcp,self,sm", **settings}
        self.log = open(f"{rig.folder}/{role}{ports}.log", "w")
        self.process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(os.path.dirname(__file__), "engine.py"), role, *arguments], env=environment,
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.events = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.events.append(json.loads(line))

    def await_event(self, *names):
        def found():
            for event in list(self.events):
                if event["event"] in names:
                    return event
            if self.process.poll() is not None and not self.events:
                raise Unanswered(f"it ended with {self.process.returncode}: {self.words()}")
            return None
        return eventually(" or ".join(names), LIMIT, found)

    def words(self):
        self.log.flush()
        return open(self.log.name, errors="replace").read()[-1500:]

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def free_port():
    """The first of two that follow each other."""
    import socket
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue


def moves(outcome, rig, server, client, central):
    mode = "central metadata" if central else "metadata from the worker"
    model = f"org/moved-{'central' if central else 'p2p'}"
    engines = []
    try:
        source = Engine(rig, server, "source", free_port(), "--model", model, central=central)
        engines.append(source)
        worker = source.await_event("published")["worker"]
        eventually("the source is ready", LIMIT, lambda: client.names(model_name_filter=model, status_filter=READY))
        outcome.check(f"{mode}: the source is listed as ready", differ([worker], client.names(model_name_filter=model)))
        reference = client.list(model_name_filter=model)[0]
        told = client.get_metadata(reference.mx_source_id, worker).worker
        outcome.check(f"{mode}: it published {'tensors' if central else 'where it is'}",
                      differ(central, len(told.tensors) == 24) + differ(not central, bool(told.worker_grpc_endpoint)))
        target = Engine(rig, server, "target", free_port(), "--model", model, central=central)
        engines.append(target)
        event = target.await_event("loaded", "failed")
        problems = differ("loaded", event["event"]) or differ(True, event["equal"], "equality")
        if problems:
            problems += [str(event), target.words()]
        else:
            tell(f"        {event['bytes'] / 1e6:.1f} MB in {event['seconds']:.2f} s")
        outcome.check(f"{mode}: a target reads every byte from it with NIXL", problems)
        source.end()
        outcome.check(f"{mode}: a source that stops is stale at once",
                      differ([], client.names(model_name_filter=model, status_filter=READY))
                      + differ([worker], client.names(model_name_filter=model, status_filter=STALE)))
        late = Engine(rig, server, "target", free_port(), "--model", model, central=central)
        engines.append(late)
        event = late.await_event("loaded", "failed")
        outcome.check(f"{mode}: then a target finds no source, and says so", differ("failed", event["event"]))
    finally:
        for engine in engines:
            engine.end()


def main():
    outcome = Outcome()
    with Rig(options().programs) as rig:
        server = rig.server()
        client = Client(server)
        for central in (False, True):
            moves(outcome, rig, server, client, central)
    finish(outcome)


if __name__ == "__main__":
    main()
