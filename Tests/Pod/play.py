"""Plays deploy/kubernetes on one machine: server, Redis, a source pod and a target pod, as their manifests state them.

Each pod is a network namespace with an address of its own; each container has its own root, mounts, processes, user and
capabilities, and shares with the others of its pod what the pod shares. What this machine lacks is replaced, and nothing else:
GPUs (vLLM runs on the CPU, one rank), the model (a tiny one), the images (trees of the same content), Kubernetes' API (a stand-in
that keeps Secrets).
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import yaml

import models
from containers import Container
from harness.local_socket import Unanswered, eventually
from harness.outcome import Outcome, tell

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(f"{HERE}/../..")
BRIDGE = "mxpods"
SUBNET = "10.97.0"
NAMESPACE = "mesh"
MODEL = "meta-llama/Llama-3.1-70B-Instruct"
# Seconds.
START_LIMIT = 300
PROMPT = "w5 w17 w101 w33 w250 w77"


# Says to a play that it has a network of its own.
IN_ITS_OWN = "MX_PLAY_NETWORK"


def enter_own_network():
    """Starts this program again in a network and a list of network namespaces that nobody else sees: what the machine's network
    holds is not in the way, and whatever ends the play, nothing of its own is left there."""
    if IN_ITS_OWN in os.environ:
        return
    inside = "mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && ip link set lo up && exec \"$@\""
    os.execvpe(
        "unshare", ["unshare", "--net", "--mount", "sh", "-c", inside, "sh", sys.executable, "-B", *sys.argv],
        {**os.environ, IN_ITS_OWN: "yes"})


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        raise Unanswered(f"{' '.join(command)}: {done.stderr.strip()}")


class Stage:
    """The machine as a cluster of one node."""

    def __init__(self, trees):
        self.trees = trees
        self.folder = tempfile.mkdtemp(prefix="mxp")
        self.pods = []
        self.api = None

    def __enter__(self):
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "address", "add", f"{SUBNET}.1/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        os.makedirs(f"{self.folder}/api")
        with open(f"{self.folder}/account-token", "w") as file:
            file.write("service-account\n")
        log = open(f"{self.folder}/api.log", "ab")
        self.api = subprocess.Popen(
            [sys.executable, "-B", f"{ROOT}/Tests/EndToEndTests/kubernetes-api.py", "--folder", f"{self.folder}/api",
             "--token-file", f"{self.folder}/account-token", "--address", f"{SUBNET}.1"], stdout=log, stderr=log)
        self.api_port = eventually("the stand-in of the API", 20, self._api_port)
        return self

    def _api_port(self):
        with open(f"{self.folder}/api.log") as file:
            words = file.read()
        return int(words.split("port=")[1].split()[0]) if "port=" in words else None

    def secrets(self):
        try:
            with open(f"{self.folder}/api/secrets.json") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def __exit__(self, *_):
        for pod in reversed(self.pods):
            pod.end()
        if self.api is not None:
            self.api.kill()
        subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def pod(self, manifest, name):
        made = Pod(self, manifest, name, len(self.pods) + 10)
        self.pods.append(made)
        return made


class Pod:
    def __init__(self, stage, manifest, name, number):
        self.stage = stage
        self.name = f"{name}-5d9c7"
        self.deployment = name
        with open(f"{ROOT}/deploy/kubernetes/{manifest}") as file:
            [deployment] = [
                one for one in yaml.safe_load_all(file)
                if one and one["kind"] == "Deployment" and one["metadata"]["name"] == name]
        self.spec = deployment["spec"]["template"]["spec"]
        self.folder = f"{stage.folder}/{name}"
        os.makedirs(self.folder)
        self.address = f"{SUBNET}.{number}"
        self.namespace = f"mxp-{number}"
        self.containers = {}
        self.began = time.monotonic()
        self._join()
        self.volumes = {}
        for volume in self.spec.get("volumes", []):
            self.volumes[volume["name"]] = self._volume(volume)

    def _join(self):
        run("ip", "netns", "add", self.namespace)
        inside, outside = "eth0", f"mxp{self.address.rsplit('.', 1)[1]}"
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", self.namespace)
        run("ip", "link", "set", outside, "master", BRIDGE, "up")
        run("ip", "-n", self.namespace, "address", "add", f"{self.address}/24", "dev", inside)
        run("ip", "-n", self.namespace, "link", "set", inside, "up")
        run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        run("ip", "-n", self.namespace, "route", "add", "default", "via", f"{SUBNET}.1")

    def _volume(self, volume):
        path = f"{self.folder}/volume-{volume['name']}"
        os.makedirs(path)
        if "secret" in volume:
            secret = eventually(
                f"{self.name}: Secret {volume['secret']['secretName']}", 60,
                lambda: self.stage.secrets().get(volume["secret"]["secretName"]))
            import base64

            for key, value in secret["data"].items():
                with open(f"{path}/{key}", "wb") as file:
                    file.write(base64.b64decode(value))
        else:
            # As an emptyDir: everybody may write, and what is made in it belongs to the pod's group.
            os.chmod(path, 0o2777 if "fsGroup" in self.spec.get("securityContext", {}) else 0o777)
            os.chown(path, 0, self.spec.get("securityContext", {}).get("fsGroup", 0))
        return path

    def ports(self):
        return [
            port for one in [*self.spec.get("initContainers", []), *self.spec["containers"]]
            for port in one.get("ports", [])]

    @property
    def hosts_file(self):
        path = f"{self.folder}/hosts"
        with open(path, "w") as file:
            file.write("127.0.0.1 localhost\n")
            for pod in self.stage.pods:
                file.write(f"{pod.address} {pod.deployment}\n")
        return path

    def start(self, name, lower, replace=lambda words: words, environment=None, limits=None):
        """Starts one container by its manifest and waits for its startup and readiness probes."""
        [spec] = [
            one for one in [*self.spec.get("initContainers", []), *self.spec["containers"]] if one["name"] == name]
        variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
        for one in spec.get("env", []):
            if "value" in one:
                variables[one["name"]] = one["value"]
            elif "fieldRef" in one["valueFrom"]:
                variables[one["name"]] = {"metadata.name": self.name, "status.podIP": self.address}[
                    one["valueFrom"]["fieldRef"]["fieldPath"]]
            else:
                reference = one["valueFrom"]["secretKeyRef"]
                if reference["name"] not in self.stage.secrets() and not reference.get("optional"):
                    raise Unanswered(f"{name} needs Secret {reference['name']}")
        command = [*spec.get("command", []), *spec.get("args", [])]
        container = Container(
            self, spec, lower, variables | (environment or {}), replace(command), limits or (lambda: None))
        self.containers[name] = container
        for kind in ("startupProbe", "readinessProbe"):
            eventually(f"{self.name}/{name}: {kind}", START_LIMIT, lambda: self._probe(container, kind), pause=0.3)
        container.ready_at = time.monotonic() - self.began
        return container

    def _probe(self, container, kind):
        if container.process.poll() is not None:
            raise Unanswered(f"{self.name}/{container.name} ended: {container.words()[-2500:]}")
        return container.probe(kind)

    def fetch(self, url, body=None):
        """(status, bytes), asked from the node as the kubelet asks; None when nobody answers."""
        request = urllib.request.Request(
            url, data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120 if body else 5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return None

    def end(self):
        for container in self.containers.values():
            container.kill()
        subprocess.run(["ip", "netns", "delete", self.namespace], capture_output=True)


def on_this_machine(folder):
    """What replaces the model and the GPUs in vLLM's command line."""

    def replaced(command):
        words = [word for word in command if not word.startswith("--tensor-parallel-size")]
        words[words.index(MODEL)] = folder
        return [*words, f"--served-model-name={MODEL}", "--enforce-eager", "--max-model-len=128", "--max-num-seqs=4",
                "--kv-cache-memory-bytes=268435456", "--host=0.0.0.0"]

    return replaced


