"""Models made on the spot: a tiny Llama of random weights, with its weights or without."""

import json
import os
import shutil

import torch
from safetensors.torch import save_file

HIDDEN = 256
LAYERS = 4
HEADS = 4
INTERMEDIATE = 512
VOCABULARY = 512

WEIGHT_FILES = (".safetensors", ".bin", ".pt")


def make_llama(
    folder, seed=1, hidden=HIDDEN, layers=LAYERS, intermediate=INTERMEDIATE, vocabulary=VOCABULARY, tied=False,
    has_tokenizer=False
):
    """A checkpoint folder that vLLM serves. Equal seeds give equal weights."""
    os.makedirs(folder)
    generator = torch.Generator().manual_seed(seed)

    def weight(*shape):
        return (torch.randn(*shape, generator=generator) * 0.05).to(torch.bfloat16)

    tensors = {"model.embed_tokens.weight": weight(vocabulary, hidden), "model.norm.weight": weight(hidden) + 1}
    if not tied:
        tensors["lm_head.weight"] = weight(vocabulary, hidden)
    for layer in range(layers):
        prefix = f"model.layers.{layer}."
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}{name}.weight"] = weight(hidden) + 1
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            tensors[f"{prefix}self_attn.{name}.weight"] = weight(hidden, hidden)
        for name in ("gate_proj", "up_proj"):
            tensors[f"{prefix}mlp.{name}.weight"] = weight(intermediate, hidden)
        tensors[f"{prefix}mlp.down_proj.weight"] = weight(hidden, intermediate)
    save_file(tensors, f"{folder}/model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden,
        "intermediate_size": intermediate, "num_hidden_layers": layers, "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS, "vocab_size": vocabulary, "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 2,
    }
    with open(f"{folder}/config.json", "w") as file:
        json.dump(config, file)
    if has_tokenizer:
        write_tokenizer(folder, vocabulary)
    return folder


def write_tokenizer(folder, vocabulary):
    """Each token is a word: w0, w1 and so on."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({f"w{number}": number for number in range(vocabulary)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(f"{folder}/tokenizer.json")
    with open(f"{folder}/tokenizer_config.json", "w") as file:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "w1", "eos_token": "w2", "unk_token": "w0"}, file)


def without_weights(folder, copy):
    """The same model for whoever has no access to its weights."""
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(*(f"*{ending}" for ending in WEIGHT_FILES)))
    return copy
