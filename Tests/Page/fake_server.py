"""A server with a large mesh that isn't there: the page's own files, and an overview that is made up, filtered and cut here."""

import http.server
import json
import os
import random
import socketserver
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FILES = os.path.join(ROOT, "Sources", "Rendezvous", "Page")
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
# As the server sends it; a Swift test holds it to that.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")

HOSTILE = [
    "<script>window.hacked=1</script>",
    "<img src=x onerror=\"window.hacked=1\">",
    "\u202egnp.evil\u202c plain",
    "a\u0000b\u0007c\u001b[31mred\u0085\u200b\u2028end",
    "W" * 1024,
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 host",
    "Z\u0335\u0322\u031b" * 60,
    "&lt;b&gt; {{7*7}} ${7*7} javascript:alert(1)",
    "",
]


class Mesh:
    """What the fake server tells; tests change it while it runs."""

    def __init__(self, peers=40, models=6, seed=1, hostile=False):
        self.random = random.Random(seed)
        self.state, self.reasons, self.store = "ok", [], "connected"
        self.started = int(time.time() * 1000) - 3_900_000
        names = HOSTILE if hostile else []
        self.peers = [self._peer(index, names) for index in range(peers)]
        self.models = [self._model(index, names) for index in range(models)]
        self.sources = [self._source(peer, index) for index, peer in enumerate(self.peers) if index % 5]
        self._count_sources()
        self.history = [self._sample(index) for index in range(150)]
        self.history_end = time.time()

    def _id(self):
        return f"{self.random.getrandbits(256):064x}"

    def _peer(self, index, names):
        name = names[index] if index < len(names) else f"vllm-{index % 97:02}-{index:05}"
        zone = names[index] if index < len(names) else f"rack-{'abcdefghijklmnopqrst'[index % 20]}"
        moving = index % 7 == 3
        return {
            "peer": self._id(), "name": name, "zone": zone, "address": f"10.{index >> 16}.{index >> 8 & 255}.{index & 255}",
            "bootstrap_port": 8012, "roles": ["origin", "relay", "reader"] if index else ["relay", "reader", "server"],
            "token": self._id(), "link": "self" if index == 0 else ["neighbour", "channel", "none"][min(index % 40, 3) % 3],
            "slots_in_use": index % 3 if index else 0, "slots": 2 if index else 0,
            "bytes_served": self.random.getrandbits(40), "bytes_received": self.random.getrandbits(39),
            "serving_bytes_per_second": self.random.randrange(10**9) if moving else 0,
            "receiving_bytes_per_second": self.random.randrange(10**9) if moving else 0,
            "valid_until": int(time.time() * 1000) + 8000,
        }

    def _model(self, index, names):
        family = ["llama-3.1-8b", "mixtral-8x22b", "qwen3-32b", "deepseek-v3", "gemma-3-27b", "phi-4"][index % 6]
        return {
            "model": names[index] if index < len(names) else f"team/{family}" + (f"-{index}" if index >= 6 else ""),
            "revision": f"{self.random.getrandbits(64):016x}", "stage": ["files", "processed"][index % 2],
            "variant": ["", "bf16, tensor parallel 8"][index % 2], "ranks": [1, 8][index % 2],
            "bytes": (index + 1) * 16_000_000_000,
        }

    def _source(self, peer, index):
        model = self.models[index % len(self.models)]
        coverage = 8 if index % 6 else index // 6 % 8
        state = "live" if coverage else "loading" if index % 2 else "wanting"
        return {
            "model": model["model"], "revision": model["revision"], "stage": model["stage"],
            "rank": index % model["ranks"], "peer": peer["peer"], "name": peer["name"], "state": state,
            "coverage_eighths": coverage, "bytes": model["bytes"] // model["ranks"], "lanes": ["shm", "tcp"],
            "slots_in_use": peer["slots_in_use"], "slots": peer["slots"], "manifest": self._id(),
            "introduction": self._id(),
        }

    def _count_sources(self):
        for model in self.models:
            own = [source for source in self.sources if source["revision"] == model["revision"]]
            coverage = [source["coverage_eighths"] for source in own]
            complete = coverage.count(8)
            model.update(
                sources=len(own), complete=complete, wanting=coverage.count(0),
                partial=len(own) - complete - coverage.count(0),
                coverage=[coverage.count(eighth) for eighth in range(9)], copies=complete // model["ranks"],
                slots_in_use=sum(source["slots_in_use"] for source in own),
                slots=sum(source["slots"] for source in own))

    def _sample(self, index):
        wave = abs((index * 13) % 50 - 25) / 25
        slots = sum(peer["slots"] for peer in self.peers)
        return {
            "receiving_bytes_per_second": int(wave * 4e7 * len(self.peers)), "peers": len(self.peers) - index % 4,
            "slots_in_use": int(wave * slots * 0.7), "slots": slots}

    def overview(self, query):
        now = time.time()
        while now - self.history_end >= 2:
            self.history = self.history[1:] + [self._sample(int(self.history_end) % 997)]
            self.history_end += 2
        last = self.history[-1]
        for peer in self.peers:
            peer["valid_until"] = int(now * 1000) + 6000
        columns = {key: [sample[key] for sample in self.history] for key in last}
        return {
            "server": {
                "name": "server-0", "peer": self.peers[0]["peer"], "cluster": "9fef143377f1" * 5, "version": "0.1.0",
                "state": self.state, "reasons": self.reasons, "store": self.store, "store_waiting": 0,
                "started": self.started, "time": int(now * 1000)},
            "mesh": {
                "peers": len(self.peers), "neighbours": 8, "channels": 11, "records": len(self.peers) + len(self.sources),
                "revocations": 2, "quarantined": 1, "quarantined_peers": [self.peers[-1]["peer"]],
                "clock_offset_milliseconds": 12, "beacon_seconds": 5, "term_seconds": 20,
                "last_compared": int(now) * 1000 - 1000},
            "load": self._load(last),
            "history": {"seconds_between": 2, "end": int(self.history_end * 1000), **columns},
            "peers": cut(self.peers, "peers", query, ("name", "zone", "peer", "address", "link"), {
                "slots": "slots_in_use", "receiving": "receiving_bytes_per_second",
                "serving": "serving_bytes_per_second", "received": "bytes_received", "served": "bytes_served",
                "valid": "valid_until"}),
            "models": cut(self.models, "models", query, ("model", "revision", "stage"), {"slots": "slots_in_use"}),
            "sources": cut(self.sources, "sources", query, ("model", "name", "state", "revision"), {
                "coverage": "coverage_eighths", "slots": "slots_in_use"}),
            "transfers": self._transfers(now),
            "pool": {"is_present": True, "port": 8001, "asks_callers": False, "workers": 12, "ready": 9, "stale": 2, "models": 3,
                     "bytes": 4096, "is_stored": True}}

    def _load(self, last):
        zones = {}
        for peer in self.peers:
            zone = zones.setdefault(peer["zone"], {
                "zone": peer["zone"], "peers": 0, "slots_in_use": 0, "slots": 0, "receiving_bytes_per_second": 0})
            zone["peers"] += 1
            for key in ("slots_in_use", "slots", "receiving_bytes_per_second"):
                zone[key] += peer[key]
        ordered = sorted(zones.values(), key=lambda zone: (-zone["peers"], zone["zone"]))
        return {
            "receiving_bytes_per_second": last["receiving_bytes_per_second"], "slots_in_use": last["slots_in_use"],
            "slots": last["slots"], "bytes_received": 2**53 + 1, "bytes_served": 2**64 - 1, "zones": ordered[:12],
            "zones_total": len(ordered)}

    def _transfers(self, now):
        partial = [source for source in self.sources if source["coverage_eighths"] < 8]

        def transfer(source, index, ended):
            kept = {key: source[key] for key in ("peer", "name", "model", "revision", "rank", "bytes")}
            state = source["state"] if source["state"] != "live" else "partial"
            made = {**kept, "state": state, "coverage_eighths": source["coverage_eighths"],
                    "receiving_bytes_per_second": 0 if ended else 10**9 // (index + 1),
                    "began": int(now * 1000) - 1000 * (index + 4)}
            if ended:
                made.update(state=["complete", "complete", "gone", "withdrawn"][index % 4], ended=made["began"] + 3400)
                made["coverage_eighths"] = 8 if made["state"] == "complete" else 5
            return made

        ended = self.sources[:20] if self.sources else []
        return {
            "in_flight_total": len(partial),
            "in_flight": [transfer(source, index, False) for index, source in enumerate(partial[:50])],
            "ended_total": len(ended) * 7, "ended": [transfer(source, index, True) for index, source in enumerate(ended)]}


