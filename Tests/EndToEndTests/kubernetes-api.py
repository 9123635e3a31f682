"""Stands in for the Kubernetes API: Secrets of one namespace, and reviews of tokens, over HTTP or HTTPS, as the API's reference has
them.

What it holds stands in FOLDER/secrets.json and FOLDER/tokens.json (token: {username, extra, audiences}), what it was asked in FOLDER/requests, a line each. Each line of FOLDER/faults is what
the next request meets instead: `status CODE`, `wait SECONDS`, `garbage`; `lose` is for the next change (somebody else is quicker).
"""

import argparse
import base64
import http.server
import json
import os
import ssl
import sys
import threading
import time

NAMESPACE = "mesh"
COLLECTION = f"/api/v1/namespaces/{NAMESPACE}/secrets"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


class Store:
    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.Lock()

    def path(self, name):
        return os.path.join(self.folder, name)

    def secrets(self):
        try:
            with open(self.path("secrets.json")) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def tokens(self):
        try:
            with open(self.path("tokens.json")) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def save(self, name, secret):
        secrets = self.secrets()
        version = max([int(one["metadata"]["resourceVersion"]) for one in secrets.values()] or [100]) + 1
        secret["metadata"]["resourceVersion"] = str(version)
        secrets[name] = secret
        with open(self.path("secrets.new"), "w") as file:
            json.dump(secrets, file)
        os.replace(self.path("secrets.new"), self.path("secrets.json"))
        return secret

    def next_fault(self, is_write):
        try:
            with open(self.path("faults")) as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return ""
        # Only a change can come too late.
        if lines and lines[0] == "lose" and not is_write:
            return ""
        with open(self.path("faults"), "w") as file:
            file.write("".join(f"{line}\n" for line in lines[1:]))
        return lines[0] if lines else ""

    def note(self, text):
        with open(self.path("requests"), "a") as file:
            file.write(f"{text}\n")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = None
    token_file = None

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.store.note(f"{self.command} {self.path} {status}")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status, reason, message):
        self.answer(status, {"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": status})

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.store.lock:
            fault = self.store.next_fault(self.command != "GET")
        if fault.startswith("wait"):
            time.sleep(float(fault.split()[1]))
        if fault == "garbage":
            self.store.note(f"{self.command} {self.path} garbage")
            self.wfile.write(b"\x00\xff not HTTP at all\r\n\r\n")
            self.close_connection = True
            return
        if fault.startswith("status"):
            code = int(fault.split()[1])
            self.refuse(code, "Fault", f"told to answer {code}")
            return
        with open(self.token_file) as file:
            if self.headers.get("Authorization") != f"Bearer {file.read().strip()}":
                self.refuse(401, "Unauthorized", "Unauthorized")
                return
        with self.store.lock:
            self.act(body, fault == "lose")

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any

    def act(self, body, is_lost):
        if self.command == "POST" and self.path == REVIEWS:
            self.review(json.loads(body))
            return
        name = self.path[len(COLLECTION) + 1:]
        secret = self.store.secrets().get(name)
        if self.command == "POST" and self.path == COLLECTION:
            self.create(json.loads(body), is_lost)
        elif not self.path.startswith(f"{COLLECTION}/"):
            self.refuse(404, "NotFound", "the server could not find the requested resource")
        elif secret is None:
            self.refuse(404, "NotFound", f'secrets "{name}" not found')
        elif self.command == "GET":
            self.answer(200, secret)
        elif self.command == "PATCH" and self.headers["Content-Type"] == "application/merge-patch+json":
            self.patch(name, secret, json.loads(body), is_lost)
        else:
            self.refuse(405, "MethodNotAllowed", "not here")

    def review(self, wanted):
        assert wanted["apiVersion"] == "authentication.k8s.io/v1" and wanted["kind"] == "TokenReview", wanted
        known = self.store.tokens().get(wanted["spec"]["token"])
        audiences = wanted["spec"].get("audiences") or ["https://kubernetes.default.svc"]
        if known is None:
            status = {"user": {}, "error": "invalid bearer token"}
        elif not set(known["audiences"]) & set(audiences):
            status = {"user": {}, "error": "token audiences are invalid for the target audiences"}
        else:
            status = {"authenticated": True, "user": {"username": known["username"], "uid": "1", "extra": known.get("extra", {})},
                      "audiences": sorted(set(known["audiences"]) & set(audiences))}
        self.answer(201, {**wanted, "status": status})

    def create(self, wanted, is_lost):
        name = wanted["metadata"]["name"]
        assert wanted["apiVersion"] == "v1" and wanted["kind"] == "Secret", wanted
        for value in wanted["data"].values():
            base64.b64decode(value, validate=True)
        if is_lost:
            self.store.save(name, dict(wanted))
        if name in self.store.secrets():
            self.refuse(409, "AlreadyExists", f'secrets "{name}" already exists')
        else:
            self.answer(201, self.store.save(name, wanted))

    def patch(self, name, secret, patch, is_lost):
        version = patch.get("metadata", {}).pop("resourceVersion", None)
        if is_lost or version not in (None, secret["metadata"]["resourceVersion"]):
            self.refuse(409, "Conflict", "the object has been modified")
            return
        for key, value in patch.items():
            secret[key] = {**secret.get(key, {}), **value} if isinstance(value, dict) else value
        self.answer(200, self.store.save(name, secret))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--token-file", required=True)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    chosen = parser.parse_args()
    Handler.store, Handler.token_file = Store(chosen.folder), chosen.token_file
    server = http.server.ThreadingHTTPServer((chosen.address, 0), Handler)
    if chosen.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chosen.certificate, chosen.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(f"ready port={server.server_port}", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
