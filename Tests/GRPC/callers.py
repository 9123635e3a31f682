"""Who may call: tokens from a file, tokens that the Kubernetes API knows (a stand-in of it), who owns a record, and TLS."""

import os
import re
import subprocess
import sys
import json

import grpc

from rig import READY, STALE, Client, Rig, code_of, differ, finish, identity, messages, options, stubs, worker

from harness.local_socket import eventually
from harness.outcome import Outcome

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED
STAND_IN = os.path.join(os.path.dirname(__file__), "..", "EndToEndTests", "kubernetes-api.py")


class Caller:
    """The public client's stubs with a bearer token, as its own interceptor adds one."""

    def __init__(self, server, token=None, scheme="Bearer", credentials=None):
        target = server.address
        self.channel = (grpc.secure_channel(target, credentials, [("grpc.ssl_target_name_override", "localhost")])
                        if credentials else grpc.insecure_channel(target))
        self.stub = stubs.P2pServiceStub(self.channel)
        self.metadata = [("authorization", f"{scheme} {token}")] if token is not None else []

    def publish(self, name, model="org/owned"):
        request = messages.PublishMetadataRequest(identity=identity(model), worker=worker(), worker_id=name)
        return self.stub.PublishMetadata(request, timeout=30, metadata=self.metadata).mx_source_id

    def update(self, key, name, status=READY):
        request = messages.UpdateStatusRequest(mx_source_id=key, worker_id=name, status=status)
        return self.stub.UpdateStatus(request, timeout=30, metadata=self.metadata).success

    def names(self, **fields):
        answer = self.stub.ListSources(messages.ListSourcesRequest(**fields), timeout=30, metadata=self.metadata)
        return [one.worker_id for one in answer.instances]

    def healthy(self):
        check = self.channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes)
        return check(b"", timeout=10) == bytes([0x08, 1])


def owners(outcome, what, one, two):
    key = one.publish("owned001")
    outcome.check(f"{what}: a caller publishes and sends heartbeats", differ(True, one.update(key, "owned001")))
    outcome.check(f"{what}: another caller can neither end the record nor replace it, and may read it",
                  differ(DENIED, code_of(lambda: two.update(key, "owned001", STALE)))
                  + differ(DENIED, code_of(lambda: two.publish("owned001"))) + differ(["owned001"], two.names(status_filter=READY)))
    return key


def from_file(outcome, programs):
    with Rig(programs) as rig:
        path = f"{rig.folder}/callers"
        write(path, "# callers\n\none  one-token-0123456789\ntwo\ttwo-token-0123456789\n")
        rig.settings["MX_GRPC_TOKEN_FILE"] = path
        server = rig.server()
        one, two = Caller(server, "one-token-0123456789"), Caller(server, "two-token-0123456789", "bEARER")
        key = owners(outcome, "a file of tokens", one, two)
        for name, caller in (("no token", Caller(server)), ("another token", Caller(server, "nobody-0123456789")),
                             ("an empty one", Caller(server, "")), ("another scheme", Caller(server, "one-token-0123456789", "Basic"))):
            outcome.check(f"{name} is UNAUTHENTICATED", differ(UNAUTHENTICATED, code_of(caller.names))
                          + differ(UNAUTHENTICATED, code_of(lambda: caller.publish("x")))
                          + differ(UNAUTHENTICATED, code_of(lambda: caller.update(key, "owned001", STALE))))
        outcome.check("health is answered without a token", differ(True, Caller(server).healthy()))
        os.environ["MX_AUTH_TOKEN_PATH"] = f"{rig.folder}/token"
        write(f"{rig.folder}/token", "one-token-0123456789\n")
        import modelexpress.auth
        modelexpress.auth._SHARED_PROVIDER = None
        outcome.check("the public client shows its token by itself", differ(["owned001"], Client(server).names()))
        rig_words = open(server.log).read()
        outcome.check("with tokens in the clear the server says so, and doesn't cry that anybody may call",
                      ([] if "in the clear" in rig_words else ["it says nothing"])
                      + (["it cries"] if "ANYBODY" in rig_words else []))
        # Who owns what outlives the server.
        port = server.port
        eventually("Redis has it", 20, lambda: b"" != rig.redis.command("KEYS", "*:p:*").encode())
        server.process.terminate()
        server.process.wait(timeout=20)
        rig.peers.remove(server)
        server = rig.server("server", grpc_port=port)
        outcome.check("after a restart the owner is still the owner",
                      differ(DENIED, code_of(lambda: two.update(key, "owned001", STALE))) + differ(True, one.update(key, "owned001")))
        write(path, "one  new-token-0123456789\n")
        eventually("new tokens are used", 40, lambda: code_of(lambda: Caller(server, "new-token-0123456789").names()) is None)
        outcome.check("a file that was replaced is taken up", differ(UNAUTHENTICATED, code_of(one.names))
                      + differ(True, Caller(server, "new-token-0123456789").update(key, "owned001")))
    for content, words in (("one short\n", "16 characters"), ("# nobody\n", "names none"), (None, "callers")):
        with Rig(programs) as rig:
            path = f"{rig.folder}/callers"
            if content is not None:
                write(path, content)
            rig.settings["MX_GRPC_TOKEN_FILE"] = path
            said = refused(rig)
            outcome.check(f"a file of tokens that can't be used ends the server: {words}", [] if words in said else [said])