ENGINE = {
    "PATH": f"{ROOT}/.venv-vllm/bin:/usr/local/bin:/usr/bin:/bin", "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1", "OMP_NUM_THREADS": "1",
    "MX_MODEL_REVISION": "r1",
}


def small_locked_memory():
    # Kubernetes' usual bound; nobody needs more for TCP.
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))


def generated(pod):
    answer = pod.fetch(
        f"http://{pod.address}:8000/v1/completions",
        {"model": MODEL, "prompt": PROMPT, "max_tokens": 16, "temperature": 0, "ignore_eos": True})
    if answer is None or answer[0] != 200:
        raise Unanswered(f"{pod.name} does not complete: {answer}")
    return json.loads(answer[1])["choices"][0]["text"]


def status_of(pod, name):
    found = pod.containers[name].execute("modelexpress", "status", "--json", "--state-dir", "/var/lib/modelexpress")
    if found.returncode != 0:
        raise Unanswered(f"modelexpress status in {pod.name}: {found.stderr}")
    return json.loads(found.stdout)


def used(container):
    """Resident MB and CPU seconds of a container's first process."""
    pid = container.inside()
    with open(f"/proc/{pid}/status") as file:
        resident = next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return resident, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def play(stage, outcome):
    folder = models.make_llama(f"{stage.folder}/llama", has_tokenizer=True, hidden=512, layers=8, intermediate=2048)
    empty = models.without_weights(folder, f"{folder}-empty")
    server_tree, client_tree = f"{stage.trees}/server", f"{stage.trees}/client"

    redis = stage.pod("modelexpress-server.yaml", "modelexpress-redis")
    # This machine's Redis stands for its image.
    redis.start("redis", "/")
    server = stage.pod("modelexpress-server.yaml", "modelexpress-server")
    api = {
        "MX_KUBERNETES_API": f"http://{SUBNET}.1:{stage.api_port}", "MX_KUBERNETES_NAMESPACE": NAMESPACE,
        "MX_KUBERNETES_TOKEN_FILE": "/account-token"}
    tree_token = f"{server_tree}/account-token"
    shutil.copy(f"{stage.folder}/account-token", tree_token)
    os.chmod(tree_token, 0o644)
    first = server.start("server", server_tree, environment=api)
    outcome.check("the server is ready as its manifest says, non-root, on a read-only root", [])
    tell(f"server ready after {first.ready_at:.1f} s")
    pong = first.execute("redis-cli", "-h", "modelexpress-redis", "ping")
    outcome.check("redis-cli -h modelexpress-redis ping", [] if pong.stdout.strip() == "PONG" else [str(pong)])

    pods = {}
    for name, manifest, model in [
        ("mx-source", "vllm-source.yaml", folder), ("mx-target", "vllm-target.yaml", empty)]:
        pod = pods[name] = stage.pod(manifest, name)
        client = pod.start("client", client_tree, limits=small_locked_memory)
        tell(f"{name}: client started after {client.ready_at:.1f} s, {used(client)[0]:.0f} MB resident")
        engine = pod.start("vllm", "/", on_this_machine(model), ENGINE)
        tell(f"{name}: vllm ready after {engine.ready_at:.1f} s")
        if name == "mx-source":
            eventually(f"{name} is a source", 60, lambda: status_of(pod, "client")["engines"][0].get("manifest"))
    source, target = pods["mx-source"], pods["mx-target"]
    words = target.containers["vllm"].words()
    outcome.check(
        "the target is filled, and has no weight files",
        [] if "weights came from other replicas" in words else [words[-2000:]])
    texts = [generated(pod) for pod in (source, target)]
    outcome.check("both generate the same tokens", [] if texts[0] == texts[1] and texts[0] else texts)

    listing = source.containers["vllm"].execute("ls", "-la", "/tmp/mx/")
    outcome.check("ls -la /tmp/mx/ in the vllm container shows the sockets",
                  [] if "vllm-0.sock" in listing.stdout else [str(listing)])
    for tool in (["ucx_info", "-d"], ["ibstat", "-l"]):
        found = source.containers["client"].execute(*tool)
        outcome.check(f"{' '.join(tool)} is in the client container",
                      [] if found.returncode in (0, 255) and "not found" not in found.stderr else [str(found)])
    resident, seconds = used(source.containers["client"])
    time.sleep(5)
    later = used(source.containers["client"])
    tell(f"client at rest: {later[0]:.0f} MB resident, {(later[1] - seconds) / 5:.1%} of a core")

    drain(source, target, outcome)


