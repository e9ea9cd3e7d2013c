"""Models with random weights and their tokenizer; a Longformer's documents and configuration. Nothing but Python."""

import array
import json
import random
import struct

import program

BASE = {"vocab_size": 50265, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072, "max_position_embeddings": 4098, "window": 512}
TINY = {"vocab_size": 341, "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 66, "window": 8}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def config(shape):
    keys = {key: value for key, value in shape.items() if key != "window"}
    return {"model_type": "longformer", "architectures": ["LongformerForMaskedLM"], **keys, "type_vocab_size": 1,
            "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "sep_token_id": 2, "layer_norm_eps": 1e-5,
            "hidden_act": "gelu", "initializer_range": 0.02, "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1, "attention_window": [shape["window"]] * shape["num_hidden_layers"]}


def linear(name, outputs, inputs):
    return [(f"{name}.weight", (outputs, inputs)), (f"{name}.bias", (outputs,))]


def parameters(shape):
    """(name, shape) of every tensor, as transformers names them."""
    D, F = shape["hidden_size"], shape["intermediate_size"]

    def norm(name):
        return [(f"{name}.weight", (D,)), (f"{name}.bias", (D,))]

    found = [("longformer.embeddings.word_embeddings.weight", (shape["vocab_size"], D)),
             ("longformer.embeddings.position_embeddings.weight", (shape["max_position_embeddings"], D)),
             ("longformer.embeddings.token_type_embeddings.weight", (1, D)),
             *norm("longformer.embeddings.LayerNorm")]
    for layer in range(shape["num_hidden_layers"]):
        base = f"longformer.encoder.layer.{layer}"
        for part in ("query", "key", "value", "query_global", "key_global", "value_global"):
            found += linear(f"{base}.attention.self.{part}", D, D)
        found += linear(f"{base}.attention.output.dense", D, D) + norm(f"{base}.attention.output.LayerNorm")
        found += linear(f"{base}.intermediate.dense", F, D)
        found += linear(f"{base}.output.dense", D, F) + norm(f"{base}.output.LayerNorm")
    return [*found, *linear("lm_head.dense", D, D), *norm("lm_head.layer_norm"),
            ("lm_head.bias", (shape["vocab_size"],))]


def write_weights(path, tensors, deviation):
    """N(0, deviation) for matrices, from a stock of numbers that repeats with a period no row has; else 1 and 0."""
    draw = random.Random(1)
    stock = array.array("f", [draw.gauss(0, deviation) for _ in range(65537)]).tobytes()
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, dims in tensors:
        count = dims[0] * (dims[1] if len(dims) > 1 else 1)
        header[name] = {"dtype": "F32", "shape": list(dims), "data_offsets": [offset, offset + 4 * count]}
        offset += 4 * count
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, dims in tensors:
            count = dims[0] * (dims[1] if len(dims) > 1 else 1)
            if len(dims) > 1:
                copies = 4 * count // len(stock) + 1
                file.write((stock * copies)[: 4 * count])
            else:
                ones = name.endswith(("orm.weight", "norm_embedding.weight"))
                file.write(array.array("f", [1.0 if ones else 0.0]).tobytes() * count)


PLAIN_BYTES = [*range(33, 127), *range(161, 173), *range(174, 256)]  # which are their own symbols


def bytes_in_order():
    return [*PLAIN_BYTES, *(byte for byte in range(256) if byte not in PLAIN_BYTES)]


def byte_symbols():
    """The visible characters that stand for the 256 bytes in a byte-level vocabulary."""
    return [chr(byte if byte in PLAIN_BYTES else 256 + n - len(PLAIN_BYTES))
            for n, byte in enumerate(bytes_in_order())]


def write(folder, settings, tensors, deviation=0.02):
    """config.json, model.safetensors and a tokenizer."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    write_weights(folder / "model.safetensors", tensors, deviation)
    write_tokenizer(folder)


def write_tokenizer(folder):
    """A token for every byte and one merge: a text without "th" has a token for every byte."""
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *byte_symbols(), "th"])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\nt h\n", encoding="utf-8")


def text(check):
    """A file of documents: the sample corpus, or its beginning."""
    path = check.folder / "text.txt"
    path.write_bytes(check.program.sample.read_bytes()[: check.size(1 << 20, 60000)])
    return path


def configuration(model, corpus, tokens, batch):
    return (f"task: masked_lm\ndata: {{path: {program.quoted(corpus)}}}\n"
            f"masked_lm: {{model: {program.quoted(model)}}}\n"
            f"stages: {{list: [{{name: micro-batch {batch}, sequence_length: {tokens}, batch_size: {batch},"
            f" micro_batch: {batch}, learning_rate: 1.0e-5, steps: 100}}]}}\n")