def refused(rig):
    server = rig._start("modelexpress-server", "refused", "server.sock", ["--redis-url", rig.redis.url, "--bootstrap-port", "0"])
    code = server.process.wait(timeout=60)
    return server.last_words() if code != 0 else "it ended with 0"


def write(path, text):
    with open(f"{path}.new", "w") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


class KubernetesStandIn:
    def __init__(self, folder):
        self.folder = f"{folder}/kubernetes"
        os.makedirs(self.folder)
        write(f"{self.folder}/account", "server-account\n")
        write(f"{self.folder}/namespace", "mesh")
        self.process = subprocess.Popen(
            [sys.executable, "-B", STAND_IN, "--folder", self.folder, "--token-file", f"{self.folder}/account"],
            stderr=subprocess.PIPE, text=True)
        self.port = int(re.search(r"port=(\d+)", self.process.stderr.readline())[1])

    def know(self, tokens):
        write(f"{self.folder}/tokens.json", json.dumps(tokens))

    def fault(self, *lines):
        write(f"{self.folder}/faults", "".join(f"{line}\n" for line in lines))

    def asked(self):
        try:
            with open(f"{self.folder}/requests") as file:
                return sum("tokenreviews" in line for line in file)
        except FileNotFoundError:
            return 0

    def settings(self, **more):
        return {"MX_KUBERNETES_API": f"http://127.0.0.1:{self.port}", "MX_KUBERNETES_TOKEN_FILE": f"{self.folder}/account",
                "MX_KUBERNETES_NAMESPACE": "mesh", "MX_JOIN_SECRET": "none", "MODEL_EXPRESS_SECURITY_MODE": "enforce",
                "MODEL_EXPRESS_SECURITY_ALLOWED_SERVICE_ACCOUNTS": "engines:vllm, engines:sglang",
                "MODEL_EXPRESS_SECURITY_TOKEN_AUDIENCES": "modelexpress", "MODEL_EXPRESS_SECURITY_CACHE_TTL_SECS": "2", **more}

    def end(self):
        self.process.kill()
        self.process.wait()


def account(name, pod=None, audience="modelexpress"):
    extra = {"authentication.kubernetes.io/pod-uid": [pod]} if pod else {}
    return {"username": f"system:serviceaccount:{name}", "extra": extra, "audiences": [audience]}


def by_review(outcome, programs):
    with Rig(programs) as rig:
        kubernetes = KubernetesStandIn(rig.folder)
        try:
            kubernetes.know({
                "pod-a": account("engines:vllm", "uid-a"), "pod-b": account("engines:vllm", "uid-b"),
                "plain": account("engines:sglang"), "other": account("engines:stranger", "uid-c"),
                "elsewhere": account("engines:vllm", "uid-d", "vault"), "person": {"username": "alice", "audiences": ["modelexpress"]}})
            rig.settings.update(kubernetes.settings())
            server = rig.server()
            one, two = Caller(server, "pod-a"), Caller(server, "pod-b")
            key = owners(outcome, "TokenReview", one, two)
            outcome.check("another account may read", differ(["owned001"], Caller(server, "plain").names()))
            for name, token, code in (("an account that isn't allowed", "other", DENIED), ("a token for somebody else", "elsewhere",
                                      UNAUTHENTICATED), ("a person", "person", UNAUTHENTICATED), ("a stranger", "nobody",
                                      UNAUTHENTICATED), ("no token", None, UNAUTHENTICATED), ("a token without an end", "x" * 8000,
                                      UNAUTHENTICATED)):
                outcome.check(f"{name} is {code.name}", differ(code, code_of(Caller(server, token).names)))
            asked = kubernetes.asked()
            for _ in range(50):
                one.names()
            outcome.check("answers are kept for a while", [] if kubernetes.asked() - asked <= 1 else [str(kubernetes.asked() - asked)])
            kubernetes.know({"pod-b": account("engines:vllm", "uid-b")})
            eventually("a token that ended is refused", 20, lambda: code_of(one.names) == UNAUTHENTICATED)
            outcome.check("an account that ended is refused soon, and others go on", differ(True, two.healthy())
                          + differ(["owned001"], two.names()))
            for fault in ("status 500", "garbage", "status 403"):
                kubernetes.fault(fault)
                outcome.check(f"an API that answers with {fault}: UNAVAILABLE, and the next call is answered",
                              differ(grpc.StatusCode.UNAVAILABLE, code_of(Caller(server, f"new-{fault}").names))
                              + differ(UNAUTHENTICATED, code_of(Caller(server, f"new-{fault}").names)))
            kubernetes.end()
            outcome.check("without the API nobody new is let in",
                          differ(grpc.StatusCode.UNAVAILABLE, code_of(Caller(server, "unseen").names)))
        finally:
            kubernetes.end()
    with Rig(programs, MODEL_EXPRESS_SECURITY_MODE="enforce") as rig:
        said = refused(rig)
        outcome.check("enforced without a list of accounts, the server ends with a sentence",
                      [] if "MODEL_EXPRESS_SECURITY_ALLOWED_SERVICE_ACCOUNTS" in said else [said])


