"""What becomes of workers: silence, a store that loses everything, a store that is away, and two servers on one store."""

import grpc
import time

from rig import READY, STALE, Client, Rig, code_of, differ, finish, identity, messages, options, worker

from harness.local_socket import eventually
from harness.outcome import Outcome
from modelexpress.metadata.publisher import PublisherThread

# Of the servers under test, seconds.
HEARTBEAT = 3
FORGET = 4
# Of the publishers, seconds.
INTERVAL = 1
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def publisher(client, name, model="org/alive", rank=0):
    """The public client's own thread, which publishes and sends heartbeats."""
    def publish():
        return client.publish_metadata(identity(model), worker(rank), name)
    thread = PublisherThread(client, worker_id=name, worker_rank=rank, publish_fn=publish, interval_secs=INTERVAL)
    thread.start()
    return thread


def ready(client, **fields):
    try:
        return sorted(client.names(status_filter=READY, **fields))
    except grpc.RpcError as error:
        return error.code()


def silence(outcome, client):
    living = publisher(client, "living")
    key = client.publish_metadata(identity("org/never"), worker(), "never")
    other = client.publish_metadata(identity("org/gone"), worker(), "gone")
    client.update_status(other, "gone", 0, READY)
    start = time.monotonic()
    eventually("both are ready", 20, lambda: ready(client) == ["gone", "living"])
    eventually("the silent one is not ready", 20, lambda: ready(client) == ["living"])
    took = time.monotonic() - start
    outcome.check("a worker that fell silent is not ready after the time-out",
                  [] if took > HEARTBEAT - 1 else [f"after {took:.1f} s"])
    states = {one.worker_id: client.get_metadata(one.mx_source_id, one.worker_id).worker.status for one in client.list()}
    outcome.check("silent workers are stale, one that never was ready too",
                  differ(STALE, states.get("gone"), "gone") + differ(STALE, states.get("never"), "never"))
    eventually("they are forgotten", 30, lambda: client.names() == ["living"])
    outcome.check("stale workers are forgotten, one that never was ready too",
                  differ(False, client.get_metadata(key, "never").found))
    outcome.check("a forgotten worker is told to publish again", differ(False, client.update_status(other, "gone", 0, READY)))
    living.stop()
    outcome.check("a publisher that stops is stale", differ([], ready(client)) + differ(["living"], client.names(status_filter=STALE)))


def flushed(outcome, rig, server, client):
    """Redis loses everything while the server lives: nobody notices, and it gets everything again."""
    threads = [publisher(client, f"kept{index}") for index in range(3)]
    expected = [f"kept{index}" for index in range(3)]
    eventually("they are ready", 20, lambda: ready(client) == expected)
    eventually("Redis has them", 20, lambda: len(pool_keys(rig)) >= 3)
    rig.redis.command("FLUSHALL")
    gaps = []
    for _ in range(20):
        if ready(client) != expected:
            gaps.append(str(ready(client)))
        time.sleep(0.1)
    outcome.check("Redis is flushed, and no source vanishes", gaps)
    eventually("Redis has them again", 40, lambda: len(pool_keys(rig)) >= 3)
    outcome.check("Redis gets everything again", [])
    return threads, expected


def pool_keys(rig):
    return [line for line in rig.redis.command("KEYS", "modelexpress:*:v1:p:*").splitlines() if line]


def restarted(outcome, rig, server, client, threads, expected):
    """Server and store both start from nothing: the sources publish again by themselves."""
    port = server.port
    server.kill()
    rig.redis.command("FLUSHALL")
    rig.peers.remove(server)
    server = rig.server("server", grpc_port=port)
    start = time.monotonic()
    eventually("the sources are listed again", 60, lambda: ready(client) == expected)
    outcome.check("after a lost store and a restart the public client's sources are listed again without being restarted", [])
    from harness.outcome import tell
    tell(f"        after {time.monotonic() - start:.1f} s, with heartbeats each {INTERVAL} s")
    # And a restart alone: Redis brings them back at once.
    eventually("Redis has them", 20, lambda: len(pool_keys(rig)) >= 3)
    server.kill()
    rig.peers.remove(server)
    server = rig.server("server", grpc_port=port)
    eventually("they are read from Redis", 20, lambda: ready(client) == expected)
    outcome.check("after a restart alone they are read from Redis", [])
    for thread in threads:
        thread.stop()
    return server


