"""A BART or an LED with random weights, and texts whose tokens are known without a tokenizer. Nothing but Python."""

import json
import random

import model_files
import program
from model_files import linear

LED_BASE = {"model_type": "led", "vocab_size": 50265, "d_model": 768, "layers": 6, "heads": 12, "ffn_dim": 3072,
            "window": 1024, "source": 4096, "target": 256}
LED_TINY = {"model_type": "led", "vocab_size": 341, "d_model": 64, "layers": 1, "heads": 2, "ffn_dim": 64, "window": 8,
            "source": 64, "target": 16}
BART_BASE = {**LED_BASE, "model_type": "bart", "source": 1024}
BART_TINY = {**LED_TINY, "model_type": "bart", "source": 24}


def config(shape):
    sides = {f"{side}_{key}": shape[value] for side in ("encoder", "decoder")
             for key, value in (("layers", "layers"), ("attention_heads", "heads"), ("ffn_dim", "ffn_dim"))}
    if shape["model_type"] == "led":
        name = "LEDForConditionalGeneration"
        lengths = {"attention_window": [shape["window"]] * shape["layers"],
                   "max_encoder_position_embeddings": shape["source"],
                   "max_decoder_position_embeddings": shape["target"]}
    else:
        name, lengths = "BartForConditionalGeneration", {"max_position_embeddings": shape["source"]}
    return {"model_type": shape["model_type"], "architectures": [name], "vocab_size": shape["vocab_size"],
            "d_model": shape["d_model"], **sides, **lengths, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2,
            "decoder_start_token_id": 2, "forced_eos_token_id": None, "activation_function": "gelu", "init_std": 0.02,
            "dropout": 0.1, "attention_dropout": 0.0, "activation_dropout": 0.0, "scale_embedding": False,
            "tie_word_embeddings": True}


def parameters(shape):
    """(name, shape) of every tensor, as transformers names them."""
    led, D, F = shape["model_type"] == "led", shape["d_model"], shape["ffn_dim"]
    base = "led" if led else "model"

    def norm(name):
        return [(f"{name}.weight", (D,)), (f"{name}.bias", (D,))]

    def attention(name):
        return [part for kind in ("k", "v", "q", "out") for part in linear(f"{name}.{kind}_proj", D, D)]

    def of_windows(name):
        found = linear(f"{name}.output", D, D)
        for part in ("query", "key", "value", "query_global", "key_global", "value_global"):
            found += linear(f"{name}.longformer_self_attn.{part}", D, D)
        return found

    found = [(f"{base}.shared.weight", (shape["vocab_size"], D))]
    for side, positions in (("encoder", shape["source"] + 2 * (not led)),
                            ("decoder", shape["target"] if led else shape["source"] + 2)):
        found += [(f"{base}.{side}.embed_positions.weight", (positions, D)),
                  *norm(f"{base}.{side}.layernorm_embedding")]
        for n in range(shape["layers"]):
            layer = f"{base}.{side}.layers.{n}"
            found += (of_windows if led and side == "encoder" else attention)(f"{layer}.self_attn")
            found += norm(f"{layer}.self_attn_layer_norm")
            if side == "decoder":
                found += attention(f"{layer}.encoder_attn") + norm(f"{layer}.encoder_attn_layer_norm")
            found += linear(f"{layer}.fc1", F, D) + linear(f"{layer}.fc2", D, F) + norm(f"{layer}.final_layer_norm")
    return [*found, ("final_logits_bias", (1, shape["vocab_size"]))]


def write(folder, shape):
    """Weights so large that a text depends on its source: with those of a start it repeats its first token."""
    model_files.write(folder, config(shape), parameters(shape), 2 * shape["d_model"] ** -0.5)


def letters(draw, count):
    """Words of `count` characters in all, none of which are a merge of the tokenizer."""
    return "".join(" " if n % 7 == 6 else draw.choice("abcdefg") for n in range(count))


def ids_of(text):
    """<s> its bytes </s>."""
    order = {byte: n for n, byte in enumerate(model_files.bytes_in_order())}
    return [0, *(len(model_files.SPECIAL) + order[byte] for byte in text.encode()), 2]


def write_pairs(path, shape, count):
    """Records of texts and summaries that are as long as they may be, special tokens included; the first one's ids."""
    draw = random.Random(1)
    pairs = [(letters(draw, shape["source"] - 2), letters(draw, shape["target"] - 2)) for _ in range(count)]
    path.write_text("".join(json.dumps({"id": str(n), "source": source, "target": target}) + "\n"
                            for n, (source, target) in enumerate(pairs)), encoding="utf-8")
    return {"ids": [ids_of(pairs[0][0])], "labels": [ids_of(pairs[0][1])]}


def write_sources(path, shape, count):
    """Records of random tokens, as many as the model reads, as `longform generate` takes them."""
    draw = random.Random(2)
    with open(path, "w", encoding="utf-8") as file:
        for n in range(count):
            ids = [0, *(draw.randrange(5, shape["vocab_size"]) for _ in range(shape["source"] - 2)), 2]
            file.write(json.dumps({"id": str(n), "ids": ids}) + "\n")


def configuration(model, pairs, first, shape, batch):
    return (f"task: seq2seq\ndata: {{path: {program.quoted(pairs)}}}\n"
            f"seq2seq: {{model: {program.quoted(model)}, validation: {program.quoted(first)},"
            f" target_length: {shape['target']}}}\n"
            f"stages: {{list: [{{name: micro-batch {batch}, sequence_length: {shape['source']}, batch_size: {batch},"
            f" micro_batch: {batch}, learning_rate: 1.0e-5, steps: 100}}]}}\n")
