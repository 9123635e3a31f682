"""Pulls over RDMA between processes, inside the guest: several sources, and what happens when one dies, stops, or loses its
link. Run by Tests/RDMA/tests.sh."""

import argparse
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Faults"))

from harness.outcome import Outcome, tell

DEVICES = ("rxe0", "rxe1")
LIMIT = 120
# What an RDMA packet of the rig carries, bytes.
PACKET = 4096
MEBIBYTE = 1 << 20
# Seconds that nothing may come after a source was lost. Our own deadlines take 1 to 2, and a pull without them waits for ever, or
# for the 30 of its stall. UCX needs several times the processor, which is emulated here and may have other work.
PAUSE_LIMITS = {"verbs": 3, "ucx": 8}


class Unmet(Exception):
    """Something that must come didn't; the message says what."""


def until(what, condition, limit=LIMIT):
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Unmet(f"{what}: not within {limit} s")
        time.sleep(0.02)


class Process:
    """A `modelexpress` that prints JSON lines."""

    def __init__(self, rig, name, arguments, wrapper=(), lanes=None, trusts=False):
        lanes = lanes or ("ucx,tcp" if trusts else "verbs,tcp")
        self.name = name
        self.log = f"{rig.folder}/{name}.log"
        self.events = []
        command = [
            *wrapper, rig.program, *arguments, "--json", "--peer-name", name, "--bind", "127.0.0.1", "--advertise",
            "127.0.0.1", "--peers", rig.bootstrap or "127.0.0.1:1", "--lanes", lanes, "--log-level", "debug"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MX_")}
        environment |= {"MX_STATE_DIR": f"{rig.folder}/state-{name}", "MX_TOKEN_FILE": f"{rig.folder}/token"}
        if trusts:
            environment["MX_FABRIC"] = "trusted"
        self._log = open(self.log, "wb")
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, env=environment)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith(b"{"):
                self.events.append((time.monotonic(), json.loads(line)))

    def last(self, kind):
        return next((event for _, event in reversed(list(self.events)) if event["event"] == kind), None)

    def await_event(self, kind):
        def look():
            failure = self.last("failed")
            if failure and kind != "failed":
                raise Unmet(f"{self.name} failed: {failure['message']}\n{self.text()[-2000:]}")
            if self.last(kind) is None and self.process.poll() is not None:
                time.sleep(0.2)
                if self.last(kind) is None:
                    raise Unmet(f"{self.name} ended with {self.process.returncode}\n{self.text()[-2000:]}")
            return self.last(kind)
        return until(f"{kind} of {self.name}", look)

    def await_progress(self, share):
        """Until so much of the model is there."""
        total = self.await_event("found")["total_bytes"]
        until(f"{share:.0%} of {self.name}", lambda: (self.last("progress") or {}).get("bytes", 0) >= share * total)

    def longest_pause(self, since):
        """Seconds without progress at a stretch, from `since` to the end."""
        times = [since] + [at for at, event in list(self.events) if at > since and event["event"] in ("progress", "complete")]
        return max(later - earlier for earlier, later in zip(times, times[1:]))

    def text(self):
        with open(self.log, errors="replace") as text:
            return text.read()

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()


