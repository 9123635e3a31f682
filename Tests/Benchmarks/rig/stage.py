"""What every measurement of the transfer engine stands on."""

import contextlib
import os
import shutil
import sys
import tempfile

from references.peers import Peers
from references.wheels import Wheels
from rig import machine
from rig.cluster import Cluster
from rig.content import write_model
from rig.kernels import kernel_rates
from rig.network import Network, why_impossible
from rig.processes import Processes

# Seconds that a run waits for others to leave the machine alone.
QUIET_LIMIT = 2


class Skipped(Exception):
    """What is measured can't be measured here; the message says why."""


class Stage:
    """Programs, number of runs, and scratch folders that go away whatever happens."""

    def __init__(self, programs, runs, interrupts):
        self.programs = programs
        self.runs = runs
        self._interrupts = interrupts
        self._wheels = None

    @property
    def wheels(self):
        """Looked for once, when the first measurement wants them."""
        if self._wheels is None:
            self._wheels = Wheels(tell)
        return self._wheels

    @contextlib.contextmanager
    def scene(self, size, copies, links=None):
        """A model in memory, processes, and hosts when there are links; all gone at the end."""
        if links is not None:
            reason = why_impossible()
            if reason is not None:
                raise Skipped(reason)
        with contextlib.ExitStack() as stack:
            with self._interrupts.held():
                heavy = tempfile.mkdtemp(prefix="mx-bench-", dir="/dev/shm")
                stack.callback(shutil.rmtree, heavy, ignore_errors=True)
                # Sockets lie here, whose paths are limited to 107 bytes.
                light = tempfile.mkdtemp(prefix="mx-bench-", dir="/tmp")
                stack.callback(shutil.rmtree, light, ignore_errors=True)
            model = write_model(heavy, size, copies)
            network = stack.enter_context(Network(links)) if links is not None else None
            processes = stack.enter_context(Processes(self._interrupts))
            yield Scene(self, model, processes, light, network.hosts if network else [])


class Scene:
    def __init__(self, stage, model, processes, folder, hosts):
        self.stage = stage
        self.model = model
        self.hosts = hosts
        self.cluster = Cluster(stage.programs, processes, folder, model)
        self._processes = processes
        self._folder = folder
        # What others used of the machine before each run.
        self.others = []

    def peers(self):
        return Peers(self._processes, self._folder, self.model.bytes, self.stage.wheels)

    def kernel_rates(self, *names):
        program = os.path.join(self.stage.programs, "modelexpress")
        return kernel_rates(self._processes, program, self._folder, names)

    def rest(self):
        """Before each run."""
        self.others.append(machine.await_quiet(QUIET_LIMIT))

    def conditions(self):
        """Of the machine, to be told with a figure."""
        return {"cores": machine.cores(), "load": machine.load(), "others_share": max(self.others, default=0.0)}


def tell(text):
    """News for people, beside the figures."""
    print(f"Tests/Benchmarks/run.sh: {text}", file=sys.stderr, flush=True)