def two_servers(outcome, rig, server, client):
    second = rig.server("second", peers=[server.bootstrap])
    other = Client(second)
    key = client.publish_metadata(identity("org/two"), worker(topology={"rack": "1"}), "two00001")
    outcome.check("what one server took, another answers at once",
                  differ(["two00001"], other.names(identity("org/two")))
                  + differ({"rack": "1"}, dict(other.get_metadata(key, "two00001").worker.topology)))
    outcome.check("a worker's heartbeat may go to another server", differ(True, other.update_status(key, "two00001", 0, READY, 0.25)))
    eventually("the first hears of it", 20, lambda: client.names(identity("org/two"), status_filter=READY) == ["two00001"])
    outcome.check("and its load comes along", differ(0.25, client.list(identity("org/two"))[0].source_load))
    for _ in range(HEARTBEAT * 2):
        other.update_status(key, "two00001", 0, READY)
        time.sleep(1)
    outcome.check("heartbeats at one server keep it ready at the other",
                  differ(["two00001"], client.names(identity("org/two"), status_filter=READY)))
    second.kill()
    rig.peers.remove(second)


def away(outcome, rig, server, client):
    key = client.publish_metadata(identity("org/away"), worker(), "away0001")
    client.update_status(key, "away0001", 0, READY)
    threads = [publisher(client, "away0002", "org/away")]
    eventually("both are there", 20, lambda: len(client.names(identity("org/away"))) == 2)
    rig.redis.kill()
    eventually("the server notices", 20, lambda: code_of(lambda: client.list(identity("org/nobody"))) == UNAVAILABLE)
    outcome.check("Redis away: a listing that would be empty is UNAVAILABLE", [])
    outcome.check("Redis away: metadata that aren't known are UNAVAILABLE",
                  differ(UNAVAILABLE, code_of(lambda: client.get_metadata("feedfeedfeedfeed", "nobody"))))
    outcome.check("Redis away: what is known is answered", differ(["away0002"], ready(client, model_name_filter="org/away")[-1:])
                  + differ(True, client.get_metadata(key, "away0001").found))
    fresh = client.publish_metadata(identity("org/fresh"), worker(), "fresh001")
    outcome.check("Redis away: publishing and heartbeats are taken", differ(True, client.update_status(fresh, "fresh001", 0, READY))
                  + differ(["fresh001"], client.names(identity("org/fresh"), status_filter=READY)))
    outcome.check("Redis away: an unknown worker is told to publish again",
                  differ(False, client.update_status(fresh, "nobody", 0, READY)))
    # A server that starts now has never read the store.
    starting = rig.server("starting")
    late = Client(starting)
    outcome.check("a server that starts without Redis doesn't say that there is nothing",
                  differ(UNAVAILABLE, code_of(lambda: late.list())))
    key = late.publish_metadata(identity("org/late"), worker(), "late0001")
    outcome.check("it serves from memory what it is told", differ(["late0001"], late.names(identity("org/late"))))
    rig.redis.start()
    eventually("the first is back", 30, lambda: code_of(lambda: client.list(identity("org/nobody"))) is None)
    eventually("each has what the other was told", 30,
               lambda: client.names(identity("org/late")) and late.names(identity("org/fresh")))
    outcome.check("Redis is back: each server has what both were told meanwhile", [])
    for thread in threads:
        thread.stop()
    starting.kill()
    rig.peers.remove(starting)


def ends(outcome, rig, server, client):
    """SIGTERM right after a change: nothing is lost."""
    keys = [client.publish_metadata(identity("org/last"), worker(index), f"last{index:04}") for index in range(200)]
    for index, key in enumerate(keys):
        client.update_status(key, f"last{index:04}", index, READY)
    server.process.terminate()
    outcome.check("SIGTERM ends it in order", differ(0, server.process.wait(timeout=20)))
    server.ended_at = time.monotonic()
    server.local.close()
    rig.peers.remove(server)
    server = rig.server("server", grpc_port=server.port)
    found = client.names(identity("org/last"), status_filter=READY)
    outcome.check("nothing is lost that was said before SIGTERM", differ(200, len(found), "workers"))


def main():
    outcome = Outcome()
    settings = {"MX_HEARTBEAT_TIMEOUT_SECS": str(HEARTBEAT), "MX_GC_TIMEOUT_SECS": str(FORGET), "MX_REAPER_SCAN_INTERVAL_SECS": "1"}
    with Rig(options().programs, **settings) as rig:
        server = rig.server()
        client = Client(server)
        silence(outcome, client)
        threads, expected = flushed(outcome, rig, server, client)
        server = restarted(outcome, rig, server, client, threads, expected)
        two_servers(outcome, rig, server, client)
        away(outcome, rig, server, client)
    with Rig(options().programs) as rig:
        server = rig.server()
        ends(outcome, rig, server, Client(server))
    finish(outcome)


if __name__ == "__main__":
    main()
