"""The four calls and the health service, by the public client and its stubs."""

import socket
import time

import grpc
from rig import MESSAGE_LIMIT, READY, STALE, Client, Rig, differ, finish, identity, messages, options, stubs, worker

from harness.outcome import Outcome, tell


def publishing(outcome, client):
    key = client.publish_metadata(identity(), worker(), "aaaa0001")
    outcome.check("publishing gives the identifier of the identity", [] if len(key) == 16 else [key])
    listed = client.list()
    outcome.check("a published worker is listed, and not as ready",
                  differ(["aaaa0001"], [one.worker_id for one in listed])
                  + differ([], client.names(status_filter=READY), "the ready ones"))
    found = client.get_metadata(key, "aaaa0001")
    outcome.check("its metadata come back as they were sent", differ(True, found.found)
                  + differ(worker(), found.worker) + differ(identity(), found.identity))
    before = int(time.time() * 1000)
    outcome.check("a heartbeat is taken", differ(True, client.update_status(key, "aaaa0001", 0, READY, 0.5)))
    listed = client.list(identity(), status_filter=READY)[0]
    outcome.check("then it is ready, with the server's time and its load",
                  differ(0.5, listed.source_load) + differ(key, listed.mx_source_id) + differ("cuda", listed.accelerator)
                  + ([] if abs(listed.updated_at - before) < 10_000 else [f"time {listed.updated_at}, {before}"]))
    client.update_status(key, "aaaa0001", 0, READY)
    outcome.check("without a load it has none", differ(False, client.list(identity())[0].HasField("source_load")))
    outcome.check("it may say that it is stale", differ(True, client.update_status(key, "aaaa0001", 0, STALE))
                  + differ([], client.names(status_filter=READY)) + differ(["aaaa0001"], client.names(status_filter=STALE)))
    client.publish_metadata(identity(), worker(agent_name="again"), "aaaa0001")
    outcome.check("published again, it takes its own place", differ(1, len(client.list()))
                  + differ("again", client.get_metadata(key, "aaaa0001").worker.agent_name))


def refusals(outcome, client):
    cases = [
        ("identity is required", {"worker": worker(), "worker_id": "w"}),
        ("identity.model_name is required", {"identity": identity(""), "worker": worker(), "worker_id": "w"}),
        ("worker_id is required", {"identity": identity(), "worker": worker()}),
        ("worker is required", {"identity": identity(), "worker_id": "w"}),
    ]
    for text, fields in cases:
        answer = client.stub.PublishMetadata(messages.PublishMetadataRequest(**fields), timeout=30)
        outcome.check(f"publishing: {text}", differ(False, answer.success) + differ(text, answer.message)
                      + differ("", answer.mx_source_id) + differ("", answer.worker_id))
    cases = [
        ("mx_source_id is required", {"worker_id": "w", "status": 2}),
        ("worker_id is required", {"mx_source_id": "s", "status": 2}),
        ("invalid status value: 77", {"mx_source_id": "s", "worker_id": "w", "status": 77}),
        ("Failed to update status: update_status: rank 3 not found in source 's' worker 'w'",
         {"mx_source_id": "s", "worker_id": "w", "worker_rank": 3, "status": 2}),
    ]
    for text, fields in cases:
        answer = client.stub.UpdateStatus(messages.UpdateStatusRequest(**fields), timeout=30)
        outcome.check(f"a state: {text}", differ(False, answer.success) + differ(text, answer.message))
    for source, name, expected in (("", "w", ("", "")), ("s", "", ("", "")), ("s", "w", ("s", "w"))):
        answer = client.get_metadata(source, name)
        outcome.check(f"metadata of source '{source}' worker '{name}' are not found",
                      differ(False, answer.found) + differ(expected, (answer.mx_source_id, answer.worker_id)))
    answer = client.stub.PublishMetadata(messages.PublishMetadataRequest(
        identity=identity("org/said"), worker=worker(3), worker_id="w"), timeout=30)
    expected = (f"Published metadata for 'org/said' (source_id={answer.mx_source_id}, worker_id=w, worker_rank=3, 0 tensors)")
    outcome.check("success is said in the public words", differ(expected, answer.message))


