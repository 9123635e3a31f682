"""The rounds: targets that fill fresh folders at once, compared with the source afterwards."""

import dataclasses
import os
import shutil
import time

from children import describe_status
from failure import DemoError

TARGETS = 3
# A round that is slower than this hangs; bytes a second for all its targets together, and seconds for what is the same
# for every size.
_SLOWEST_ROUND = 20_000_000
_ROUND_LIMIT_S = 90.0
_POLL_S = 0.02
_PROGRESS_S = 0.1
# In the kill round every peer serves at this part of the model a second: two sources take at least 2.5 s to let all of
# it out once.
THROTTLE_PARTS = 5
# A source is killed once it has served this part of the model.
_KILL_PARTS = 10


@dataclasses.dataclass
class Round:
    """What a round was, and what came of it."""

    name: str
    title: str
    lane: str
    targets: list = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    gigabytes_per_second: float = 0.0
    # In the kill round only.
    killed: str = ""
    killed_after_bytes: int = 0
    rate: int = 0

    @property
    def is_equal(self):
        return len(self.targets) == TARGETS and all(target.is_equal for target in self.targets)


@dataclasses.dataclass
class Target:
    """How one target did. `differing` are files unlike the source's; None while they aren't compared."""

    name: str
    seconds: float
    bytes: int
    chunks_verified: int
    sources: list
    differing: list | None = None

    @property
    def is_equal(self):
        return self.differing == []


class Play:
    """Plays rounds in a cluster with one model."""

    def __init__(self, cluster, model, model_bytes, copies_folder, digests, screen):
        self._cluster = cluster
        self._model = model
        self._model_bytes = model_bytes
        self._copies = copies_folder
        self._digests = digests
        self._screen = screen

    def play(self, plan, sources):
        """A round with the given sources, all alive throughout. What comes of it is in `plan`, also when it fails."""
        self._run(plan, sources, lambda _: None)

    def play_with_kill(self, plan, sources):
        """A round in which the source that first has served a tenth of the model is killed."""
        plan.rate = self._model_bytes // THROTTLE_PARTS

        def kill_when_due(is_over):
            if plan.killed:
                return
            for source in sources:
                served = self._cluster.bytes_served(source.label) or 0
                if served * _KILL_PARTS >= self._model_bytes:
                    if served >= self._model_bytes:
                        raise DemoError(f"{source.label} had served all before it could be killed", source.log)
                    source.kill()
                    plan.killed, plan.killed_after_bytes = source.label, served
                    return
            if is_over:
                raise DemoError("the targets were done before a source could be killed", sources[0].log)

        self._run(plan, sources, kill_when_due)

    def remove_copies(self):
        shutil.rmtree(self._copies, ignore_errors=True)

    def _run(self, plan, sources, tick):
        self.remove_copies()
        names = [f"target-{number + 1}" for number in range(TARGETS)]
        folders = [os.path.join(self._copies, name) for name in names]
        os.makedirs(self._copies)
        pulls = [
            self._cluster.start_pull(name, self._model, folder, plan.lane, plan.rate)
            for name, folder in zip(names, folders)]
        try:
            self._wait(plan, pulls, sources, tick)
        finally:
            completions = [(pull.label, *completed) for pull in pulls if (completed := pull.last("event", "complete"))]
            plan.targets = [_target(name, event) for name, _, event in completions]
        begins = [pull.first("event", "found")[0] for pull in pulls]
        plan.seconds = max(arrived for _, arrived, _ in completions) - min(begins)
        plan.gigabytes_per_second = sum(target.bytes for target in plan.targets) / 1e9 / plan.seconds
        self._check_lanes(plan, pulls)
        self._screen.progress(plan.name, "comparing the copies with the source")
        for target, differing in zip(plan.targets, self._digests.differences(folders)):
            target.differing = differing
        self._cluster.end(pulls)

    def _wait(self, plan, pulls, sources, tick):
        """Returns when every pull is complete and its process has ended."""
        limit_s = _ROUND_LIMIT_S + TARGETS * self._model_bytes / _SLOWEST_ROUND
        limit = time.monotonic() + limit_s
        shown = 0.0
        while True:
            is_over = all(pull.last("event", "complete") for pull in pulls)
            tick(is_over)
            for pull in pulls:
                _require_sound(pull)
            for watched in (*sources, self._cluster.server):
                if watched.label != plan.killed:
                    watched.require_alive()
            if is_over and all(pull.exit_status is not None for pull in pulls):
                return
            now = time.monotonic()
            if now > limit:
                slow = next(pull for pull in pulls if pull.exit_status is None)
                raise DemoError(f"{slow.label} was not done within {limit_s:.0f} s", slow.log)
            if now - shown > _PROGRESS_S:
                self._screen.progress(plan.name, self._progress(plan, pulls))
                shown = now
            time.sleep(_POLL_S)

    def _progress(self, plan, pulls):
        parts = []
        for pull in pulls:
            event = pull.last("event", "progress")
            share = event[1]["bytes"] / self._model_bytes if event else 0
            parts.append(f"{pull.label} {share:4.0%}")
        killed = f"   ({plan.killed} was killed)" if plan.killed else ""
        return f"{plan.title}: {'   '.join(parts)}{killed}"

    def _check_lanes(self, plan, pulls):
        for target, pull in zip(plan.targets, pulls):
            others = {source["lane"] for source in target.sources if source["bytes"]} - {plan.lane}
            if others:
                raise DemoError(f"{target.name} read over {', '.join(sorted(others))} instead of {plan.lane}", pull.log)


def _target(name, event):
    return Target(
        name=name, seconds=event["seconds"], bytes=event["bytes"], chunks_verified=event["chunks"],
        sources=event["sources"])


def _require_sound(pull):
    """Raises `DemoError` for a pull that has failed."""
    failed = pull.last("event", "failed")
    if failed:
        raise DemoError(f"{pull.label} failed: {failed[1].get('message', 'no reason was given')}", pull.log)
    if pull.exit_status is None:
        return
    pull.settle()
    if pull.exit_status != 0 or not pull.last("event", "complete"):
        raise DemoError(f"{pull.label} ended early with {describe_status(pull.exit_status)}", pull.log)