class Rig:
    def __init__(self, programs, folder, size):
        self.program = os.path.join(programs, "modelexpress")
        self.folder = folder
        self.size = size
        self.bootstrap = None
        self._count = 0
        self._running = []
        self._sources = []
        self._trusts = False
        self.model = f"{folder}/model"
        self._write_model()
        environment = os.environ | {"MX_STATE_DIR": f"{folder}/keys"}
        for arguments in (["init"], ["token", "--roles", "origin,relay,reader,server", "--out", f"{folder}/token"]):
            subprocess.run([self.program, "keys", *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)

    def _write_model(self):
        os.mkdir(self.model)
        header = json.dumps({"w": {"dtype": "U8", "shape": [self.size], "data_offsets": [0, self.size]}}).encode()
        with open(f"{self.model}/model.safetensors", "wb") as file:
            file.write(struct.pack("<Q", len(header)) + header + os.urandom(self.size))
        with open(f"{self.model}/config.json", "w") as file:
            file.write("{}")

    def _name(self, kind):
        self._count += 1
        return f"{kind}{self._count}"

    def sources(self, count, trusts=False):
        """So many that serve, those first that an earlier test left; on a fabric that they trust, or not."""
        if trusts != self._trusts:
            self.end_all()
        self._trusts = trusts
        self._sources = [source for source in self._sources if source.process.poll() is None]
        if not self._sources:
            self._sources.append(self.source(trusts=trusts))
        self.bootstrap = self._sources[0].last("serving")["bootstrap"]
        self._sources += [self._start_source(trusts=trusts) for _ in range(count - len(self._sources))]
        for source in self._sources:
            source.await_event("serving")
        for source in self._sources[count:]:
            source.end()
        self._sources = self._sources[:count]
        until("the offers of all sources", lambda: self._offers() >= count, 30)
        return list(self._sources)

    def _offers(self):
        """How many the first source knows of."""
        state = f"{self.folder}/state-{self._sources[0].name}"
        done = subprocess.run(
            [self.program, "sources", "--state-dir", state, "--json"], capture_output=True, text=True, check=False)
        return len(json.loads(done.stdout)) if done.returncode == 0 else 0

    def source(self, **options):
        source = self._start_source(**options)
        serving = source.await_event("serving")
        self.bootstrap = self.bootstrap or serving["bootstrap"]
        if not os.path.exists(f"{self.folder}/digests"):
            shutil.copytree(f"{self.folder}/state-{source.name}/digests", f"{self.folder}/digests")
        return source

    def _start_source(self, **options):
        name = self._name("source")
        # What the first one digested the others need not.
        if os.path.exists(f"{self.folder}/digests"):
            os.makedirs(f"{self.folder}/state-{name}", mode=0o700)
            shutil.copytree(f"{self.folder}/digests", f"{self.folder}/state-{name}/digests")
        source = Process(self, name, ["serve", self.model, "--name", "m", "--in-memory"], **options)
        self._running.append(source)
        return source

    def pull(self, integrity="crc", **options):
        """With full integrity it takes long enough for something to happen meanwhile."""
        pull = Process(
            self, self._name("target"), ["pull", "m", "--in-memory", "--integrity", integrity], **options)
        self._running.append(pull)
        return pull

    def end_pulls(self):
        for process in self._running:
            if process not in self._sources:
                process.end()
        self._running = list(self._sources)

    def end_all(self):
        for process in reversed(self._running):
            process.end()
        self._running = []
        self._sources = []
        self.bootstrap = None


def packets():
    """Packets that each device received."""
    def read(device):
        with open(f"/sys/class/infiniband/{device}/ports/1/hw_counters/rcvd_pkts") as file:
            return int(file.read())
    return {device: read(device) for device in DEVICES}


def loopback_bytes():
    """Bytes that TCP moved between processes."""
    with open("/sys/class/net/lo/statistics/rx_bytes") as file:
        return int(file.read())


def resources():
    """What the kernel holds for RDMA: queue pairs, regions, domains of all devices."""
    shown = subprocess.run(["rdma", "resource", "show"], capture_output=True, text=True, check=True).stdout
    return {kind: sum(int(number) for number in re.findall(rf"\b{kind} (\d+)", shown)) for kind in ("qp", "mr", "pd", "cq")}


def link(number, state):
    subprocess.run(["ip", "link", "set", f"rdma{number}", state], check=True)


def lanes_of(complete):
    return {source["lane"] for source in complete["sources"] if source["bytes"]}


def several_sources(rig, outcome, trusts=False):
    lane = "ucx" if trusts else "verbs"
    sources = rig.sources(3, trusts)
    before, loopback = packets(), loopback_bytes()
    pull = rig.pull(trusts=trusts)
    complete = pull.await_event("complete")
    moved = {device: packets()[device] - before[device] for device in DEVICES}
    loopback = loopback_bytes() - loopback
    shares = {source["name"]: source["bytes"] / complete["bytes"] for source in complete["sources"]}
    tell(f"{complete['bytes'] / MEBIBYTE:.0f} MiB in {complete['transfer_seconds']:.1f} s; shares "
         + ", ".join(f"{name} {share:.0%}" for name, share in shares.items()))
    tell(f"RDMA packets received: {moved}; TCP moved {loopback / 1e3:.0f} kB")
    tell(f"paths of {complete['sources'][0]['name']}: {complete['sources'][0].get('paths')}")
    outcome.check(f"a pull from three sources goes over {lane} alone, and its report names the devices", (
        [] if lanes_of(complete) == {lane} else [f"lanes {lanes_of(complete)}", pull.text()[-2000:]])
        + [f"{source['name']} has paths {source.get('paths')}" for source in complete["sources"]
           if source["bytes"] and not all(any(device in path for path in source.get("paths") or []) for device in DEVICES)]
        # One that answers late on a busy machine may find nothing left to give.
        + ([] if sum(share > 0 for share in shares.values()) >= 2 else ["one source gave all"]))
    needed = complete["bytes"] / PACKET
    outcome.check(f"the devices' counters show that RDMA READs moved the bytes of {lane}, over both devices", (
        [] if sum(moved.values()) >= needed else [f"{sum(moved.values())} packets of {needed:.0f}"])
        + [f"{device} moved {count} packets" for device, count in moved.items() if count < needed / 10]
        + ([] if loopback < complete["bytes"] / 10 else [f"TCP moved {loopback} bytes"]))
    if trusts:
        text = sources[0].text()
        outcome.check("a source that trusts its fabric says at start what it gives up", (
            [] if "MX_FABRIC=trusted" in text and "can write" in text else ["its log doesn't tell"]))


def source_killed(rig, outcome, trusts=False):
    lane = "ucx" if trusts else "verbs"
    sources = rig.sources(2, trusts)
    pull = rig.pull(integrity="full", trusts=trusts)
    pull.await_progress(0.01)
    sources[1].process.kill()
    killed = time.monotonic()
    complete = pull.await_event("complete")
    pause = pull.longest_pause(killed)
    tell(f"{lane}, killed: longest pause {pause * 1000:.0f} ms, the rest took {time.monotonic() - killed:.1f} s")
    outcome.check(f"a killed source costs a pull over {lane} no more than a read's deadline", (
        [] if pause < PAUSE_LIMITS[lane] else [f"nothing came for {pause:.1f} s"])
        + ([] if lanes_of(complete) == {lane} else [f"lanes {lanes_of(complete)}"]))


def source_stopped(rig, outcome, trusts=False):
    lane = "ucx" if trusts else "verbs"
    sources = rig.sources(2, trusts)
    pull = rig.pull(integrity="full", trusts=trusts)
    pull.await_progress(0.01)
    sources[1].process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    complete = pull.await_event("complete")
    pause = pull.longest_pause(stopped)
    sources[1].process.send_signal(signal.SIGCONT)
    tell(f"{lane}, stopped: longest pause {pause * 1000:.0f} ms, the rest took {time.monotonic() - stopped:.1f} s")
    outcome.check(f"a stopped source costs a pull over {lane} no more than a read's deadline", (
        [] if pause < PAUSE_LIMITS[lane] else [f"nothing came for {pause:.1f} s"])
        + ([] if lanes_of(complete) == {lane} else [f"lanes {lanes_of(complete)}"]))


def trusting_several_sources(rig, outcome):
    several_sources(rig, outcome, trusts=True)


def trusting_source_killed(rig, outcome):
    source_killed(rig, outcome, trusts=True)


def trusting_source_stopped(rig, outcome):
    source_stopped(rig, outcome, trusts=True)


def trusting_reader_alone(rig, outcome):
    """Its sources don't trust their fabric."""
    rig.sources(1)
    complete = rig.pull(trusts=True, lanes="ucx,verbs,tcp").await_event("complete")
    outcome.check("a reader that alone trusts its fabric reads over verbs", (
        [] if lanes_of(complete) == {"verbs"} else [f"lanes {lanes_of(complete)}"]))


def trusting_reader_killed(rig, outcome):
    rig.sources(1, trusts=True)
    pull = rig.pull(integrity="full", trusts=True)
    pull.await_progress(0.01)
    pull.process.kill()
    complete = rig.pull(trusts=True).await_event("complete")
    outcome.check("a source whose reader over ucx died serves the next one", (
        [] if lanes_of(complete) == {"ucx"} else [f"lanes {lanes_of(complete)}"]))


def link_down(rig, outcome):
    rig.sources(1)
    pull = rig.pull()
    pull.await_progress(0.01)
    down = time.monotonic()
    link(1, "down")
    try:
        complete = pull.await_event("complete")
    finally:
        link(1, "up")
    pause = pull.longest_pause(down)
    tell(f"one link down: longest pause {pause * 1000:.0f} ms")
    outcome.check("a lane whose one port loses its link goes on over the other", (
        [] if lanes_of(complete) == {"verbs"} else [f"lanes {lanes_of(complete)}"])
        + ([] if pause < PAUSE_LIMITS["verbs"] else [f"nothing came for {pause:.1f} s"])
        + ([] if sum(source["failures"] for source in complete["sources"]) == 0 else ["the lane failed"]))


def links_down(rig, outcome):
    rig.sources(1)
    pull = rig.pull(integrity="full")
    pull.await_progress(0.01)
    down = time.monotonic()
    for number in (0, 1):
        link(number, "down")
    try:
        complete = pull.await_event("complete")
    finally:
        for number in (0, 1):
            link(number, "up")
    pause = pull.longest_pause(down)
    tell(f"both links down: longest pause {pause * 1000:.0f} ms, then over {complete['sources'][0]['lane']}")
    outcome.check("a pull that loses all links goes on over TCP, under a new lease", (
        [] if "tcp" in lanes_of(complete) else [f"lanes {lanes_of(complete)}"])
        + ([] if pause < 8 else [f"nothing came for {pause:.1f} s"]))


def reader_killed(rig, outcome):
    rig.sources(1)
    # The source's own devices are open, and stay so.
    idle = resources()
    pull = rig.pull(integrity="full")
    pull.await_progress(0.01)
    busy = resources()
    pull.process.kill()
    killed = time.monotonic()
    until("the source's queue pairs of a dead reader go", lambda: resources()["qp"] == idle["qp"], 20)
    tell(f"dead reader: queue pairs {busy['qp']} -> {idle['qp']} after {(time.monotonic() - killed) * 1000:.0f} ms")
    complete = rig.pull().await_event("complete")
    outcome.check("a dead reader leaves nothing at the source, which serves the next one", (
        [] if busy["qp"] > idle["qp"] else ["the reader had no queue pair"])
        + ([] if lanes_of(complete) == {"verbs"} else [f"lanes {lanes_of(complete)}"]))


def little_locked_memory(rig, outcome):
    rig.end_all()
    limited = ["setpriv", "--inh-caps=-ipc_lock", "--bounding-set=-ipc_lock", "prlimit", "--memlock=65536:65536", "--"]
    source = rig.source(wrapper=limited)
    complete = rig.pull().await_event("complete")
    text = source.text()
    outcome.check("too little locked memory is told with the limit and its cure, and the pull goes over TCP", (
        [] if lanes_of(complete) == {"tcp"} else [f"lanes {lanes_of(complete)}"])
        + [f"the source's log lacks {words!r}" for words in ("65536 bytes", "ulimit -l", "IPC_LOCK") if words not in text])


def pinned_device(rig, outcome):
    rig.sources(1)
    before = packets()
    complete = rig.pull(wrapper=["env", "MX_RDMA_DEVICES=rxe1"]).await_event("complete")
    moved = {device: packets()[device] - before[device] for device in DEVICES}
    outcome.check("MX_RDMA_DEVICES keeps a pull to one device", (
        [] if moved["rxe0"] == 0 and moved["rxe1"] * PACKET >= complete["bytes"] else [f"packets {moved}"]))


TESTS = (
    several_sources, source_stopped, source_killed, link_down, links_down, reader_killed, pinned_device,
    trusting_reader_alone, trusting_several_sources, trusting_source_stopped, trusting_source_killed,
    trusting_reader_killed, little_locked_memory)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True)
    parser.add_argument("--mebibytes", type=int, default=64)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    outcome = Outcome()
    empty = resources()
    with tempfile.TemporaryDirectory(prefix="mxr") as folder:
        rig = Rig(options.programs, folder, options.mebibytes * MEBIBYTE)
        for test in TESTS:
            if options.names and test.__name__ not in options.names:
                continue
            try:
                test(rig, outcome)
            except Unmet as error:
                outcome.check(test.__name__, [str(error)])
            rig.end_pulls()
        rig.end_all()
    left = resources()
    outcome.check("no queue pair, region or domain is left when all have ended", (
        [] if left == empty else [f"before {empty}, after {left}"]))
    outcome.finish()


if __name__ == "__main__":
    main()
