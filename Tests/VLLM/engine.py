"""One vLLM engine as a process: starts, says what it computes, and does what lines on its input ask for, until they end.

Prints lines of JSON on the descriptor that --output names, since vLLM writes to the others.
"""

import argparse
import json
import os
import sys
import time

PROMPT = [5, 17, 101, 33, 250, 77]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=int, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--load-format", default="modelexpress-mesh")
    parser.add_argument("--options", default="{}", help="further arguments of vllm.LLM, as JSON")
    arguments = parser.parse_args()
    output = os.fdopen(arguments.output, "w", buffering=1)

    def tell(**event):
        print(json.dumps(event), file=output)

    began = time.monotonic()
    from vllm import LLM, SamplingParams

    options = {
        "skip_tokenizer_init": True, "enforce_eager": True, "max_model_len": 128, "max_num_seqs": 4,
        # Bounded by itself: as a share of the host's memory vLLM would want it free, with five engines on one machine.
        "kv_cache_memory_bytes": 256 << 20, "disable_log_stats": True,
    } | json.loads(arguments.options)
    is_pooling = options.get("runner") == "pooling"
    # An embedding model brings its tokenizer.
    options["skip_tokenizer_init"] = not is_pooling
    imported = time.monotonic()
    try:
        engine = LLM(model=arguments.model, load_format=arguments.load_format, **options)
    except Exception as error:
        tell(event="failed", reason=f"{type(error).__name__}: {error}"[:2000])
        os._exit(1)
    ready = time.monotonic()

    def compute():
        if is_pooling:
            [result] = engine.embed(["The weights came from a neighbour."], use_tqdm=False)
            return result.outputs.embedding
        parameters = SamplingParams(temperature=0, max_tokens=16, ignore_eos=True, detokenize=False)
        [result] = engine.generate([{"prompt_token_ids": PROMPT}], parameters, use_tqdm=False)
        return list(result.outputs[0].token_ids)

    def digests():
        merged = {}
        for worker in engine.collective_rpc("compute_weight_checksums"):
            merged |= worker
        return merged

    tell(
        event="ready", computed=compute(), digests=digests(), import_seconds=imported - began,
        start_seconds=ready - imported)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            match request["do"]:
                case "compute":
                    tell(event="computed", computed=compute(), digests=digests())
                case "throughput":
                    tell(event="throughput", tokens_per_second=throughput(engine, SamplingParams, request["seconds"]))
                case "call":
                    engine.collective_rpc(request["method"], args=tuple(request.get("arguments", ())))
                    tell(event="called")
        except Exception as error:
            tell(event="error", reason=f"{type(error).__name__}: {error}"[:2000])
    # vLLM's own end takes seconds, and is not what is tested.
    os._exit(0)


def throughput(engine, parameters_of, seconds):
    parameters = parameters_of(temperature=0, max_tokens=64, ignore_eos=True, detokenize=False)
    began, count = time.monotonic(), 0
    while time.monotonic() < began + seconds:
        for result in engine.generate([{"prompt_token_ids": PROMPT}] * 4, parameters, use_tqdm=False):
            count += len(result.outputs[0].token_ids)
    return count / (time.monotonic() - began)


if __name__ == "__main__":
    main()
