"""The part of ModelExpress that lives in vLLM's worker processes.

It describes a model's tensors to the sidecar of its pod, hands it their memory, and waits until the sidecar has filled it from
the memory of other replicas, or says that the weights are to be loaded from disk. Everything else is the sidecar's.
"""

__version__ = "0.1.0"

# Of the JSON that the two exchange. A sidecar of another one is refused.
PROTOCOL = 1

# The versions of vLLM that the whole was tested with. Others are tried, with a line in the log.
TESTED_VLLM = ("0.32.0",)
