"""What no client sends. Whatever comes is answered or its connection is closed; the server lives, answers others meanwhile, and holds
no more than it may."""

import contextlib
import random
import socket
import time

import grpc
import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
from rig import MESSAGE_LIMIT, READY, Client, Rig, differ, finish, identity, messages, options, stubs, worker

from harness.figures import memory, series
from harness.local_socket import eventually
from harness.outcome import Outcome, tell

SERVICE = "/model_express.p2p.P2pService/"
# What the server under test may hold in calls, and what beside it its memory may grow by, bytes.
HELD = 192 << 20
GROWTH = 700 << 20
STREAMS = 10_000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Raw:
    """A connection that sends frames as it likes."""

    def __init__(self, server, limit=10.0):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=limit)
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(validate_outbound_headers=False, header_encoding=None))
        self.state.initiate_connection()
        self.events = []
        self.is_closed = False
        self.flush()

    def flush(self):
        try:
            self.socket.sendall(self.state.data_to_send())
        except OSError:
            self.is_closed = True

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            self.is_closed = True

    def begin(self, method, end=False, headers=()):
        stream = self.state.get_next_available_stream_id()
        self.state.send_headers(stream, [
            (":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "x"),
            ("content-type", "application/grpc"), ("te", "trailers"), *headers], end_stream=end)
        self.flush()
        return stream

    def read(self, seconds=10.0, until=lambda event: False):
        """Events until one is wanted, the connection ends, or the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.is_closed:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            try:
                data = self.socket.recv(1 << 16)
            except TimeoutError:
                break
            except OSError:
                data = b""
            if not data:
                self.is_closed = True
                break
            try:
                new = self.state.receive_data(data)
            except h2.exceptions.ProtocolError:
                self.is_closed = True
                break
            for event in new:
                if isinstance(event, h2.events.DataReceived):
                    self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            self.flush()
            self.events += new
            if any(until(event) for event in new):
                return True
        return False

    def ended(self, stream, seconds=10.0):
        """How a stream ended: its status, `reset`, `closed`, or nothing in time."""
        def ends(event):
            return (isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)) and event.stream_id == stream
                    or isinstance(event, h2.events.ConnectionTerminated))
        if not any(ends(event) for event in self.events):
            self.read(seconds, ends)
        for event in self.events:
            headers = getattr(event, "headers", None)
            if headers and getattr(event, "stream_id", None) == stream:
                for name, value in headers:
                    if name in (b"grpc-status", "grpc-status"):
                        return int(value)
        for event in self.events:
            if isinstance(event, h2.events.StreamReset) and event.stream_id == stream:
                return "reset"
        closed = self.is_closed or any(isinstance(event, h2.events.ConnectionTerminated) for event in self.events)
        return "closed" if closed else None

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.close()


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def message(payload):
    return b"\0" + len(payload).to_bytes(4, "big") + payload


class Watch:
    """The server, seen by a client that behaves: alive, answering, and of a bounded size."""

    def __init__(self, outcome, server, client):
        self.outcome, self.server, self.client = outcome, server, client
        self.before = memory(server.process.pid)[1]
        self.most = 0

    def look(self, what, problems=()):
        problems = list(problems)
        if self.server.process.poll() is not None:
            problems.append(f"the server ended with {self.server.process.returncode}: {self.server.last_words()[-400:]}")
        else:
            try:
                problems += differ(["steady"], self.client.names(model_name_filter="org/steady"), "what others are told")
            except grpc.RpcError as error:
                problems.append(f"others are answered with {error.code()}")
            self.most = max(self.most, memory(self.server.process.pid)[1] - self.before)
        self.outcome.check(what, problems)


def full_messages():
    """Each request with each of its fields set."""
    described = [messages.TensorDescriptor(name="t", addr=1, size=2, device_id=3, dtype="d")]
    told = messages.WorkerMetadata(
        worker_rank=1, nixl_metadata=b"n", tensors=described, status=2, updated_at=5, metadata_endpoint="m", agent_name="a",
        worker_grpc_endpoint="g", accelerator="c", topology={"k": "v"},
        tensor_source=messages.TensorSourceMetadata(tensors=described))
    named = messages.SourceIdentity(
        mx_version="v", mx_source_type=1, model_name="org/hostile", backend_framework=1, tensor_parallel_size=1,
        pipeline_parallel_size=1, expert_parallel_size=1, dtype="d", quantization="q", extra_parameters={"a": "b"}, revision="r",
        backend_framework_version="b", torch_version="t", cuda_version="c", triton_version="t", gpu_arch="g",
        compile_config_digest="c")
    return {
        "PublishMetadata": messages.PublishMetadataRequest(
            identity=named, worker=told, worker_id="h", pod_name="p", pod_uid="u", pod_namespace="n"),
        "ListSources": messages.ListSourcesRequest(
            identity=named, status_filter=2, model_name_filter="m", worker_rank_filter=1, min_training_step=1, min_updated_at=1,
            limit=1),
        "GetMetadata": messages.GetMetadataRequest(mx_source_id="s", worker_id="w"),
        "UpdateStatus": messages.UpdateStatusRequest(mx_source_id="s", worker_rank=1, status=2, worker_id="w", source_load=0.5),
    }


def lessened(request):
    """The message without each of its fields in turn, at every depth."""
    for field, value in request.ListFields():
        less = type(request)()
        less.CopyFrom(request)
        less.ClearField(field.name)
        yield f"without {field.name}", less
        if field.message_type is not None and not field.is_repeated and not field.message_type.GetOptions().map_entry:
            for name, inner in lessened(value):
                more = type(request)()
                more.CopyFrom(request)
                getattr(more, field.name).CopyFrom(inner)
                yield f"{field.name} {name}", more


def calls_of(server):
    channel = grpc.insecure_channel(server.address, [("grpc.max_send_message_length", -1)])
    return {name: channel.unary_unary(SERVICE + name, request_serializer=bytes, response_deserializer=bytes)
            for name in full_messages()}


def fields(watch, calls):
    count, problems = 0, []
    for name, request in full_messages().items():
        for what, less in lessened(request):
            count += 1
            try:
                calls[name](less.SerializeToString(), timeout=20)
            except grpc.RpcError as error:
                problems.append(f"{name} {what}: {error.code()}")
    watch.look(f"each of {count} requests that lack one field is answered", problems)


def enumerations(watch, calls):
    problems = []
    for number in (-1, 4, 99, 2**31 - 1, -2**31):
        for request in (messages.ListSourcesRequest(status_filter=number),
                        messages.ListSourcesRequest(identity=identity(mx_source_type=number, backend_framework=number))):
            calls["ListSources"](request.SerializeToString(), timeout=20)
        answer = messages.UpdateStatusResponse.FromString(calls["UpdateStatus"](messages.UpdateStatusRequest(
            mx_source_id="s", worker_id="w", status=number).SerializeToString(), timeout=20))
        problems += differ(f"invalid status value: {number}", answer.message)
    watch.look("numbers that no enumeration has are answered", problems)


def garbage(watch, calls):
    """Requests with bytes changed, cut, doubled; texts that are no UTF-8; depth without end."""
    generator = random.Random(11)
    outcomes = {}
    for _ in range(150):
        for name, request in full_messages().items():
            data = bytearray(request.SerializeToString())
            for _ in range(generator.randint(1, 4)):
                place = generator.randrange(len(data))
                kind = generator.randrange(3)
                if kind == 0:
                    data[place] = generator.randrange(256)
                elif kind == 1:
                    del data[place:place + generator.randint(1, 8)]
                else:
                    data[place:place] = generator.randbytes(generator.randint(1, 8))
                data = data or bytearray(b"\xff")
            try:
                calls[name](bytes(data), timeout=20)
                code = "answered"
            except grpc.RpcError as error:
                code = error.code().name
            outcomes[code] = outcomes.get(code, 0) + 1
    deep = b""
    for _ in range(5_000):
        deep = b"\x12" + varint(len(deep)) + deep
    for data in (deep, b"\x1a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f", b"\xff" * 64):
        with contextlib.suppress(grpc.RpcError):
            calls["PublishMetadata"](data, timeout=20)
    tell(f"        {outcomes}")
    watch.look("600 broken requests are answered or refused",
               [code for code in outcomes if code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")])


def varint(number):
    data = b""
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def oversized(watch, server, calls):
    try:
        calls["PublishMetadata"](b"\x22" + varint(MESSAGE_LIMIT) + bytes(MESSAGE_LIMIT), timeout=60)
        status = "it was answered"
    except grpc.RpcError as error:
        status = error.code()
    watch.look("a message over 100 MiB is RESOURCE_EXHAUSTED", differ(grpc.StatusCode.RESOURCE_EXHAUSTED, status))
    raw = Raw(server)
    stream = raw.begin(SERVICE + "PublishMetadata")
    raw.state.send_data(stream, b"\0\xff\xff\xff\xffabc")
    raw.flush()
    watch.look("a message that claims 4 GiB ends its call at once", differ(False, raw.ended(stream) is None, "left open"))
    raw.close()
    client = Client(server)
    long = refusal(lambda: client.publish_metadata(identity("m" * 20_000), worker(), "long"))
    client.publish_metadata(identity("org/steady2"), worker(), "w" * 200)
    watch.look("an identity that is too long is refused in the answer", [] if "identity has" in long else [long])


def refusal(call):
    try:
        call()
        return "it was taken"
    except RuntimeError as error:
        return str(error)


def held(watch, server):
    """Calls that send almost all of a large message and then nothing: what they hold is bounded."""
    piece = bytes(1 << 14)
    raws, sent, ended = [], 0, 0
    for _ in range(8):
        raw = Raw(server)
        raws.append(raw)
        stream = raw.begin(SERVICE + "PublishMetadata")
        raw.state.send_data(stream, b"\0" + (60 << 20).to_bytes(4, "big"))
        raw.flush()
        total = 0
        while total < 59 << 20 and not raw.is_closed and raw.ended(stream, 0.0) is None:
            room = raw.state.local_flow_control_window(stream) if raw.ended(stream, 0.0) is None else 0
            if room < len(piece):
                raw.read(5.0, lambda event: isinstance(event, (h2.events.WindowUpdated, h2.events.StreamReset)))
                continue
            while room >= len(piece) and total < 59 << 20:
                raw.state.send_data(stream, piece)
                room -= len(piece)
                total += len(piece)
            raw.flush()
        sent += total
        ended += raw.ended(stream, 0.2) is not None
    tell(f"        {sent >> 20} MiB sent in 8 calls, {ended} of them ended by the server, which holds "
         f"{int(series(server)['modelexpress_grpc_held_bytes']) >> 20} MiB")
    watch.look("calls hold no more together than they may", ([] if ended >= 4 else [f"{ended} were ended"])
               + ([] if series(server)["modelexpress_grpc_held_bytes"] <= HELD + (2 << 20) else ["more is held"]))
    for raw in raws:
        raw.close()
    eventually("what they held is free", 20, lambda: series(server)["modelexpress_grpc_held_bytes"] == 0)


def unread(watch, server, client):
    """Answers that nobody reads."""
    key = client.publish_metadata(identity("org/blob"), worker(nixl_metadata=bytes(20 << 20)), "blob")
    request = message(messages.GetMetadataRequest(mx_source_id=key, worker_id="blob").SerializeToString())
    raws = []
    for _ in range(30):
        raw = Raw(server)
        raws.append(raw)
        stream = raw.begin(SERVICE + "GetMetadata")
        raw.state.send_data(stream, request, end_stream=True)
        raw.flush()
    most = 0
    for _ in range(20):
        most = max(most, series(server)["modelexpress_grpc_held_bytes"])
        time.sleep(0.1)
    tell(f"        30 answers of 20 MiB that nobody reads: {int(most) >> 20} MiB held at most")
    watch.look("answers that nobody reads hold no more than they may", [] if most <= HELD + (21 << 20) else [f"{most} bytes"])
    for raw in raws:
        raw.close()
    eventually("what they held is free", 20, lambda: series(server)["modelexpress_grpc_held_bytes"] == 0)


def literal(name, value):
    """A header as HPACK has it, without a table and uncompressed."""
    def text(data):
        if len(data) < 127:
            return bytes([len(data)]) + data
        return b"\x7f" + varint(len(data) - 127) + data
    return b"\0" + text(name) + text(value)


def headers(watch, server):
    call = b"\x83\x86" + literal(b":path", (SERVICE + "ListSources").encode()) + literal(b"content-type", b"application/grpc")
    for name, extra in (("one header of 1 MiB", literal(b"x-long", b"y" * (1 << 20))),
                        ("10,000 headers", b"".join(literal(b"x-%d" % index, b"y" * 20) for index in range(10_000)))):
        raw = Raw(server)
        block = call + extra
        pieces = [block[start:start + (1 << 14)] for start in range(0, len(block), 1 << 14)]
        raw.send(frame(1, 1, 1, pieces[0]))
        for piece in pieces[1:-1]:
            raw.send(frame(9, 0, 1, piece))
        raw.send(frame(9, 4, 1, pieces[-1]))
        raw.read(10.0, lambda event: isinstance(event, (h2.events.ConnectionTerminated, h2.events.StreamReset,
                                                        h2.events.StreamEnded)))
        ended = raw.is_closed or any(isinstance(event, (h2.events.ConnectionTerminated, h2.events.StreamReset,
                                                        h2.events.StreamEnded)) for event in raw.events)
        watch.look(f"{name}: an answer or an end", differ(True, ended, "an end"))
        raw.close()
    raw = Raw(server)
    # A block of headers that goes on and on.
    raw.send(frame(1, 0, 1, b"\x82\x86\x84"))
    start = time.monotonic()
    for _ in range(200_000):
        raw.send(frame(9, 0, 1, b"\x00\x01a\x01b" * 10))
        if raw.is_closed or time.monotonic() - start > 20:
            break
    raw.read(2.0)
    watch.look("headers without an end: the connection is closed", differ(True, raw.is_closed, "closed"))
    raw.close()


def floods(watch, server):
    for name, data, count in (
        ("PING", frame(6, 0, 0, bytes(8)), 100_000), ("SETTINGS", frame(4, 0, 0, b""), 100_000),
        ("empty DATA", frame(0, 0, 1, b""), 100_000), ("WINDOW_UPDATE of 0", frame(8, 0, 0, bytes(4)), 1),
        ("PRIORITY", frame(2, 0, 1, bytes(5)), 100_000), ("an unknown kind", frame(200, 0, 0, b"x" * 100), 20_000),
    ):
        raw = Raw(server)
        if name == "empty DATA":
            raw.begin(SERVICE + "ListSources")
        start = time.monotonic()
        for _ in range(count // 100 or 1):
            raw.send(data * min(count, 100))
            if raw.is_closed or time.monotonic() - start > 10:
                break
        raw.read(0.5)
        watch.look(f"a flood of {name} frames", [])
        raw.close()
    raw = Raw(server)
    with contextlib.suppress(h2.exceptions.ProtocolError):
        for _ in range(3_000):
            stream = raw.begin(SERVICE + "ListSources")
            raw.state.reset_stream(stream)
            raw.flush()
            if raw.is_closed:
                break
    watch.look("streams that are begun and reset at once", [])
    raw.close()
    for name, data in (("HTTP/1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("bytes of no protocol", bytes(range(256)) * 64),
                       ("half a preface", PREFACE[:12]), ("a frame of 16 MB", PREFACE + b"\xff\xff\xff\0\0\0\0\0\0")):
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=3)
        with contextlib.suppress(OSError):
            raw.sendall(data)
            raw.recv(100)
        watch.look(f"{name} instead of HTTP/2", [])
        raw.close()


def streams(watch, server):
    """10,000 calls that are begun and never ended, over as many connections as that takes; then as many on one connection."""
    raws, open_streams = [], 0
    while open_streams < STREAMS and len(raws) < 60:
        raw = Raw(server)
        raws.append(raw)
        raw.read(5.0, lambda event: isinstance(event, h2.events.RemoteSettingsChanged))
        for _ in range(256):
            stream = raw.state.get_next_available_stream_id()
            raw.state.send_headers(stream, [
                (":method", "POST"), (":scheme", "http"), (":path", SERVICE + "ListSources"), (":authority", "x"),
                ("content-type", "application/grpc"), ("te", "trailers")])
            open_streams += 1
        raw.flush()
    eventually("they are open", 60, lambda: series(server)["modelexpress_grpc_streams"] >= STREAMS)
    size = memory(server.process.pid)[1] - watch.before
    tell(f"        {open_streams} open streams on {len(raws)} connections: {size >> 20} MiB more than at the start")
    watch.look("10,000 open streams, and others are answered", [])
    for raw in raws:
        raw.close()
    eventually("they are gone", 30, lambda: series(server)["modelexpress_grpc_streams"] < 10)
    watch.look("they are forgotten when their connections end", [])
    raw = Raw(server)
    raw.read(5.0, lambda event: isinstance(event, h2.events.RemoteSettingsChanged))
    block = bytes(raw.state.encoder.encode([
        (":method", "POST"), (":scheme", "http"), (":path", SERVICE + "ListSources"), (":authority", "x"),
        ("content-type", "application/grpc"), ("te", "trailers")]))
    for index in range(STREAMS):
        raw.send(frame(1, 4, 2 * index + 1, block))
        if raw.is_closed:
            break
    raw.read(1.0)
    many = series(server)["modelexpress_grpc_streams"]
    watch.look("one connection has no more streams than it may", [] if many <= 260 else [f"{many}"])
    raw.close()


def main():
    outcome = Outcome()
    with Rig(options().programs, MX_GRPC_HELD_BYTES=str(HELD)) as rig:
        server = rig.server()
        client = Client(server)
        key = client.publish_metadata(identity("org/steady"), worker(), "steady")
        client.update_status(key, "steady", 0, READY)
        calls = calls_of(server)
        watch = Watch(outcome, server, client)
        fields(watch, calls)
        enumerations(watch, calls)
        garbage(watch, calls)
        headers(watch, server)
        floods(watch, server)
        streams(watch, server)
        oversized(watch, server, calls)
        held(watch, server)
        unread(watch, server, client)
        tell(f"        the server's memory grew by {watch.most >> 20} MiB at most")
        outcome.check("its memory is bounded", [] if watch.most < GROWTH else [f"{watch.most >> 20} MiB"])
        server.process.terminate()
        outcome.check("after all that SIGTERM ends it in order", differ(0, server.process.wait(timeout=20)))
    finish(outcome)


if __name__ == "__main__":
    main()
