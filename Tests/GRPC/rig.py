"""A server with its gRPC port, on a Redis of its own, and the public client."""

import argparse
import os
import socket
import sys
import time

from harness.cluster import Cluster
from harness.figures import series
from harness.local_socket import eventually
from harness.redis_server import Redis

# No token of this machine reaches a server under test.
os.environ["MX_AUTH_TOKEN_PATH"] = "/nonexistent/token"

import grpc  # noqa: E402
from modelexpress import p2p_pb2 as messages  # noqa: E402
from modelexpress import p2p_pb2_grpc as stubs  # noqa: E402
from modelexpress.client import MxClient  # noqa: E402

MESSAGE_LIMIT = 100 * 1024 * 1024
READY = messages.SOURCE_STATUS_READY
STALE = messages.SOURCE_STATUS_STALE


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    return parser.parse_args()


class Rig(Cluster):
    """`settings` are environment variables of its servers."""

    def __init__(self, programs, **settings):
        super().__init__(programs)
        self.settings = settings
        self.redis = Redis(f"{self.folder}/redis")

    def __enter__(self):
        super().__enter__()
        try:
            self.redis.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *details):
        self.redis.kill()
        super().__exit__(*details)

    def environment(self):
        return {**super().environment(), "MX_GRPC_PORT": "0", **self.settings}

    def server(self, name="server", grpc_port=0, peers=()):
        flags = ["--redis-url", self.redis.url, "--bootstrap-port", "0", "--http-port", "0", "--grpc-port", str(grpc_port)]
        if peers:
            flags += ["--peers", ",".join(peers)]
        server = self._start("modelexpress-server", name, "server.sock", flags, log_level="info")
        server.await_start()
        server.port = eventually(f"{name} names its gRPC port", 30, lambda: self.logged_number(server, "grpc.port"))
        server.address = f"127.0.0.1:{server.port}"
        return server

    def metric(self, server, name):
        return series(server).get(name, 0)


class Client(MxClient):
    """The public client, with what its wrappers leave out."""

    def __init__(self, server):
        super().__init__(getattr(server, "address", server))

    def list(self, identity=None, **fields):
        request = messages.ListSourcesRequest(identity=identity, **fields)
        return list(self.stub.ListSources(request, timeout=30).instances)

    def names(self, identity=None, **fields):
        return [one.worker_id for one in self.list(identity, **fields)]


def identity(model="org/model", **fields):
    defaults = {"mx_version": "0.7.0", "backend_framework": 1, "tensor_parallel_size": 1, "dtype": "bfloat16"}
    return messages.SourceIdentity(model_name=model, **{**defaults, **fields})


def worker(rank=0, **fields):
    defaults = {"metadata_endpoint": "10.0.0.1:5555", "worker_grpc_endpoint": "10.0.0.1:6555", "agent_name": f"mx-auto-worker{rank}",
                "accelerator": "cuda"}
    return messages.WorkerMetadata(worker_rank=rank, **{**defaults, **fields})


def code_of(call):
    """The status of a call that fails; None for one that succeeds."""
    try:
        call()
        return None
    except grpc.RpcError as error:
        return error.code()


def differ(expected, found, what=""):
    """As `Outcome.check` wants it."""
    return [] if expected == found else [f"{what or 'it'} is {found!r} and should be {expected!r}"]


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait(seconds):
    time.sleep(seconds)


def finish(outcome):
    """The libraries of the public client don't always survive an orderly end."""
    print(f"{outcome.passed} passed, {outcome.failed} failed", flush=True)
    sys.stdout.flush()
    os._exit(1 if outcome.failed else 0)
