"""One source and one target on loopback, over TCP, with CRC."""

from measurements.rounds import Rounds, wheels_over_tcp
from measurements.transfers import cost, rates, reference_cost
from output import AT_LEAST, Figure

SIZE = 1 << 30
# Models that the processes hold at once: ours twice, plain TCP's pair, two pairs of each wheel.
COPIES = 12
GOAL = 0.9
# Connections of one of our lanes.
CONNECTIONS = 2


def measure(stage):
    with stage.scene(SIZE, COPIES) as scene:
        peers = scene.peers()
        plain = peers.tcp()
        same = f"plain TCP, {CONNECTIONS} connections"
        rounds = Rounds(scene, [
            (same, lambda: plain.measure(connections=CONNECTIONS)),
            ("plain TCP, 1 connection", lambda: plain.measure(connections=1)),
        ], wheels_over_tcp(peers, stage.wheels.missing))
        scene.cluster.start_sources([None])
        take(scene)
        transfers, ratios = [], []
        for _ in range(stage.runs):
            rounds.take()
            transfers.append(take(scene))
            ratios.append(transfers[-1].rate / rounds.last(same).rate)
        return Figure(
            "tcp", "GB/s", [each.rate for each in transfers], rates(rounds.samples), ratios,
            "share of plain TCP with as many connections", GOAL, AT_LEAST, rounds.left_out,
            {**cost(transfers), "connections": CONNECTIONS,
             "reference_cpu_seconds_per_gb": reference_cost(rounds.samples), **scene.conditions()})


def take(scene):
    return scene.cluster.transfer(lane="tcp", integrity="crc")
