"""Transfers and lanes over RDMA in the guest of Tests/RDMA; beside perftest's ib_read_bw and UCX's ucx_perftest."""

import ctypes
import mmap
import os
import re
import shutil
import socket
import statistics
import subprocess
import time

from measurements.transfers import cost
from output import AT_LEAST, Figure
from rig.processes import Failed
from rig.stage import Skipped

SIZE = 192 << 20
# The model, and what source and target hold of it.
COPIES = 3
GOAL = 0.95
DEVICE = "rxe0"
READ = 1 << 20
# Of reads, as many as a lane has on one port.
IN_FLIGHT = 8
# Bytes of one run of a lane alone, and of the reference beside it: enough for beginning and end to count for little.
ALONE = 256 << 20
# Pairs of a lane alone for each run asked for: they are short, and the machine's other work comes and goes.
PAIRS = 3
LIMIT = 120
BUNDLE = ".build/debug/modelexpressPackageTests.xctest"
# Sizes of one registration, bytes.
REGISTRATIONS = (1 << 20, 16 << 20, 64 << 20, 256 << 20)
# UCX before 1.19 drops the packets of Soft-RoCE without the first; the rest keeps both sides to one device and to READs.
UCX = {
    "UCX_UD_VERBS_ETH_DGID_CHECK": "n", "UCX_TLS": "rc", "UCX_NET_DEVICES": f"{DEVICE}:1", "UCX_LOG_FILE": "stderr"}


def measure(stage):
    require_device()
    # Soft-RoCE looks a window up for each packet, in software; the difference shows what that takes.
    figures = [
        pulls(stage, "rdma", "verbs", read_bandwidth, "ib_read_bw"),
        alone(stage, "verbs", read_bandwidth, "ib_read_bw"),
        alone(stage, "verbs", read_bandwidth, "ib_read_bw", "-without-windows", {"MX_RDMA_WINDOWS": "off"})]
    if shutil.which("ucx_perftest"):
        figures += [
            pulls(stage, "rdma-ucx", "ucx", get_bandwidth, "ucx_perftest ucp_get", UCX | {"MX_FABRIC": "trusted"}),
            alone(stage, "ucx", get_bandwidth, "ucx_perftest ucp_get")]
    return figures


def pulls(stage, figure, lane, reference, name, settings=None):
    with stage.scene(SIZE, COPIES) as scene:
        # The reference has one device, and so do we.
        scene.cluster.settings |= {"MX_RDMA_DEVICES": DEVICE, **(settings or {})}
        scene.cluster.start_sources([None])
        take(scene, lane)
        reference(scene.model.bytes)
        transfers, references, ratios = [], [], []
        for _ in range(stage.runs):
            scene.rest()
            references.append(reference(scene.model.bytes))
            transfers.append(take(scene, lane))
            ratios.append(transfers[-1].rate / references[-1])
        return Figure(
            figure, "GB/s", [each.rate for each in transfers], {name: references}, ratios,
            f"share of {name} on the same device", GOAL, AT_LEAST, {}, {**cost(transfers), **scene.conditions()})


def alone(stage, lane, reference, name, variant="", settings=None):
    """A lane that verifies nothing, turn about with the reference: emulated processors take longer for a checksum than for all
    else, which hides what the lane gives."""
    own, other = [], []
    with LaneAlone(lane, PAIRS * stage.runs, settings or {}) as process:
        reference(ALONE)
        for number in range(PAIRS * stage.runs):
            # Either goes first as often.
            for ours in ((True, False) if number % 2 else (False, True)):
                if ours:
                    own.append(process.take())
                else:
                    other.append(reference(ALONE))
    ratios = [mine / theirs for mine, theirs in zip(own, other)]
    return Figure(
        f"rdma-{lane}-alone{variant}", "GB/s", own, {name: other}, ratios, f"share of {name} on the same device, in pairs", GOAL,
        AT_LEAST, {}, {"ratio_of_medians": statistics.median(own) / statistics.median(other), "build": "debug"})


def require_device():
    if not os.path.exists(f"/sys/class/infiniband/{DEVICE}"):
        raise Skipped(f"there is no RDMA device {DEVICE}; Tests/Benchmarks/run.sh takes this in the guest of Tests/RDMA")
    if shutil.which("ib_read_bw") is None:
        raise Skipped("perftest is missing")


