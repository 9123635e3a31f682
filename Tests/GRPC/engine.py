"""One engine's worker on a CPU, as a process of its own: the public client's own loading code with NIXL, on ordinary memory.

As a source it makes tensors from a seed and publishes them until it is told to end. As a target it loads them from whoever the
server lists, compares every byte, and says so as a line of JSON."""

import argparse
import json
import os
import signal
import sys
import threading
import time

import torch
from modelexpress import p2p_pb2 as messages
from modelexpress.adapter import EngineAdapter, StrategyFailed
from modelexpress.client import MxClient
from modelexpress.load_strategy.base import publish_source_if_supported, register_tensors
from modelexpress.load_strategy.context import LoadContext, LoadResult
from modelexpress.load_strategy.rdma_strategy import RdmaStrategy
from torch import nn

DEVICE = 0


class CPU:
    """What the public client asks of an accelerator, answered for ordinary memory: it knows none without a GPU."""

    name = "cpu"
    torch_device_type = "cpu"
    nixl_mem_type = "DRAM"

    def set_device(self, device_id): pass
    def current_device(self): return DEVICE
    def synchronize(self, device_id=None): pass
    def empty_cache(self): pass
    def torch_device(self, device_id): return torch.device("cpu")
    def is_accel_tensor(self, tensor): return True
    def supports_rdma_p2p(self): return True
    def supports_pool_reg(self): return False
    def supports_vmm(self): return False
    def supports_gds(self): return False


class Adapter(EngineAdapter):
    def __init__(self, model): self.model = model
    def discover_tensors(self, result): return dict(self.model.named_parameters())
    def prepare_rdma_target(self, result): return result


def make(seed, layers, width):
    """Layers of several dtypes; without a seed all zero, as a target has them before it reads."""
    model = nn.Module()
    generator = torch.Generator().manual_seed(seed or 0)
    for index in range(layers):
        dtype = (torch.float32, torch.bfloat16, torch.float16)[index % 3]
        values = torch.randn(width, width + index, generator=generator) if seed else torch.zeros(width, width + index)
        model.register_parameter(f"layer{index}", nn.Parameter(values.to(dtype), requires_grad=False))
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=["source", "target"])
    parser.add_argument("--model", default="org/moved")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--layers", type=int, default=24)
    parser.add_argument("--width", type=int, default=512)
    chosen = parser.parse_args()
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())

    model = make(chosen.seed if chosen.role == "source" else None, chosen.layers, chosen.width)
    context = LoadContext(
        model_config=None, load_config=None, target_device=torch.device("cpu"), global_rank=0, worker_rank=0, local_rank=0,
        device_id=DEVICE, identity=messages.SourceIdentity(
            mx_version="0.7.0", model_name=chosen.model, backend_framework=1, tensor_parallel_size=1,
            pipeline_parallel_size=1, dtype="bfloat16"),
        mx_client=MxClient(), worker_id=os.urandom(4).hex(), adapter=Adapter(model), accelerator_backend=CPU())
    result = LoadResult(value=model, model=model)
    if chosen.role == "source":
        register_tensors(result, context)
        publish_source_if_supported(result, context)
        print(json.dumps({"event": "published", "worker": context.worker_id}), flush=True)
        ended.wait()
        from modelexpress.load_strategy.base import unpublish_metadata
        unpublish_metadata(context)
        print(json.dumps({"event": "ended"}), flush=True)
    else:
        strategy = RdmaStrategy()
        start = time.monotonic()
        try:
            assert strategy.is_available(context), "the strategy is not available"
            strategy.load(result, context)
            wanted = make(chosen.seed, chosen.layers, chosen.width)
            tensors = dict(model.named_parameters())
            equal = all(torch.equal(value.view(torch.uint8), tensors[name].view(torch.uint8))
                        for name, value in wanted.named_parameters())
            size = sum(value.numel() * value.element_size() for value in tensors.values())
            print(json.dumps({"event": "loaded", "equal": equal, "bytes": size, "seconds": time.monotonic() - start}), flush=True)
        except StrategyFailed as error:
            print(json.dumps({"event": "failed", "reason": str(error)}), flush=True)
    sys.stdout.flush()
    # NIXL and UCX don't always survive an orderly end of the interpreter.
    os._exit(0)


if __name__ == "__main__":
    main()
