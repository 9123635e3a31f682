"""One source and one target on one host, over shared memory: with CRC, with full integrity, and what that costs."""

from measurements.rounds import Rounds, wheels_on_one_host
from measurements.transfers import cost, rates, reference_cost
from output import AT_LEAST, Figure
from rig import machine

SIZE = 1 << 30
# Models that the processes hold at once: ours twice, memcpy's and two of NIXL's pairs, Mooncake's pair.
COPIES = 10
GOAL = 0.9
DIGEST = "blake2b"
CORES_TIMES_ONE, DIGEST_ALL = "cores x BLAKE2b on one core", "BLAKE2b, all cores"
ONE_CORE, ALL_CORES = "memcpy, one core", "memcpy, all cores"


def crc(stage):
    with stage.scene(SIZE, COPIES) as scene:
        peers = scene.peers()
        memcpy = peers.memcpy()
        rounds = Rounds(scene, [
            (ONE_CORE, lambda: memcpy.measure(threads=1)), (ALL_CORES, lambda: memcpy.measure(threads=machine.cores())),
        ], wheels_on_one_host(peers, stage.wheels.missing))
        scene.cluster.start_sources([None])
        take(scene, "crc")
        transfers, ratios = [], []
        for _ in range(stage.runs):
            rounds.take()
            transfers.append(take(scene, "crc"))
            ratios.append(transfers[-1].rate / rounds.last(ALL_CORES).rate)
        return Figure(
            "same-host", "GB/s", [each.rate for each in transfers], rates(rounds.samples), ratios,
            "share of memcpy on all cores", GOAL, AT_LEAST, rounds.left_out,
            {"share_of_one_core": [
                each.rate / taken.rate for each, taken in zip(transfers, rounds.samples[ONE_CORE])],
             **cost(transfers), "reference_cpu_seconds_per_gb": reference_cost(rounds.samples), **scene.conditions()})


def full(stage):
    with stage.scene(SIZE, 3) as scene:
        scene.cluster.start_sources([None])
        take(scene, "full")
        transfers, ratios, references = [], [], {CORES_TIMES_ONE: [], DIGEST_ALL: []}
        for _ in range(stage.runs):
            scene.rest()
            digest = scene.kernel_rates(DIGEST)[DIGEST]
            references[CORES_TIMES_ONE].append(digest["one core"] * machine.cores())
            references[DIGEST_ALL].append(digest["all cores"])
            transfers.append(take(scene, "full"))
            ratios.append(transfers[-1].rate / references[CORES_TIMES_ONE][-1])
        return Figure(
            "same-host-full", "GB/s", [each.rate for each in transfers], references, ratios,
            "share of cores x digest rate", GOAL, AT_LEAST, {}, {**cost(transfers), **scene.conditions()})


def verification(stage):
    """Seconds that full integrity adds to a GB, against CRC alone."""
    with stage.scene(SIZE, 3) as scene:
        sha256 = scene.peers().sha256()
        scene.cluster.start_sources([None])
        take(scene, "crc")
        plain, whole = [], []
        for _ in range(stage.runs):
            scene.rest()
            plain.append(take(scene, "crc"))
            scene.rest()
            whole.append(take(scene, "full"))
        ratios = [late.seconds / early.seconds for early, late in zip(plain, whole)]
        details = {
            "cpu_seconds_per_gb_crc": cost(plain)["cpu_seconds_per_gb"],
            "cpu_seconds_per_gb_full": cost(whole)["cpu_seconds_per_gb"],
            "kernels_gb_per_second": {**scene.kernel_rates(), "sha256 (OpenSSL)": {
                "one core": sha256.measure(threads=1).rate, "all cores": sha256.measure(threads=machine.cores()).rate}},
            **scene.conditions()}
        return Figure(
            "verification", "s/GB", [each.seconds / each.bytes * 1e9 for each in whole],
            {"the same with CRC alone": [each.seconds / each.bytes * 1e9 for each in plain]}, ratios,
            "times as long as with CRC alone", None, details=details)


def take(scene, integrity):
    return scene.cluster.transfer(lane="shm", integrity=integrity)
