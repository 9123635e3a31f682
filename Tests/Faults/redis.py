"""A real Redis that dies, stalls, loses everything, comes back from an old copy, fills up, turns read-only and answers slowly under
a real server, then two servers on one Redis with thousands of publishers: what lives is never lost, no half record is seen, nothing
dead comes back, and the server says which state it is in."""

import argparse
import json
import os
import random
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

from harness.cluster import Cluster
from harness.load import MeshLoad
from harness.local_socket import Unanswered, eventually
from harness.outcome import Outcome, tell
from harness.redis_server import Redis

# Seconds in which a change of state must show.
STATE_LIMIT = 30
# Seconds until Redis holds again what the mesh does.
REFILL_LIMIT = 45
PUBLISHERS = 200
RECORDS = 3
# The term of what the load says, seconds; its word ends after term and skew.
TERM = 8
SKEW = 5


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="folder of the built programs")
    parser.add_argument("--long", action="store_true", help="2,000 publishers, a minute without Redis, ten kills")
    return parser.parse_args()


class Face:
    """What a server says over HTTP."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}"

    def get(self, path):
        try:
            with urllib.request.urlopen(self.base + path, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def ready(self):
        """(status, state)."""
        status, body = self.get("/readyz")
        return status, json.loads(body)["state"] if body else ""

    def names(self, part):
        status, body = self.get(f"/api/v1/{part}")
        if status != 200:
            return None
        rows = json.loads(body).get(part) or []
        return {row["peer"] if part == "peers" else f"{row['peer']} {row['model']}" for row in rows}

    def overview(self):
        return json.loads(self.get("/api/v1/overview")[1])


def server(cluster, redis, name="server", peers=(), port=0):
    peer = cluster.start_redis_server(name, redis.url, peers, port)
    peer.await_start()
    peer.face = Face(eventually(f"{name} names its HTTP port", 30, lambda: cluster.logged_number(peer, "http.port")))
    return peer


def await_state(outcome, face, state, status, what):
    try:
        eventually(f"{what}: {state}", STATE_LIMIT, lambda: face.ready() == (status, state))
        outcome.check(f"{what}: /readyz is {status} and says {state}", [])
        return True
    except Unanswered as error:
        outcome.check(f"{what}: /readyz is {status} and says {state}", [f"{error}; it is {face.ready()}"])
        return False


def await_whole(outcome, redis, face, what):
    """Redis holds every record of every living peer again, and no half record."""
    wanted, problems = None, []

    def is_whole():
        nonlocal wanted, problems
        wanted = face.names("peers")
        problems = redis.broken() + [f"peer {peer[:12]} is not in Redis" for peer in (wanted or {""}) - redis.owners()]
        return wanted and not problems

    try:
        eventually(what, REFILL_LIMIT, is_whole, pause=0.5)
    except Unanswered:
        pass
    outcome.check(f"{what}: Redis holds all {len(wanted or [])} living peers again, and no half record", problems)


def nothing_lost(outcome, face, before, what):
    """What the server lists from memory is what it listed before."""
    now = face.names("peers")
    lost = before - (now or set())
    outcome.check(f"{what}: the server lists all {len(before)} peers from memory", [f"{peer[:12]} is lost" for peer in lost])


def faults(chosen, cluster, outcome):
    """One server, one Redis, living publishers."""
    redis = Redis(f"{cluster.folder}/redis")
    redis.start()
    peer = server(cluster, redis)
    face = peer.face
    outcome.check("a server that has just started is warming, and not ready", [f"{face.ready()}"] * (face.ready() != (503, "warming")))
    load = MeshLoad(cluster, [peer.bootstrap], PUBLISHERS, RECORDS, seconds=600, term=TERM)
    try:
        eventually("all publishers are listed", 60, lambda: len(face.names("peers") or []) >= PUBLISHERS + 1)
        await_state(outcome, face, "ok", 200, "with Redis")
        await_whole(outcome, redis, face, "at first")
        known = face.names("peers") - {peer.id} - face_couriers(face)

        # Killed in the middle of writes: they never stop.
        for _ in range(3):
            redis.kill()
            await_state(outcome, face, "degraded", 200, "Redis was killed")
            nothing_lost(outcome, face, known, "Redis was killed")
            redis.start()
            await_state(outcome, face, "ok", 200, "Redis is back")
        await_whole(outcome, redis, face, "after SIGKILL")

        away = 60 if chosen.long else 6
        redis.pause()
        await_state(outcome, face, "degraded", 200, "Redis is stopped")
        time.sleep(away)
        nothing_lost(outcome, face, known, f"{away} s without Redis")
        redis.resume()
        await_state(outcome, face, "ok", 200, "Redis goes on")
        await_whole(outcome, redis, face, f"after {away} s")

        redis.kill()
        redis.empty()
        redis.start()
        await_state(outcome, face, "ok", 200, "Redis started empty")
        await_whole(outcome, redis, face, "after an empty start")

        redis.command("FLUSHALL")
        await_whole(outcome, redis, face, "after FLUSHALL under a connection that stands")

        # An old copy: what died since must not come back, what lives must.
        copy = redis.copy()
        extra = MeshLoad(cluster, [peer.bootstrap], 20, 1, seconds=600, term=TERM)
        eventually("more publishers", 30, lambda: len(face.names("peers") or []) >= PUBLISHERS + 20)
        dead = face.names("peers") - known
        extra.stop()
        time.sleep(TERM + SKEW + 2)
        redis.kill()
        redis.restore(copy)
        redis.start()
        await_state(outcome, face, "ok", 200, "Redis is back from an old copy")
        await_whole(outcome, redis, face, "from an old copy")
        back = (face.names("peers") or set()) & (dead - {peer.id} - face_couriers(face))
        outcome.check("nothing dead came back from it", [f"{one[:12]} is listed" for one in back])

        redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        redis.command("CONFIG", "SET", "maxmemory", "1mb")
        await_state(outcome, face, "degraded", 200, "Redis is out of memory")
        reasons = " ".join(face.overview()["server"]["reasons"])
        outcome.check("the server says that its memory is full", [reasons] * ("OOM" not in reasons))
        redis.command("CONFIG", "SET", "maxmemory", "0")
        await_state(outcome, face, "ok", 200, "Redis has room")
        await_whole(outcome, redis, face, "after its memory was full")

        redis.command("REPLICAOF", "127.0.0.1", "1")
        await_state(outcome, face, "degraded", 200, "Redis is read-only")
        redis.command("REPLICAOF", "NO", "ONE")
        await_state(outcome, face, "ok", 200, "Redis takes writes")
        await_whole(outcome, redis, face, "after it was read-only")

        # Each command late by less than the time-out: slow, and still a store.
        slow = threading.Event()
        pausing = threading.Thread(target=pause_again_and_again, args=(redis, slow))
        pausing.start()
        time.sleep(8)
        slow.set()
        pausing.join()
        await_state(outcome, face, "ok", 200, "Redis was slow")
        await_whole(outcome, redis, face, "after it was slow")
        problems = [f"ended with {peer.process.poll()}"] if peer.process.poll() is not None else []
        outcome.check("the server lived through all of it", problems)

        # The server dies with Redis, which comes back from the copy: the mesh knows better than both.
        peer.kill()
        redis.kill()
        redis.restore(copy)
        redis.start()
        back = server(cluster, redis, "server2", port=int(peer.bootstrap.rsplit(":", 1)[1]))
        outcome.check("a server that is back is warming", [f"{back.face.ready()}"] * (back.face.ready()[1] != "warming"))
        eventually("the publishers are listed again", 60, lambda: known <= (back.face.names("peers") or set()))
        await_state(outcome, back.face, "ok", 200, "back from an old copy")
        risen = (back.face.names("peers") or set()) & (dead - known - face_couriers(back.face))
        outcome.check("nothing dead rose from the old copy", [one[:12] for one in risen])
        start = time.monotonic()
        back.process.send_signal(signal.SIGTERM)
        code = back.process.wait(timeout=10)
        back.ended_at = time.monotonic()
        tell(f"SIGTERM to exit: {back.ended_at - start:.2f} s, code {code}")
        outcome.check("SIGTERM ends the server within 5 s", [f"{code}"] * (code != 0 or back.ended_at - start > 5))
    finally:
        load.stop()
        redis.kill()


def face_couriers(face):
    """The load's own channels: they are peers, and come and go."""
    rows = json.loads(face.get("/api/v1/peers")[1]).get("peers") or []
    return {row["peer"] for row in rows if row["name"] == "load"}


