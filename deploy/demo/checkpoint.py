"""A checkpoint like those that people serve: a language model in several safetensors files, with random weights."""

import json
import os
import struct

_BYTES_PER_WEIGHT = 2  # BF16
_SHARDS = 4
_VOCABULARY = 32000
# Weights are taken out of one block of random bytes, each piece from another place in it and with a number of its own
# in front, so that no two chunks are the same.
_BLOCK = 64 << 20
_PIECE = 4 << 20
_STRIDE = 2_654_435
_STAMP = struct.Struct("<QQ")


def generate(folder, size):
    """Writes a checkpoint of about `size` bytes of weights; a little less, since shapes are whole."""
    os.makedirs(folder)
    hidden = 2048 if size >= 512 << 20 else 512
    tensors, layers = _tensors(size, hidden)
    shards = _shards(tensors)
    block = memoryview(os.urandom(_BLOCK))
    names = [f"model-{index + 1:05}-of-{len(shards):05}.safetensors" for index in range(len(shards))]
    piece = 0
    for name, shard in zip(names, shards):
        piece = _write_shard(os.path.join(folder, name), shard, block, piece)
    _write_json(folder, "model.safetensors.index.json", {
        "metadata": {"total_size": sum(_size(shape) for _, shape in tensors)},
        "weight_map": {tensor: name for name, shard in zip(names, shards) for tensor, _ in shard},
    })
    _write_json(folder, "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
        "hidden_size": hidden, "intermediate_size": hidden * 11 // 4, "num_hidden_layers": layers,
        "num_attention_heads": hidden // 128, "vocab_size": dict(tensors)["model.embed_tokens.weight"][0],
        "tie_word_embeddings": True,
    })


def _tensors(size, hidden):
    """Names and shapes in the order of the files, and the number of layers; the vocabulary takes what layers leave."""
    inner = hidden * 11 // 4
    layer = [
        ("input_layernorm", [hidden]), ("post_attention_layernorm", [hidden]),
        ("self_attn.q_proj", [hidden, hidden]), ("self_attn.k_proj", [hidden, hidden]),
        ("self_attn.v_proj", [hidden, hidden]), ("self_attn.o_proj", [hidden, hidden]),
        ("mlp.gate_proj", [inner, hidden]), ("mlp.up_proj", [inner, hidden]), ("mlp.down_proj", [hidden, inner]),
    ]
    layer_size = sum(_size(shape) for _, shape in layer)
    layers = (size - _size([_VOCABULARY, hidden])) // layer_size
    vocabulary = (size - layers * layer_size - _size([hidden])) // _size([hidden])
    tensors = [("model.embed_tokens.weight", [vocabulary, hidden])]
    for index in range(layers):
        tensors += [(f"model.layers.{index}.{name}.weight", shape) for name, shape in layer]
    return tensors + [("model.norm.weight", [hidden])], layers


def _size(shape):
    size = _BYTES_PER_WEIGHT
    for length in shape:
        size *= length
    return size


def _shards(tensors):
    """Cuts the list in files of about the same size."""
    limit = sum(_size(shape) for _, shape in tensors) / _SHARDS
    shards, filled = [[]], 0
    for tensor in tensors:
        if filled >= limit and len(shards) < _SHARDS:
            shards.append([])
            filled = 0
        shards[-1].append(tensor)
        filled += _size(tensor[1])
    return shards


def _write_shard(path, tensors, block, piece):
    """Writes one file; `piece` numbers the pieces of the whole checkpoint, and the next number is returned."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + _size(shape)]}
        offset += _size(shape)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb", buffering=0) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        while offset > 0:
            length = min(_PIECE, offset)
            start = piece * _STRIDE % (_BLOCK - _PIECE)
            stamp = _STAMP.pack(piece, offset)[:length]
            file.write(stamp)
            file.write(block[start:start + length - len(stamp)])
            offset -= length
            piece += 1
    return piece


def _write_json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