class LaneAlone:
    """The test bundle of a debug build, with one lane open: moves its bytes again whenever it is told to."""

    def __init__(self, lane, rounds, settings):
        if not os.access(BUNDLE, os.X_OK):
            raise Skipped(f"there is no {BUNDLE}: run `swift build --build-tests`")
        environment = os.environ | UCX | settings | {
            "MX_RDMA_MEASURE": DEVICE, "MX_RDMA_LANE": lane, "MX_RDMA_ROUNDS": str(rounds),
            "MX_RDMA_BYTES": str(ALONE)}
        self._process = subprocess.Popen(
            [BUNDLE, "--testing-library", "swift-testing", "--no-parallel", "--filter", "VerbsLaneTests/measure"],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._await("lane is ready")

    def take(self):
        """GB/s of one more round."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._await(r"lane moved ([\d.]+) GB/s").group(1))

    def _await(self, pattern):
        for line in self._process.stdout:
            found = re.search(pattern, line)
            if found:
                return found
        raise Failed(f"a lane alone ended before it said {pattern!r}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.communicate(timeout=LIMIT)
        except (subprocess.TimeoutExpired, ValueError):
            self._process.kill()
            self._process.wait()


def take(scene, lane):
    return scene.cluster.transfer(lane=lane, integrity="crc")


def read_bandwidth(size):
    """GB/s of RDMA READs of a mebibyte, as many bytes as a transfer has."""
    port = free_port()
    command = [
        "ib_read_bw", "-d", DEVICE, "-x", "1", "-s", str(READ), "-n", str(max(8, size // READ)), "-t", str(IN_FLIGHT),
        "-F", "-p", str(port), "--report_gbits"]
    row = run_pair(command, [*command, "127.0.0.1"], rf"^\s*{READ}\s+\d+\s+[\d.]+\s+([\d.]+)", {})
    return float(row.group(1)) / 8


def get_bandwidth(size):
    """GB/s of UCX's one-sided gets of a mebibyte."""
    command = [
        "ucx_perftest", "-p", str(free_port()), "-t", "ucp_get", "-s", str(READ), "-n", str(size // READ), "-w", "4", "-O",
        str(IN_FLIGHT)]
    # Iterations; latency at half, average, overall; bandwidth average, overall in MiB/s.
    row = run_pair(
        command, [command[0], "127.0.0.1", *command[1:]], r"^Final:\s+\d+(?:\s+[\d.]+){3}\s+[\d.]+\s+([\d.]+)", UCX)
    return float(row.group(1)) * (1 << 20) / 1e9


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_pair(server, client, pattern, settings):
    """What a client prints once its server listens."""
    environment = os.environ | settings
    listening = subprocess.Popen(
        server, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + LIMIT
        while True:
            done = subprocess.run(
                client, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT,
                check=False)
            row = re.search(pattern, done.stdout, re.MULTILINE)
            if row:
                return row
            # The server may not listen yet.
            if time.monotonic() > end or listening.poll() is not None:
                raise Failed(f"{client[0]}: {(done.stderr or done.stdout).strip()[-300:]}")
            time.sleep(0.2)
    finally:
        listening.kill()
        listening.wait()


# MARK: Registration

def registration(stage):
    """What registering memory costs by its size, and how soon the first chunk of a lease comes."""
    require_device()
    by_size = {size: [register(size) for _ in range(stage.runs)] for size in REGISTRATIONS}
    firsts = []
    with stage.scene(SIZE, COPIES) as scene:
        scene.cluster.settings["MX_RDMA_DEVICES"] = DEVICE
        scene.cluster.start_sources([None])
        for _ in range(stage.runs + 1):
            pull = scene.cluster.start_pull(lane="verbs", integrity="crc")
            scene.cluster.await_completion([pull], scene.cluster.sources)
            firsts.append((pull.first("progress").at - pull.first("source").at) * 1000)
            scene.cluster.end([pull])
        # The first lease registers what is served; later ones find it registered.
        return Figure(
            "registration", "ms", firsts[1:], {f"ibv_reg_mr of {size >> 20} MiB": times for size, times in by_size.items()},
            details={"first_lease_ms": firsts[0], **scene.conditions()})


def register(size):
    """Milliseconds to register populated memory for others to read, by libibverbs alone."""
    verbs = ctypes.CDLL("libibverbs.so.1", use_errno=True)
    for name in ("ibv_get_device_list", "ibv_open_device", "ibv_alloc_pd", "ibv_reg_mr"):
        getattr(verbs, name).restype = ctypes.c_void_p
    devices = ctypes.cast(verbs.ibv_get_device_list(None), ctypes.POINTER(ctypes.c_void_p))
    context = verbs.ibv_open_device(ctypes.c_void_p(devices[0]))
    domain = verbs.ibv_alloc_pd(ctypes.c_void_p(context))
    with mmap.mmap(-1, size) as memory:
        for start in range(0, size, mmap.PAGESIZE):
            memory[start] = 1
        place = (ctypes.c_char * size).from_buffer(memory)
        began = time.monotonic()
        # 4: IBV_ACCESS_REMOTE_READ.
        region = verbs.ibv_reg_mr(ctypes.c_void_p(domain), ctypes.byref(place), ctypes.c_size_t(size), 4)
        took = time.monotonic() - began
        del place
        if not region:
            raise Failed(f"{size} bytes can't be registered: {os.strerror(ctypes.get_errno())}")
        verbs.ibv_dereg_mr(ctypes.c_void_p(region))
    verbs.ibv_dealloc_pd(ctypes.c_void_p(domain))
    verbs.ibv_close_device(ctypes.c_void_p(context))
    verbs.ibv_free_device_list(devices)
    return took * 1000