def filters(outcome, client):
    keys = {}
    for name, model, rank, parameters in (
        ("f1", "Org/F", 0, {"training_step": "7", "layout_signature": "abc"}), ("f2", "Org/F", 1, {"version": "9"}),
        ("f3", "org/f", 0, {}), ("f4", "org/g", 0, {"training_step": "no"}),
    ):
        keys[name] = client.publish_metadata(identity(model, extra_parameters=parameters), worker(rank), name)
    for name, rank in (("f1", 0), ("f2", 1), ("f3", 0)):
        client.update_status(keys[name], name, rank, READY)
        time.sleep(0.02)
    mine = lambda names: [name for name in names if name.startswith("f")]
    stamps = {one.worker_id: one.updated_at for one in client.list()}
    cases = [
        ("the last heard of first", {}, ["f3", "f2", "f1", "f4"]),
        ("an identity", {"identity": identity("Org/F", extra_parameters={"version": "9"})}, ["f2"]),
        ("an identity without a model is none", {"identity": messages.SourceIdentity(dtype="x")}, ["f3", "f2", "f1", "f4"]),
        ("ready", {"status_filter": READY}, ["f3", "f2", "f1"]),
        ("an unknown state filters nothing", {"status_filter": 99}, ["f3", "f2", "f1", "f4"]),
        ("a model, in its case", {"model_name_filter": "Org/F"}, ["f2", "f1"]),
        ("a rank", {"worker_rank_filter": 1}, ["f2"]),
        ("rank 0 is a rank", {"worker_rank_filter": 0, "model_name_filter": "Org/F"}, ["f1"]),
        ("a training step", {"min_training_step": 8}, ["f2"]),
        ("a time", {"min_updated_at": stamps["f2"]}, ["f3", "f2"]),
        ("a limit", {"limit": 2, "status_filter": READY}, ["f3", "f2"]),
        ("limit 0 is none", {"limit": 0}, ["f3", "f2", "f1", "f4"]),
    ]
    for name, fields, expected in cases:
        outcome.check(f"filter: {name}", differ(expected, mine(client.names(**fields))))
    listed = {one.worker_id: one for one in client.list()}
    outcome.check("training step and layout signature are told from the identity",
                  differ((7, "abc"), (listed["f1"].training_step, listed["f1"].layout_signature))
                  + differ(9, listed["f2"].training_step) + differ(False, listed["f4"].HasField("training_step")))


def kept(outcome, client):
    topology = {"rack": "7", "zone": "b"}
    key = client.publish_metadata(identity("org/kept"), worker(topology=topology), "kept0001")
    outcome.check("topology is listed and comes back",
                  differ(topology, dict(client.list(identity("org/kept"))[0].topology))
                  + differ(topology, dict(client.get_metadata(key, "kept0001").worker.topology)))
    # What a newer client may send: a field of each kind that nobody here knows.
    unknown = bytes([0xF2, 0x3F, 3]) + b"new" + bytes([0xF8, 0x3F, 42])
    told = worker()
    told.MergeFromString(unknown)
    named = identity("org/unknown")
    named.MergeFromString(unknown)
    key = client.publish_metadata(named, told, "kept0002")
    found = client.get_metadata(key, "kept0002")
    outcome.check("fields that nobody here knows come back", differ(told.SerializeToString(deterministic=True),
                  found.worker.SerializeToString(deterministic=True))
                  + differ(named.SerializeToString(deterministic=True), found.identity.SerializeToString(deterministic=True)))
    odd = identity("org/odd", mx_source_type=42, backend_framework=99)
    key = client.publish_metadata(odd, worker(status=55, updated_at=-3), "kept0003")
    found = client.get_metadata(key, "kept0003")
    outcome.check("values of enumerations that nobody here knows come back",
                  differ((42, 99), (found.identity.mx_source_type, found.identity.backend_framework))
                  + differ((55, -3), (found.worker.status, found.worker.updated_at)))
    artifact = worker(artifact_source=messages.ArtifactSourceMetadata(artifact_id="sha", total_size=5, node_rank=2))
    key = client.publish_metadata(identity("org/artifact"), artifact, "kept0004")
    outcome.check("an artifact source comes back", differ(artifact, client.get_metadata(key, "kept0004").worker))
    name = "org/模型-É"
    key = client.publish_metadata(identity(name, mx_version="0.5.0", tensor_parallel_size=8, pipeline_parallel_size=1),
                                  worker(), "kept0005")
    outcome.check("a name that isn't ASCII has the identifier of public servers", differ("4759d84cc9b94812", key)
                  + differ([name], [one.model_name for one in client.list(identity(
                      name, mx_version="0.5.0", tensor_parallel_size=8, pipeline_parallel_size=1))]))


