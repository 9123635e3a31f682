"""Four sources behind limited links fill one target: the time against what their links can give."""

from measurements.rounds import wheels_over_tcp
from measurements.transfers import cost
from output import AT_LEAST, AT_MOST, Figure
from rig import machine
from rig.network import Link
from rig.processes import Failed

SIZE = 1 << 30
# Models that the processes hold at once: four sources and a target, and as many of a reference.
COPIES = 10
RATE = 400e6
EQUAL, SKEWED = (1, 1, 1, 1), (1, 1, 0.5, 0.1)
# Seconds over which plain TCP shows what the links give, and its connections to each source: as many as our lane has.
SHOWN = 3.0
CONNECTIONS = 2
PLAIN = "plain TCP, perfectly divided"


def equal(stage):
    """At least 0.97 of the sum of the rates."""
    return measure(stage, "fan-in-equal", EQUAL, lambda ours, ideal: ideal / ours, "share of the links' sum", 0.97, AT_LEAST)


def skewed(stage):
    """At most 1.02 of the ideal time."""
    return measure(stage, "fan-in-skewed", SKEWED, lambda ours, ideal: ours / ideal, "times the ideal", 1.02, AT_MOST)


def measure(stage, name, rates, compare, ratio_of, goal, bound):
    links = [Link(up=RATE * rate) for rate in rates] + [Link()]
    with stage.scene(SIZE, COPIES, links) as scene:
        sources, target = scene.hosts[:-1], scene.hosts[-1]
        references, left_out = measure_wheels(scene, sources, target, stage.runs if rates == EQUAL else 1)
        plain = scene.peers().tcp(sources, target)
        scene.cluster.start_sources(sources)
        transfers, ratios, ideals, cpu_shares = [], [], [], []
        for _ in range(stage.runs):
            scene.rest()
            ideals.append(scene.model.bytes / sum(plain.rates(SHOWN, connections=CONNECTIONS)))
            scene.rest()
            transfers.append(scene.cluster.transfer(host=target, lane="tcp", integrity="crc"))
            used = transfers[-1].target_cpu + transfers[-1].source_cpu
            cpu_shares.append(used / (transfers[-1].seconds * machine.cores()))
            ratios.append(compare(transfers[-1].seconds, ideals[-1]))
        nominal = scene.model.bytes / (RATE / 8 * sum(rates))
        return Figure(
            name, "s", [each.seconds for each in transfers],
            {PLAIN: ideals, "links' nominal rates": [nominal], **references}, ratios, f"{ratio_of} (plain TCP's)", goal,
            bound, left_out,
            {"share_of_nominal": [nominal / each.seconds for each in transfers], "cpu_share": max(cpu_shares),
             "links_mbit": [RATE * rate / 1e6 for rate in rates], "shares": [each.shares for each in transfers],
             "notes": sorted({note for each in transfers for note in each.notes}), **cost(transfers),
             **scene.conditions()})


def measure_wheels(scene, sources, target, runs):
    """Seconds of the wheels, which divide the bytes evenly beforehand, and why some give none.

    One after the other: each holds five models.
    """
    seconds, left_out = {}, dict(scene.stage.wheels.missing)
    for name, start in wheels_over_tcp(scene.peers(), left_out, sources, target):
        name = f"{name}, evenly divided"
        scene.rest()
        reference = start()
        try:
            seconds[name] = [reference.measure().seconds for _ in range(runs)]
        except Failed as failure:
            left_out[name] = failure.reason
        finally:
            reference.end()
    return seconds, left_out
