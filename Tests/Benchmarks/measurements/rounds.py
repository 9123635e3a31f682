"""References that take turns with us, so that all feel the same machine."""

from references import peers as settings
from rig.processes import Failed


class Rounds:
    """`ways` are (name, callable that gives a Sample); each round takes every one of them once.

    `wheels` are (name, callable that starts a reference). Those that don't work here are left out, with the reason.
    """

    def __init__(self, scene, ways, wheels):
        self._scene = scene
        self._ways = list(ways)
        self.left_out = dict(scene.stage.wheels.missing)
        # A first round that doesn't count: connections are made, and memory is touched.
        for _, way in ways:
            way()
        for name, start in wheels:
            try:
                way = start().measure
                way()
            except Failed as failure:
                self.left_out[name] = failure.reason
            else:
                self._ways.append((name, way))
        self.samples = {name: [] for name, _ in self._ways}

    def take(self):
        self._scene.rest()
        for name, way in self._ways:
            self.samples[name].append(way())

    def last(self, name):
        return self.samples[name][-1]


def wheels_on_one_host(peers, missing):
    """(name, how it is started) of NIXL over shared memory, and of Mooncake, which has TCP alone."""
    wheels = []
    if "nixl" not in missing:
        wheels += [
            ("NIXL as it comes", lambda: peers.nixl({}, True)),
            ("NIXL, no progress thread", lambda: peers.nixl({}, False))]
    if "mooncake" not in missing:
        wheels.append(("Mooncake as it comes (TCP)", lambda: peers.mooncake(settings.MOONCAKE)))
    return wheels


def wheels_over_tcp(peers, missing, source_hosts=(None,), target_host=None):
    """The same over TCP, as they come and tuned."""
    between = (source_hosts, target_host)
    wheels = []
    if "nixl" not in missing:
        wheels += [
            ("NIXL as it comes", lambda: peers.nixl(settings.NIXL_TCP, True, *between)),
            ("NIXL, 256 KiB, no progress thread", lambda: peers.nixl(settings.NIXL_TCP_TUNED, False, *between))]
    if "mooncake" not in missing:
        wheels += [
            ("Mooncake as it comes", lambda: peers.mooncake(settings.MOONCAKE, *between)),
            ("Mooncake, connections kept", lambda: peers.mooncake(settings.MOONCAKE_TUNED, *between))]
    return wheels