def drain(source, target, outcome):
    """The source pod ends as the kubelet ends it: engine first, then the client."""
    began = time.monotonic()
    source.containers["vllm"].terminate()
    ended(source.containers["vllm"], 60)
    source.containers["client"].terminate()
    code = ended(source.containers["client"], 95)
    outcome.check("SIGTERM ends the pod within its grace period, and the client says so with 0",
                  [] if code == 0 else [f"{code}: {source.containers['client'].words()[-1500:]}"])
    tell(f"the source pod ended after {time.monotonic() - began:.1f} s")
    sources = eventually("one source is left", 20, lambda: left(target))
    outcome.check("the target is the source that is left", [] if sources == 1 else [str(sources)])


def left(pod):
    found = pod.containers["client"].execute(
        "modelexpress", "sources", "--json", "--state-dir", "/var/lib/modelexpress")
    count = len(json.loads(found.stdout)) if found.returncode == 0 else 0
    return count if count == 1 else None


def ended(container, limit):
    return eventually(f"{container.name} ends", limit, lambda: (container.process.poll(),) if
                      container.process.poll() is not None else None)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trees", required=True, help="folder that tree.sh made")
    options = parser.parse_args()
    enter_own_network()
    outcome = Outcome()
    with Stage(options.trees) as stage:
        try:
            play(stage, outcome)
        except Unanswered as error:
            outcome.check("the play", [str(error)])
            for pod in stage.pods:
                for container in pod.containers.values():
                    tell(f"{pod.name}/{container.name}: {container.words()[-1500:]}")
    outcome.finish()


if __name__ == "__main__":
    main()