def pause_again_and_again(redis, ended):
    while not ended.is_set():
        redis.command("CLIENT", "PAUSE", "700")
        time.sleep(0.9)


def together(chosen, cluster, outcome):
    """Two servers on one Redis, thousands of publishers, random kills: both hold the same at the end."""
    count = 2_000 if chosen.long else 500
    redis = Redis(f"{cluster.folder}/redis-shared")
    redis.start()
    servers = [server(cluster, redis, "one")]
    servers.append(server(cluster, redis, "two", peers=[servers[0].bootstrap]))
    ports = [int(one.bootstrap.rsplit(":", 1)[1]) for one in servers]
    living_file = f"{cluster.folder}/living"
    load = MeshLoad(
        cluster, [one.bootstrap for one in servers], count, 1, seconds=900, term=20, beacon=5, stop_share=30,
        stop_after=25, living=living_file)
    dice = random.Random(7)
    try:
        eventually("both list the publishers", 90, lambda: all(len(one.face.names("peers") or []) > count * 0.6 for one in servers))
        victims = ["redis", "one", "two"] + [dice.choice(["one", "two", "redis"]) for _ in range(7 if chosen.long else 1)]
        for victim in victims:
            if victim == "redis":
                redis.kill()
                time.sleep(dice.uniform(0.1, 3))
                redis.start()
            else:
                index = 0 if victim == "one" else 1
                servers[index].kill()
                time.sleep(dice.uniform(0.1, 3))
                other = servers[1 - index].bootstrap
                servers[index] = server(cluster, redis, victim, peers=[other], port=ports[index])
            tell(f"killed {victim}")
            time.sleep(dice.uniform(1, 4))
        eventually("the list of living publishers", 60, lambda: os.path.exists(living_file))
        with open(living_file) as file:
            living = set(file.read().split())
        wanted = living | {one.id for one in servers}
        agree_limit = 20 + SKEW + 30

        def views():
            return [(one.face.names("peers") or set()) - face_couriers(one.face) for one in servers]

        def is_equal():
            return all(view == wanted for view in views())

        start = time.monotonic()
        try:
            eventually("both hold the living alone", agree_limit, is_equal, pause=0.5)
            tell(f"both agree on {len(wanted)} peers {time.monotonic() - start:.1f} s after the last kill")
        except Unanswered:
            pass
        outcome.check(
            f"both servers list exactly the {len(living)} living of {count} publishers",
            [f"{one.name}: {len(wanted - view)} missing, {len(view - wanted)} too many" for one, view in zip(servers, views()) if view != wanted])
        sources = [one.face.names("sources") for one in servers]
        outcome.check("both list the same sources", ["they differ"] * (sources[0] != sources[1]))
        outcome.check("no half record is in Redis", redis.broken())
        missing = living - redis.owners()
        outcome.check("every living publisher is in Redis", [f"{len(missing)} are missing"] * bool(missing))
        outcome.check(
            "both servers say ok", [f"{one.name}: {one.face.ready()}" for one in servers if one.face.ready() != (200, "ok")])
    finally:
        load.stop()
        redis.kill()