def cut(rows, name, query, texts, keys):
    """One page of the rows, as the server cuts it."""
    def value(key, fallback):
        return query.get(f"{name}_{key}", [fallback])[0]

    words = value("filter", "").lower().split(" ")
    found = [row for row in rows if all(word in "\n".join(row[text] for text in texts).lower() for word in words)]
    sort = value("sort", "")
    key = keys.get(sort.lstrip("-"), sort.lstrip("-"))
    if found and key in found[0]:
        found.sort(key=lambda row: row[key], reverse=sort.startswith("-"))
    limit, offset = int(value("limit", "25")), int(value("offset", "0"))
    if offset >= len(found):
        offset = max(0, len(found) - 1) // limit * limit
    return {"total": len(rows), "matching": len(found), "offset": offset, "rows": found[offset:offset + limit]}


class FakeServer:
    """Serves a mesh on a port of the loopback until it is stopped; the same port can be served again."""

    def __init__(self, mesh, port=0):
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                fake.answer(self)

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                """A page that is closed or left alone resets its connections."""

        self.mesh, self.sizes, self.lock = mesh, [], threading.Lock()
        self.is_stopped = False
        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.is_stopped = True
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        if self.is_stopped:
            request.close_connection = True
            return
        path, _, query = request.path.partition("?")
        if path == "/api/v1/overview":
            with self.lock:
                body = json.dumps(self.mesh.overview(urllib.parse.parse_qs(query)), ensure_ascii=False).encode()
            self.sizes.append(len(body))
            self.send(request, 200, "application/json", body)
            return
        file = os.path.join(FILES, "index.html" if path == "/" else os.path.basename(path))
        if (path == "/" or path.startswith("/page/")) and os.path.isfile(file):
            with open(file, "rb") as content:
                self.send(request, 200, TYPES[file.rsplit(".", 1)[1]], content.read())
        else:
            self.send(request, 404, "text/plain", b"nothing here")

    @staticmethod
    def send(request, status, kind, body):
        request.send_response(status)
        request.send_header("Content-Type", f"{kind}; charset=utf-8")
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Content-Security-Policy", POLICY)
        request.send_header("Cache-Control", "no-store")
        request.end_headers()
        try:
            request.wfile.write(body)
        except OSError:
            # The page gave the question up.
            request.close_connection = True
