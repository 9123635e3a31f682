"""Four sources behind equal links, one of which is killed or stopped half-way."""

import signal
import statistics
import time

from measurements.transfers import cost
from output import AT_MOST, Figure
from rig.cluster import Transfer
from rig.network import Link
from rig.processes import wait_until

SOURCES = 4
SIZE = 1 << 30
RATE = 400e6
FOUND_LIMIT = 60


def killed(stage):
    """What a death costs over the bandwidth that is lost, as a part of an undisturbed transfer."""
    return measure(
        stage, "source-killed", signal.SIGKILL, lambda over, undisturbed: over / undisturbed,
        "cost over the lost bandwidth, of an undisturbed transfer", 0.03)


def stopped(stage):
    """Seconds lost over the bandwidth that is lost."""
    return measure(
        stage, "source-stopped", signal.SIGSTOP, lambda over, _: over, "seconds lost over the lost bandwidth", 0.1)


def measure(stage, name, number, judge, ratio_of, goal):
    links = [Link(up=RATE)] * SOURCES + [Link()]
    with stage.scene(SIZE, SOURCES + 2, links) as scene:
        sources, target = scene.hosts[:-1], scene.hosts[-1]
        scene.cluster.start_sources(sources)
        undisturbed, ideals, transfers, ratios = [], [], [], []
        for _ in range(stage.runs):
            scene.rest()
            undisturbed.append(scene.cluster.transfer(host=target, lane="tcp", integrity="crc").seconds)
            scene.rest()
            transfer, after = disturbed(scene, target, number, undisturbed[-1])
            transfers.append(transfer)
            ideals.append(after + (undisturbed[-1] - after) * SOURCES / (SOURCES - 1))
            ratios.append(judge(transfer.seconds - ideals[-1], undisturbed[-1]))
        return Figure(
            name, "s", [each.seconds for each in transfers],
            {"undisturbed": undisturbed, "with the lost bandwidth alone": ideals}, ratios, ratio_of, goal, AT_MOST,
            details={
                "times_undisturbed": statistics.median(
                    each.seconds / whole for each, whole in zip(transfers, undisturbed)),
                "notes": sorted({note for each in transfers for note in each.notes}), **cost(transfers),
                **scene.conditions()})


def disturbed(scene, target, number, undisturbed):
    """A transfer whose last source gets the signal after half of the time; the transfer, and after how long it was."""
    cluster = scene.cluster
    used = {source: source.cpu() for source in cluster.sources}
    pull = cluster.start_pull(host=target, lane="tcp", integrity="crc")
    victim = cluster.sources[-1]
    found = wait_until(lambda: pull.first("source"), FOUND_LIMIT, "the sources", [pull, *cluster.sources])
    time.sleep(max(0, found.at + undisturbed / 2 - time.monotonic()))
    at, used_by_victim = time.monotonic(), victim.cpu()
    victim.signal(number)
    others = [source for source in cluster.sources if source is not victim]
    cluster.await_completion([pull], others)
    used = sum(source.cpu() - used[source] for source in others) + used_by_victim - used[victim]
    transfer = Transfer(pull, used)
    victim.kill()
    cluster.end([pull, victim])
    cluster.start_sources([victim.host])
    return transfer, at - found.at
