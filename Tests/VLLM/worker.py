"""A worker without vLLM: the package's session over a small torch model, for what needs no engine.

Prints lines of JSON: `ready` with a digest of each tensor and a computed value; then obeys lines on its input.
"""

import argparse
import hashlib
import json
import logging
import os
import sys
import time

import torch
from torch import nn

from modelexpress_mesh.agent import Agent
from modelexpress_mesh.identity import Identity
from modelexpress_mesh.session import Session
from modelexpress_mesh.settings import Settings


class Model(nn.Module):
    """Has what makes sharing hard: tied, overlapping, strided, empty and scalar tensors, and buffers of both kinds."""

    def __init__(self, mib, dtype):
        super().__init__()
        rows = max(mib, 1) * (1 << 20) // 4 // 256
        self.large = nn.Parameter(torch.zeros(rows, 256, dtype=dtype), requires_grad=False)
        base = torch.zeros(64, 96, dtype=dtype)
        self.transposed = nn.Parameter(base.t(), requires_grad=False)
        self.window = nn.Parameter(base[8:24, 16:48], requires_grad=False)
        self.head = self.large
        self.nothing = nn.Parameter(torch.zeros(0, 8, dtype=dtype), requires_grad=False)
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float32), requires_grad=False)
        self.register_buffer("steps", torch.zeros(3, dtype=torch.int64))
        # Computed, and of no interest to others.
        self.register_buffer("table", torch.arange(16.0), persistent=False)
        # Whoever looks at a tensor by another way must see what came.
        self.aliases = [self.large.data[:4]]

    def fill(self, seed, seconds=0.0, note=lambda size: None):
        generator = torch.Generator().manual_seed(seed)
        parts = 20
        rows = self.large.shape[0]
        for part in range(parts):
            section = self.large.data[part * rows // parts : (part + 1) * rows // parts]
            section.copy_(torch.randn(section.shape, generator=generator))
            note(section.numel() * section.element_size())
            time.sleep(seconds / parts)
        self.transposed.data.copy_(torch.randn(self.transposed.shape, generator=generator))
        self.scale.data.fill_(3.5 + seed)
        self.steps.copy_(torch.tensor([1, 2, seed]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=int, default=1)
    parser.add_argument("--number", type=int, default=0)
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--mib", type=int, default=16)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--model", default="test/model")
    parser.add_argument("--revision", default="1" * 40)
    parser.add_argument("--seed", type=int, help="of the weights on its disk; without it there are none")
    parser.add_argument("--load-seconds", type=float, default=0)
    parser.add_argument("--change", action="store_true", help="processing writes into a tensor in place")
    parser.add_argument("--hidden-state", action="store_true", help="loading changes what is no weight")
    options = parser.parse_args()
    output = os.fdopen(options.output, "w", buffering=1)

    def tell(**event):
        print(json.dumps(event), file=output)

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    log = logging.getLogger("worker")
    settings = Settings.from_environment()
    model = Model(options.mib, getattr(torch, options.dtype))
    session = Session(settings, Agent(settings, options.number, "none", log), log)
    loaded = False

    def load():
        nonlocal loaded
        loaded = True
        if options.seed is None:
            tell(event="failed", reason="there are no weights on this disk")
            os._exit(1)
        model.fill(options.seed, options.load_seconds, session.note_loaded)
        if options.hidden_state:
            model.extra = [torch.ones(3)]

    identity = Identity(
        model=options.model, revision=options.revision, stage="loaded", dtype=options.dtype, quantisation="",
        tensor_parallel=1, pipeline_parallel=1, expert_parallel=1)
    began = time.monotonic()
    session.obtain(model, identity, options.rank, options.seed is not None, load)
    waited = time.monotonic() - began
    if options.change:
        model.scale.data.mul_(2)
    session.ready()

    def state():
        digests = {
            name: hashlib.sha256(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
            for name, tensor in [*model.named_parameters(remove_duplicate=False), *model.named_buffers()]
        }
        # Memory files of weights that this process has open, or mapped by inode.
        opened = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
        with open("/proc/self/maps") as lines:
            mapped = {line.split()[4] for line in lines if "memfd:modelexpress-weights" in line}
        return {
            "opened": sum("memfd:modelexpress-weights" in path for path in opened), "mapped": len(mapped),
            "digests": digests, "alias": float(model.aliases[0].float().sum()),
            "beginning": float(model.large[:4].float().sum()), "is_tied": model.head is model.large,
        }

    tell(event="ready", loaded=loaded, seconds=waited, **state())
    for line in sys.stdin:
        match json.loads(line)["do"]:
            case "state":
                tell(event="state", **state())
            case "change":
                session.stop_sharing("a test changes them")
                model.large.data.zero_()
                tell(event="changed")
    os._exit(0)


if __name__ == "__main__":
    main()