def embedded(cluster, outcome):
    """SIGKILL of a server with a Redis of its own: no child stays, and the next start finds the data."""
    first = cluster.start_server()
    first.await_start()
    load = MeshLoad(cluster, [first.bootstrap], 50, 1, seconds=120, term=60, beacon=15)
    try:
        eventually("the publishers are known", 60, lambda: len(first.local.ask("peers").get("peers") or []) > 50)
        time.sleep(2)
        children = children_of(first.process.pid)
        outcome.check("the server has one redis-server", [f"{children}"] * (len(children) != 1))
        load.stop()
        first.kill()
        gone = lambda: not any(os.path.exists(f"/proc/{child}") for child in children)
        try:
            eventually("its child is gone", 10, gone)
        except Unanswered:
            pass
        outcome.check("the server's end ends its Redis", [f"{children} live on"] * (not gone()))
        second = cluster.start_server()
        second.await_start()
        try:
            eventually("the data is found", 20, lambda: len(second.local.ask("peers").get("peers") or []) > 50)
            problems = []
        except Unanswered as error:
            problems = [f"{error}"]
        outcome.check("the next start finds what was stored, though nobody comes back", problems)
    finally:
        load.stop()


def children_of(process):
    found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True).stdout
    return [int(line) for line in found.split()]


def main():
    chosen, outcome = options(), Outcome()
    for part in (lambda cluster: faults(chosen, cluster, outcome), lambda cluster: together(chosen, cluster, outcome),
                 lambda cluster: embedded(cluster, outcome)):
        with Cluster(chosen.programs) as cluster:
            try:
                part(cluster)
            except Unanswered as error:
                outcome.check("nothing that is waited for stays away", [f"{error}"])
    outcome.finish()


if __name__ == "__main__":
    main()
