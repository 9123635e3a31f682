"""One source, eight targets that begin at once, links of one rate: the last one's time against that of one alone."""

from measurements.transfers import cost
from output import AT_MOST, Figure
from rig import machine
from rig.cluster import Transfer
from rig.network import Link

TARGETS = 8
SIZE = 512 << 20
# Low enough that two cores are not what limits: eight targets receive, check and pass on 8 x 25 MB/s.
RATE = 200e6
GOAL = 1.10


def measure(stage):
    links = [Link(up=RATE, down=RATE)] * (TARGETS + 1)
    with stage.scene(SIZE, TARGETS + 2, links) as scene:
        source, targets = scene.hosts[0], scene.hosts[1:]
        scene.cluster.start_sources([source])
        lone, crowds, transfers, ratios, shares = [], [], [], [], []
        for _ in range(stage.runs):
            scene.rest()
            lone.append(scene.cluster.transfer(host=targets[0], lane="tcp", populated=False).elapsed)
            scene.cluster.await_offers()
            scene.rest()
            seconds, crowd = gather(scene, targets)
            used = sum(each.target_cpu + each.source_cpu for each in crowd)
            shares.append(used / (seconds * machine.cores()))
            crowds.append(seconds)
            transfers += crowd
            ratios.append(seconds / lone[-1])
        alone = sorted(lone)[len(lone) // 2]
        return Figure(
            "flash-crowd-8", "s", crowds,
            {"one lone transfer": lone, "a star (computed)": [TARGETS * alone], "doubling (computed)": [4 * alone]},
            ratios, "times one lone transfer", GOAL, AT_MOST,
            details={
                "cpu_share": max(shares), "link_mbit": RATE / 1e6,
                "from_origin": [from_origin(each) for each in transfers],
                "notes": sorted({note for each in transfers for note in each.notes}),
                **cost(transfers), **scene.conditions()})


def from_origin(transfer):
    """The share of the bytes that a target got from the one who had them first."""
    return sum(share for name, share in transfer.shares.items() if name.startswith("source"))


def gather(scene, hosts):
    """All pull at once and serve what they have; from the first that found the model to the last that has it.

    Their memory is taken as bytes come, as it is for the one alone: eight that take it at once would start late.
    """
    cluster = scene.cluster
    used = cluster.sources[0].cpu()
    pulls = [cluster.start_pull(host=host, lane="tcp", serves=True, populated=False) for host in hosts]
    cluster.await_completion(pulls, cluster.sources)
    used = (cluster.sources[0].cpu() - used) / len(pulls)
    transfers = [Transfer(pull, used) for pull in pulls]
    cluster.end(pulls)
    cluster.await_offers()
    return max(each.ended for each in transfers) - min(each.began for each in transfers), transfers
