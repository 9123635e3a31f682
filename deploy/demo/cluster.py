"""A cluster of real programs on this machine: keys, a server, sources and targets."""

import json
import os
import subprocess
import urllib.error
import urllib.request

from children import Children, wait_until
from failure import DemoError

_LOCALHOST = "127.0.0.1"
# Bounds for what should take a second or two, with room for slow machines; seconds.
_START_LIMIT_S = 60.0
_COMMAND_LIMIT_S = 30.0
_HTTP_LIMIT_S = 5.0
# Digesting a source is slower than this on no machine; bytes a second.
_SLOWEST_DIGEST = 50_000_000
# What a user's own set-up must not bring into the demo.
_FOREIGN_SETTINGS = ("MX_", "REDIS_URL", "MODEL_EXPRESS_")


class Cluster:
    """Starts programs and asks them. Each has a state folder of its own; token and folder of sockets are shared."""

    def __init__(self, programs, run_folder, interrupts):
        self.children = Children(interrupts)
        self._program = os.path.join(programs, "modelexpress")
        self._server_program = os.path.join(programs, "modelexpress-server")
        self._folder = run_folder
        self._token = os.path.join(run_folder, "token")
        self._bootstrap = None
        self.server_url = None
        self._server = None

    def make_keys(self):
        """A new cluster's root key, and a token that lets everyone do everything."""
        self._run(["keys", "init"], "keys")
        self._run(["keys", "token", "--roles", "origin,relay,reader,server", "--out", self._token], "keys")

    def start_server(self):
        """A server with a Redis of its own; returns once it is ready and its Redis is connected."""
        data = os.path.join(self._folder, "redis")
        server = self.children.start(
            "modelexpress-server",
            [self._server_program, "--embedded-redis", "--data-dir", data, "--http-port", "0", "--bootstrap-port", "0",
             "--control-port", "0", "--gossip-port", "0"],
            self._environment("server") | {"MX_LOG_FORMAT": "json"}, self._log("server"))
        self._server = server
        _, ready = wait_until(
            lambda: server.first("message", "ready"), _START_LIMIT_S, "the server's start", [server])
        self._bootstrap = ready["bootstrap"]
        self.server_url = f"http://{_LOCALHOST}:{ready['http.port']}"
        wait_until(self._is_ready, _START_LIMIT_S, "/readyz of the server", [server])
        wait_until(
            lambda: self._get("/api/v1/status").get("status", {}).get("store") == "connected", _START_LIMIT_S,
            "the server's connection to its Redis", [server])

    def start_sources(self, names, folder, model, model_bytes, rate=None):
        """Serves the folder from one process for each name; returns them once the server lists them as complete."""
        arguments = [self._program, "serve", folder, "--name", model, "--peers", self._bootstrap, "--json"]
        if rate:
            arguments += ["--rate-limit", str(rate)]
        sources = [
            self.children.start(
                name, [*arguments, "--peer-name", name], self._environment(name), self._log(name)) for name in names]
        limit = _START_LIMIT_S + len(names) * model_bytes / _SLOWEST_DIGEST
        for source in sources:
            wait_until(
                lambda: source.first("event", "serving"), limit, f"{source.label}'s manifest", [*sources, self._server])
        wait_until(
            lambda: set(names) <= {listed["name"] for listed in self.sources() if listed["coverage"] == 1},
            _START_LIMIT_S, f"the server's list of {', '.join(names)}", [*sources, self._server])
        return sources

    def end(self, processes):
        """Ends sources and targets, and waits until the server lists none of them."""
        names = {process.label for process in processes}
        self.children.end(processes)
        wait_until(
            lambda: not any(listed["name"] in names for listed in self.sources()), _START_LIMIT_S,
            f"the end of the offers of {', '.join(sorted(names))}", [self._server])

    def start_pull(self, name, model, destination, lane, rate=None):
        """Begins to fill the destination; the process ends by itself."""
        arguments = [
            self._program, "pull", model, "--to", destination, "--lane", lane, "--peer-name", name, "--peers",
            self._bootstrap, "--json"]
        if rate:
            arguments += ["--rate-limit", str(rate)]
        return self.children.start(name, arguments, self._environment(name), self._log(name))

    def sources(self):
        """The server's list of who offers which model."""
        return self._ask(["sources", "--server", self.server_url, "--json"]) or []

    def bytes_served(self, name):
        """What the process with this name's state folder has served so far; None while it doesn't answer."""
        status = self._ask(["status", "--state-dir", self._state(name), "--json"])
        return status["bytes_served"] if status else None

    @property
    def server(self):
        return self._server

    def _is_ready(self):
        return self._get("/readyz") is not None

    def _get(self, path):
        """The JSON at a path of the server, {} for an answer that is none, None for a refusal."""
        try:
            with urllib.request.urlopen(self.server_url + path, timeout=_HTTP_LIMIT_S) as answer:
                text = answer.read()
        except (urllib.error.URLError, OSError):
            return None
        try:
            return json.loads(text)
        except ValueError:
            return {}

    def _ask(self, arguments):
        """The JSON that a question prints; None when nobody answers yet."""
        done = self._finish(arguments, "questions")
        try:
            return json.loads(done.stdout) if done.returncode == 0 else None
        except ValueError:
            raise DemoError(f"modelexpress {' '.join(arguments)} printed no JSON: {done.stdout[:200]!r}") from None

    def _run(self, arguments, name):
        done = self._finish(arguments, name)
        if done.returncode != 0:
            raise DemoError(f"modelexpress {' '.join(arguments)}: {done.stderr.strip()}")

    def _finish(self, arguments, name):
        try:
            return subprocess.run(
                [self._program, *arguments], env=self._environment(name), stdin=subprocess.DEVNULL, capture_output=True,
                text=True, timeout=_COMMAND_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            raise DemoError(f"modelexpress {' '.join(arguments)} did not end within {_COMMAND_LIMIT_S:.0f} s") from None

    def _environment(self, name):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN_SETTINGS)}
        return kept | {
            "MX_STATE_DIR": self._state(name), "MX_TOKEN_FILE": self._token,
            "MX_HOST_SOCKET_DIR": os.path.join(self._folder, "lanes"), "MX_BIND_ADDRESS": _LOCALHOST,
            "MX_ADVERTISE_ADDRESS": _LOCALHOST, "MX_GRPC_PORT": "none",
        }

    def _state(self, name):
        return os.path.join(self._folder, "state", name)

    def _log(self, name):
        return os.path.join(self._folder, f"{name}.log")
