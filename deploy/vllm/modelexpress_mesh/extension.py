"""The other way in: an engine exposes its weights as vLLM computes with them, when it is told to.

`vllm serve MODEL --worker-extension-cls modelexpress_mesh.extension.WeightServer`, then `collective_rpc("start_weight_server")`.
An engine that was started with `--load-format dummy` is filled; any other one becomes a source. Source and target must be of
one build of vLLM, since each packs weights as it likes; so its version is part of what must be equal.
"""

from __future__ import annotations

import atexit
import dataclasses
from typing import Any

import vllm

from . import identity
from .agent import Agent
from .loader import log
from .session import Session
from .settings import Settings
from .tensors import Unsuitable


class WeightServer:
    """Mixed into vLLM's worker."""

    model_runner: Any
    vllm_config: Any

    def start_weight_server(self, address: str | None = None) -> str:
        """Fills this worker, or makes a source of it; blocks for as long as that takes, and says what came of it.

        `address` is as in MX_ZMQ_ADDRESS. Raises where filling the parameters would change nothing of what is computed, and
        where an engine of dummy weights finds no source.
        """
        model = self.model_runner.get_model()
        if next(model.parameters()).device.type == "cpu":
            raise Unsuitable(
                "on a CPU vLLM packs the weights of linear layers into memory that nobody else can fill; "
                "start the engine with --load-format modelexpress-mesh instead"
            )
        settings = Settings.from_environment()
        if address:
            settings = dataclasses.replace(settings, address=address)
        # Processed tensors belong to kernels that hold their addresses: a copy of them is shared.
        settings = dataclasses.replace(settings, arena="staged")
        number = identity.number(self.vllm_config)
        described = identity.of(self.vllm_config, self.vllm_config.model_config, settings, "processed")
        described = dataclasses.replace(described, revision=f"{described.revision}+vllm{vllm.__version__}")
        agent = Agent(settings, number, vllm.__version__, log)
        atexit.register(agent.close)
        session = Session(settings, agent, log)
        if self.vllm_config.load_config.load_format != "dummy":
            session.share(model, described, number)
            return "source"
        session.obtain(model, described, number, False, _no_disk)
        session.ready()
        return "filled"


def _no_disk() -> None:
    raise Unsuitable("no other replica has these weights, and an engine of dummy weights can't load them")