def certificate(folder, name):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
         f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{folder}/{name}.key", "-out",
         f"{folder}/{name}.pem"], check=True, capture_output=True)
    with open(f"{folder}/{name}.pem", "rb") as file:
        return f"{folder}/{name}.pem", f"{folder}/{name}.key", grpc.ssl_channel_credentials(file.read())


def encrypted(outcome, programs):
    with Rig(programs) as rig:
        chain, key, trusted = certificate(rig.folder, "server")
        _, _, strangers = certificate(rig.folder, "stranger")
        rig.settings.update({"MX_GRPC_TLS_CERTIFICATE": chain, "MX_GRPC_TLS_KEY": key})
        server = rig.server()
        caller = Caller(server, credentials=trusted)
        outcome.check("over TLS a client publishes and lists", differ(16, len(caller.publish("tls00001")))
                      + differ(["tls00001"], caller.names()) + differ(True, caller.healthy()))
        outcome.check("a client that trusts somebody else is not served",
                      differ(grpc.StatusCode.UNAVAILABLE, code_of(Caller(server, credentials=strangers).names)))
        outcome.check("a client that speaks plainly is not served",
                      differ(grpc.StatusCode.UNAVAILABLE, code_of(Caller(server).names)))
        rig.settings["MX_GRPC_TLS_KEY"] = f"{rig.folder}/stranger.key"
        said = refused(rig)
        outcome.check("a key that doesn't belong to the certificate ends the server with a sentence",
                      [] if "certificate of the gRPC port" in said else [said])
        rig.settings.pop("MX_GRPC_TLS_KEY")
        said = refused(rig)
        outcome.check("a certificate without a key does, too", [] if "MX_GRPC_TLS_KEY" in said else [said])


class Renewal:
    """A server whose certificate is replaced on disk. It looks at it each minute, so other tests run meanwhile."""

    # Seconds: the server's minute, and some for a busy machine.
    LIMIT = 100

    def __init__(self, rig):
        chain, key, self.old = certificate(rig.folder, "server")
        rig.settings.update({"MX_GRPC_TLS_CERTIFICATE": chain, "MX_GRPC_TLS_KEY": key})
        self.server = rig.server()
        self.connected = Caller(self.server, credentials=self.old)
        self.connected.publish("renew001")
        os.rename(chain, f"{chain}.old")
        os.rename(key, f"{key}.old")
        _, _, self.new = certificate(rig.folder, "server")

    def check(self, outcome):
        def is_served():
            return code_of(Caller(self.server, credentials=self.new).names) is None

        eventually("who trusts the new certificate is served", self.LIMIT, is_served, pause=5)
        outcome.check("a replaced certificate is taken up without a restart, and connections that were there go on",
                      differ(grpc.StatusCode.UNAVAILABLE, code_of(Caller(self.server, credentials=self.old).names))
                      + differ(["renew001"], self.connected.names()))


def main():
    outcome = Outcome()
    programs = options().programs
    with Rig(programs) as rig:
        renewal = Renewal(rig)
        from_file(outcome, programs)
        by_review(outcome, programs)
        encrypted(outcome, programs)
        renewal.check(outcome)
    finish(outcome)


if __name__ == "__main__":
    main()
