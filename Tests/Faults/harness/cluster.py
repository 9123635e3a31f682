"""A cluster of its own for one test: keys, folders and processes, all in one short temporary folder."""

import os
import re
import shutil
import subprocess
import tempfile
import time

from harness.local_socket import LocalSocket, Unanswered, eventually
from harness.model import write_model

# Seconds in which a program must answer after its start; a debug build, and 50 of them at once, take their time.
START_LIMIT = 60


class Peer:
    """One running program with a state folder of its own."""

    def __init__(self, name, process, state_folder, socket_name, log):
        self.name = name
        self.process = process
        self.state_folder = state_folder
        self.log = log
        self.local = LocalSocket(f"{state_folder}/{socket_name}")
        self.id = None
        self.bootstrap = None
        # When it was killed, on the monotonic clock.
        self.ended_at = None

    def await_start(self):
        """Waits until it answers, and learns its id and its bootstrap port."""
        status = eventually(f"{self.name} answers", START_LIMIT, self._status)
        self.id = status["peer"]
        self.bootstrap = f"{status['address']}:{status['bootstrap_port']}"

    def _status(self):
        if self.process.poll() is not None:
            raise Unanswered(f"{self.name} ended with {self.process.returncode}: {self.last_words()}")
        try:
            return self.local.ask("status").get("status")
        except Unanswered:
            return None

    def kill(self):
        """SIGKILL: no goodbye."""
        self.process.kill()
        self.process.wait()
        self.ended_at = time.monotonic()
        self.local.close()

    def last_words(self):
        with open(self.log, errors="replace") as text:
            return text.read()[-2000:].strip() or "it wrote nothing"


class Cluster:
    """Whatever the outcome, the processes are killed and the folder is removed."""

    def __init__(self, programs):
        self.programs = programs
        self.folder = tempfile.mkdtemp(prefix="mxf")
        self.peers = []

    def __enter__(self):
        try:
            self._modelexpress("keys", "init", "--state-dir", f"{self.folder}/keys")
            roles = "origin,relay,reader,server"
            self._modelexpress("keys", "token", "--roles", roles, "--state-dir", f"{self.folder}/keys")
            self.model = write_model(f"{self.folder}/model")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for peer in self.peers:
            peer.local.close()
            peer.process.kill()
        for peer in self.peers:
            peer.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def living(self):
        return [peer for peer in self.peers if peer.ended_at is None]

    @property
    def dead(self):
        return [peer for peer in self.peers if peer.ended_at is not None]

    def start_server(self, bootstrap_port=0, http_port=0):
        options = ["--embedded-redis", "--bootstrap-port", str(bootstrap_port), "--http-port", str(http_port)]
        return self._start("modelexpress-server", "server", "server.sock", options)

    def start_redis_server(self, name, redis_url, peers=(), bootstrap_port=0):
        """A server on a Redis that somebody else runs; `peers` are bootstrap ports of others."""
        options = ["--redis-url", redis_url, "--bootstrap-port", str(bootstrap_port), "--http-port", "0"]
        if peers:
            options += ["--peers", ",".join(peers)]
        return self._start("modelexpress-server", name, "server.sock", options, log_level="info")

    @staticmethod
    def logged_number(peer, key):
        """The number in the last line of its log that has `key=NUMBER`."""
        with open(peer.log, errors="replace") as text:
            found = re.findall(rf" {re.escape(key)}=(\d+)", text.read())
        return int(found[-1]) if found else None

    def start_sidecar(
        self, name, seeds, address="127.0.0.1", wrapper=(), serve=None, slots=2, more=(), variables=None,
        log_level="warning"
    ):
        """`seeds` are bootstrap ports; `wrapper` comes before the program; `serve` is NAME=FOLDER; `more` are flags, and
        `variables` more of its environment."""
        options = [*more, "--slots", str(slots), "--bootstrap-port", "0", "--data-port", "0"]
        # Without seeds it would look for a server at the default port: a port that nobody answers instead.
        options += ["--peers", ",".join(seeds) or "127.0.0.1:1"]
        if serve:
            options += ["--serve", serve]
        return self._start(
            "modelexpress-sidecar", name, "sidecar.sock", options, address, wrapper, log_level, variables)

    def _start(
        self, program, name, socket_name, options, address="127.0.0.1", wrapper=(), log_level="warning",
        variables=None
    ):
        state_folder = f"{self.folder}/{name}"
        os.makedirs(state_folder, mode=0o700, exist_ok=True)
        log = f"{self.folder}/{name}.log"
        ports = ["--control-port", "0", "--gossip-port", "0"]
        command = [*wrapper, f"{self.programs}/{program}", "--state-dir", state_folder, "--peer-name", name]
        command += ["--bind", address, *ports, "--log-level", log_level, *options]
        with open(log, "ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=self.environment() | (variables or {}))
        peer = Peer(name, process, state_folder, socket_name, log)
        self.peers.append(peer)
        return peer

    def _modelexpress(self, *arguments):
        command = [f"{self.programs}/modelexpress", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=self.environment())
        if done.returncode != 0:
            raise Unanswered(f"{' '.join(arguments)}: {done.stderr.strip()}")

    def environment(self):
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": self.folder,
            "MX_TOKEN_FILE": f"{self.folder}/keys/token",
            "MX_HTTP_PORT": "0",
            "MX_GRPC_PORT": "0",
            # A backtrace of a debug build takes a minute; that a program crashed is told by its signal.
            "SWIFT_BACKTRACE": "enable=no",
        }