def tensors(count, name="model.layers.{}.mlp.experts.{}.down_proj.weight"):
    return [messages.TensorDescriptor(name=name.format(index // 256, index % 256), addr=0x7F00_0000_0000 + index * 4096,
                                      size=4096 + index, device_id=index % 8, dtype="torch.bfloat16") for index in range(count)]


def large(outcome, client):
    described = tensors(60_000)
    both = worker(worker_grpc_endpoint="", metadata_endpoint="", nixl_metadata=b"agent" * 100, tensors=described,
                  tensor_source=messages.TensorSourceMetadata(tensors=described))
    start = time.monotonic()
    key = client.publish_metadata(identity("org/large"), both, "large001")
    published = time.monotonic() - start
    found = client.get_metadata(key, "large001")
    tell(f"        60,000 tensors in both places, {both.ByteSize() / 1e6:.1f} MB: published in {published:.2f} s, "
         f"read in {time.monotonic() - start - published:.2f} s")
    outcome.check("60,000 tensors in central mode come back, in both places", differ(True, found.worker == both, "equality"))
    for name, fields in (("the older place", {"tensors": described[:100]}),
                         ("the newer place", {"tensor_source": messages.TensorSourceMetadata(tensors=described[:100])})):
        client.publish_metadata(identity("org/large"), worker(**fields), "large002")
        found = client.get_metadata(key, "large002").worker
        outcome.check(f"tensors in {name} alone come back in both",
                      differ((100, 100), (len(found.tensors), len(found.tensor_source.tensors))))
    blob = worker(nixl_metadata=b"\x5a" * (MESSAGE_LIMIT - 4096))
    start = time.monotonic()
    client.publish_metadata(identity("org/blob"), blob, "large003")
    found = client.get_metadata(client.list(identity("org/blob"))[0].mx_source_id, "large003")
    tell(f"        nearly 100 MiB there and back in {time.monotonic() - start:.2f} s")
    outcome.check("a message of nearly 100 MiB goes there and back", differ(True, found.worker == blob, "equality"))
    for name in ("large001", "large002"):
        client.update_status(key, name, 0, STALE)


def health(outcome, server):
    """By hand: the public client has no stubs for it."""
    channel = grpc.insecure_channel(server.address)
    check = channel.unary_unary("/grpc.health.v1.Health/Check", request_serializer=bytes, response_deserializer=bytes)
    named = lambda name: bytes([0x0A, len(name)]) + name.encode() if name else b""
    serving = bytes([0x08, 1])
    for name in ("", "model_express.p2p.P2pService"):
        outcome.check(f"health of '{name}' is SERVING", differ(serving, check(named(name), timeout=10)))
    try:
        check(named("nobody"), timeout=10)
        outcome.check("health of a stranger", ["it was answered"])
    except grpc.RpcError as error:
        outcome.check("health of a stranger is NOT_FOUND", differ(grpc.StatusCode.NOT_FOUND, error.code()))
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch", request_serializer=bytes, response_deserializer=bytes)
    stream = watch(b"", timeout=60)
    outcome.check("a watch begins with SERVING", differ(serving, next(stream)))
    other = channel.unary_unary("/model_express.model.ModelService/EnsureModelDownloaded", request_serializer=bytes,
                                response_deserializer=bytes)
    try:
        other(b"", timeout=10)
        outcome.check("a service that isn't here", ["it was answered"])
    except grpc.RpcError as error:
        outcome.check("a service that isn't here is UNIMPLEMENTED", differ(grpc.StatusCode.UNIMPLEMENTED, error.code()))
    return stream


def figures(outcome, rig, server, client):
    workers = sum(value for name, value in all_series(server).items() if name.startswith("modelexpress_grpc_pool_workers"))
    outcome.check("the metrics count the pool", differ(float(len(client.list())), workers, "workers"))
    import json
    import urllib.request
    port = rig.logged_number(server, "http.port")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/overview", timeout=20) as answer:
        pool = json.loads(answer.read())["pool"]
    outcome.check("the overview counts the pool", differ(True, pool["is_present"]) + differ(server.port, pool["port"])
                  + differ(int(workers), pool["workers"]) + differ(False, pool["asks_callers"]))


def all_series(server):
    from harness.figures import series
    return series(server)


def port_taken(outcome, rig):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        flags = ["--redis-url", rig.redis.url, "--bootstrap-port", "0", "--grpc-port", str(port)]
        server = rig._start("modelexpress-server", "taken", "server.sock", flags)
        code = server.process.wait(timeout=60)
        words = server.last_words()
        outcome.check("a port that is taken ends the server with a sentence that says what to do",
                      differ(True, code != 0) + ([] if f"gRPC port {port}" in words and "--grpc-port" in words else [words]))


def main():
    outcome = Outcome()
    with Rig(options().programs) as rig:
        server = rig.server()
        client = Client(server)
        publishing(outcome, client)
        refusals(outcome, client)
        filters(outcome, client)
        kept(outcome, client)
        large(outcome, client)
        stream = health(outcome, server)
        figures(outcome, rig, server, client)
        port_taken(outcome, rig)
        words = open(server.log).read()
        outcome.check("without authentication the server says so loudly",
                      [] if "ANYBODY who reaches the gRPC port" in words else [words[:500]])
        server.process.terminate()
        outcome.check("who watches the health is told that the server leaves", differ(bytes([0x08, 2]), next(stream)))
        outcome.check("SIGTERM ends it in order", differ(0, server.process.wait(timeout=20)))
    finish(outcome)


if __name__ == "__main__":
    main()
