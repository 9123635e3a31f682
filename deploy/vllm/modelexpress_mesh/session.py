"""How one model of a worker gets its weights: from the mesh, else from disk, and becomes a source of them. Knows no vLLM."""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import Callable

import torch
from torch import nn

from . import tensors
from .agent import Agent, Verdict
from .arena import Arena, require_memory, return_freed_memory
from .identity import Identity
from .settings import Settings
from .tensors import Unsuitable, Weights

# How many names a line of the log gives.
_NAMES = 8


class Session:
    """One worker's weights, from the model that is still empty to the engine that is ready.

    `agent` is None where no sockets could be made; everything comes from disk then.
    """

    def __init__(self, settings: Settings, agent: Agent | None, log: logging.Logger) -> None:
        self._settings = settings
        self._agent = agent
        self._log = log

    def obtain(
        self, model: nn.Module, identity: Identity, rank: int, may_load: bool, load_from_disk: Callable[[], None]
    ) -> None:
        """Fills `model`, and returns when its tensors hold its weights and nobody else touches them.

        Whatever `load_from_disk` raises goes through.
        """
        verdict = Verdict(False, "the worker's sockets can't be made")
        weights: Weights | None = None
        began = time.monotonic()
        if self._agent is not None:
            try:
                weights = tensors.find(model)
                self._describe(weights, identity, rank, may_load)
                require_memory(weights.total_bytes)
                self._log.info("waiting for %d bytes of weights from other replicas", weights.total_bytes)
                verdict = self._agent.wait_for_weights(functools.partial(Arena, weights))
            except (Unsuitable, OSError) as error:
                self._agent.stand_apart()
                self._agent, verdict = None, Verdict(False, str(error))
        if verdict.is_filled and weights is not None:
            self._hand_over(weights, verdict, time.monotonic() - began)
        else:
            self._log.info("the weights come from disk: %s", verdict.reason)
            self._load(model, load_from_disk)

    def share(self, model: nn.Module, identity: Identity, rank: int) -> None:
        """Makes a source of a model that has its weights already. Raises `Unsuitable` where it can't be one."""
        if self._agent is None:
            raise Unsuitable("the worker's sockets can't be made")
        weights = tensors.find(model)
        self._describe(weights, identity, rank, may_load=True)
        self._agent.begin_loading()
        self._offer(weights)
        self._agent.ready()

    def ready(self) -> None:
        """vLLM has processed the weights."""
        if self._agent is not None:
            self._agent.ready()

    def stop_sharing(self, why: str) -> None:
        """The weights are about to change."""
        if self._agent is not None:
            self._agent.stop_sharing(why)

    def note_loaded(self, size: int) -> None:
        """So many bytes more were read from disk."""
        if self._agent is not None:
            self._agent.note_loaded(size)

    def _describe(self, weights: Weights, identity: Identity, rank: int, may_load: bool) -> None:
        assert self._agent is not None
        self._agent.describe(
            {
                "identity": dataclasses.asdict(identity),
                "rank": rank,
                "mayShare": bool(identity.revision) or self._settings.allow_unpinned,
                "mayLoad": may_load,
                "storages": list(zip(weights.names, weights.sizes, strict=True)),
                "tensors": [dataclasses.astuple(view) for view in weights.views],
            },
            weights.total_bytes,
        )

    def _is_shared(self, weights: Weights) -> bool:
        """Whether tensors live in the arena, and not a copy of them."""
        if self._settings.arena != "auto":
            return self._settings.arena == "shared"
        return all(tensor.device.type == "cpu" for group in weights.tensors for tensor in group)

    def _hand_over(self, weights: Weights, verdict: Verdict, seconds: float) -> None:
        assert self._agent is not None and self._agent.arena is not None
        began = time.monotonic()
        arena = self._agent.arena
        with torch.no_grad():
            if self._is_shared(weights):
                arena.move_in(weights)
                return_freed_memory()
            else:
                arena.copy_out(weights)
        moved = time.monotonic()
        # Those who read from us while we were filled.
        if not self._agent.wait_until_digested(arena, self._settings.drain_wait):
            self._log.info("readers were still there after %g s", self._settings.drain_wait)
        self._log.info(
            "weights came from other replicas: %s; waited %.2f s, handed over in %.3f s, drained in %.3f s",
            verdict.reason, seconds, moved - began, time.monotonic() - moved,
        )

    def _load(self, model: nn.Module, load_from_disk: Callable[[], None]) -> None:
        if self._agent is None:
            load_from_disk()
            return
        self._agent.begin_loading()
        before = tensors.find(model).layout(), tensors.other_state(model)
        load_from_disk()
        try:
            self._become_source(model, *before)
        except (Unsuitable, OSError) as error:
            self._log.warning("this worker is no source of its weights: %s", error)
            self._agent.stand_apart()

    def _become_source(self, model: nn.Module, layout: list, state: dict) -> None:
        assert self._agent is not None
        weights = tensors.find(model)
        if weights.layout() != layout:
            raise Unsuitable("loading made other tensors of them than a replica has that loads nothing")
        changed = tensors.changes(state, tensors.other_state(model))
        if changed:
            raise Unsuitable(
                "loading changed what is neither parameter nor buffer, and would be missing where only those arrive: "
                + ", ".join(changed[:_NAMES])
            )
        self._offer(weights)

    def _offer(self, weights: Weights) -> None:
        assert self._agent is not None
        require_memory(weights.total_bytes)
        arena = Arena(weights)
        with torch.no_grad():
            arena.copy_in(weights)
            if self._is_shared(weights):
                arena.move_in(weights)
                return_freed_memory()
        # Nobody but the tensors themselves writes to it from here on.
        arena.seal()
        began = time.monotonic()
        if self._agent.wait_until_digested(arena, self._settings.digest_wait):
            self._log.info("%d bytes of weights were digested in %.2f s", weights.total_bytes, time.monotonic() - began)
        else:
            self._log.warning("no sidecar has digested the weights; this worker is no source of them")
