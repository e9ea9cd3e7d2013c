"""Writes tests/golden/generation_*: small trained BART and LED, and what transformers generates with them.

    python3 tests/reference/make_generation_golden.py [OUTPUT_FOLDER]

Needs torch, transformers and safetensors. Each model learns for a minute to write its source's tokens in reverse,
twice, so that its probabilities mean something: a decoder with random weights repeats one token. The cases cover the
options one by one and together; one whose outcome rounding may turn is left out.
generation_NAME.safetensors has the parameters, generation_NAME.json the cases: source ids, global positions, the
arguments of generate(), and the ids and scores that it gives.
"""

import json
import pathlib
import random
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import BartConfig, BartForConditionalGeneration, LEDConfig, LEDForConditionalGeneration

VOCABULARY, PAD, BOS, EOS, START = 40, 1, 0, 2, 2


def make_model(name):
    sizes = {
        "vocab_size": VOCABULARY, "d_model": 32, "encoder_layers": 1, "decoder_layers": 2,
        "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
        "dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0, "pad_token_id": PAD, "bos_token_id": BOS,
        "eos_token_id": EOS, "decoder_start_token_id": START, "forced_eos_token_id": None,
    }  # fmt: skip
    if name == "bart":
        return BartForConditionalGeneration(BartConfig(max_position_embeddings=48, **sizes))
    return LEDForConditionalGeneration(LEDConfig(
        attention_window=8, max_encoder_position_embeddings=48, max_decoder_position_embeddings=48, **sizes
    ))  # fmt: skip


def source_of(draw):
    return [BOS] + [draw.randrange(5, VOCABULARY) for _ in range(draw.randrange(2, 9))] + [EOS]


def target_of(source):
    inner = source[1:-1][::-1]
    return [BOS] + inner + inner + [EOS]


def padded(rows, value):
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


def train(model, draw, steps):
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(steps):
        sources = [source_of(draw) for _ in range(32)]
        ids = padded(sources, PAD)
        model(input_ids=ids, attention_mask=(ids != PAD).long(), labels=padded(list(map(target_of, sources)), -100)
              ).loss.backward()  # fmt: skip
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def options():
    """The arguments of generate() for every case."""
    beams = {"num_beams": 4, "max_length": 20}
    yield from [
        {"max_length": 20}, {"max_new_tokens": 6}, {"max_length": 24, "min_length": 14},
        {"max_length": 20, "no_repeat_ngram_size": 1}, {"max_length": 20, "no_repeat_ngram_size": 2},
        {"max_length": 20, "repetition_penalty": 1.7}, {"max_length": 20, "forced_bos_token_id": 7},
        {"max_length": 9, "forced_eos_token_id": EOS}, {"max_length": 20, "eos_token_id": [EOS, 9, 23]},
        {"max_length": 20, "min_new_tokens": 9, "repetition_penalty": 0.8},
    ]  # fmt: skip
    yield from [
        beams, beams | {"num_beams": 2}, beams | {"num_beams": 7}, beams | {"num_return_sequences": 4},
        beams | {"num_beams": 3, "num_return_sequences": 2, "early_stopping": True}, beams | {"early_stopping": True},
        beams | {"early_stopping": "never"}, beams | {"early_stopping": "never", "length_penalty": 2.0},
        beams | {"early_stopping": "never", "length_penalty": -1.0}, beams | {"length_penalty": 0.0},
        beams | {"length_penalty": 2.0, "num_return_sequences": 3}, beams | {"length_penalty": -0.5},
        beams | {"length_penalty": 0.6, "early_stopping": True, "num_return_sequences": 4},
        beams | {"min_length": 12}, beams | {"max_length": 40, "min_length": 30}, beams | {"max_length": 6},
        beams | {"max_new_tokens": 5, "max_length": None}, beams | {"no_repeat_ngram_size": 1},
        beams | {"no_repeat_ngram_size": 2}, beams | {"no_repeat_ngram_size": 3, "length_penalty": 2.0},
        beams | {"repetition_penalty": 1.3}, beams | {"repetition_penalty": 0.7, "num_return_sequences": 2},
        beams | {"forced_bos_token_id": BOS}, beams | {"forced_bos_token_id": 11, "num_return_sequences": 2},
        beams | {"forced_eos_token_id": EOS, "max_length": 8},
        beams | {"forced_eos_token_id": EOS, "max_length": 12, "min_length": 12},
        beams | {"forced_eos_token_id": EOS, "max_length": 10, "no_repeat_ngram_size": 2, "early_stopping": "never"},
        beams | {"eos_token_id": [EOS, 12]}, beams | {"eos_token_id": [EOS, 12, 30], "num_return_sequences": 3},
        beams | {"eos_token_id": [EOS, 6, 17], "early_stopping": True, "length_penalty": 2.0},
        beams | {"min_new_tokens": 10}, beams | {"min_new_tokens": 4, "length_penalty": -2.0},
        beams | {"max_length": 30, "min_length": 8, "no_repeat_ngram_size": 3, "length_penalty": 2.0,
                 "early_stopping": True, "num_beams": 5, "num_return_sequences": 5, "forced_eos_token_id": EOS},
        beams | {"max_length": 26, "repetition_penalty": 1.2, "no_repeat_ngram_size": 2, "min_length": 9,
                 "forced_bos_token_id": BOS, "num_beams": 6},
        beams | {"prompt": [START, BOS, 8]}, beams | {"prompt": [START, 14], "no_repeat_ngram_size": 2},
        {"max_length": 18, "prompt": [START, BOS, 20, 21]}, beams | {"prompt": [BOS], "num_return_sequences": 2},
    ]  # fmt: skip


def generate(model, source, globals_, arguments):
    arguments = dict(arguments)
    prompt = arguments.pop("prompt", None)
    if prompt is not None:
        arguments["decoder_input_ids"] = torch.tensor([prompt])
    if globals_ is not None:
        mask = torch.zeros(1, len(source), dtype=torch.long)
        mask[0, globals_] = 1
        arguments["global_attention_mask"] = mask
    return model.generate(
        torch.tensor([source]), attention_mask=torch.ones(1, len(source), dtype=torch.long), do_sample=False,
        return_dict_in_generate=True, output_scores=True, **arguments,
    )  # fmt: skip


def is_clear(model, source, globals_, arguments, output):
    """Whether the same ids come from a model with slightly other weights, rounding being such a change."""
    expected = output.sequences.tolist()
    for seed in range(6):
        torch.manual_seed(seed)
        before = [p.detach().clone() for p in model.parameters()]
        with torch.no_grad():
            for p in model.parameters():
                p.mul_(1 + 2e-6 * torch.randn_like(p))
        same = generate(model, source, globals_, arguments).sequences.tolist() == expected
        with torch.no_grad():
            for p, value in zip(model.parameters(), before):
                p.copy_(value)
        if not same:
            return False
    return True


def cases_of(model, name, draw):
    cases, unclear = [], 0
    for arguments in options():
        for _ in range(2):
            source = source_of(draw)
            globals_ = sorted({0, draw.randrange(len(source))}) if name == "led" else None
            output = generate(model, source, globals_, arguments)
            if not is_clear(model, source, globals_, arguments, output):
                unclear += 1
                continue
            scores = None if arguments.get("num_beams", 1) == 1 else output.sequences_scores.tolist()
            cases.append({"ids": source, "global": globals_, "settings": arguments,
                          "output_ids": output.sequences.tolist(), "scores": scores})  # fmt: skip
    print(name, len(cases), "cases,", unclear, "left out")
    return cases


if __name__ == "__main__":
    default = pathlib.Path(__file__).resolve().parent.parent / "golden"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    made_with = {"torch": torch.__version__, "transformers": transformers.__version__}
    for seed, name in enumerate(["bart", "led"]):
        torch.manual_seed(300 + seed)
        draw = random.Random(300 + seed)
        model = train(make_model(name), draw, 700)
        parameters = {key: p.detach().contiguous().clone() for key, p in model.named_parameters()}
        save_file(parameters, folder / f"generation_{name}.safetensors", {"format": "pt", **made_with})
        lines = ",\n".join(json.dumps(case) for case in cases_of(model, name, draw))
        config = {key: value for key, value in model.config.to_dict().items() if value is not None}
        (folder / f"generation_{name}.json").write_text(
            '{"config": ' + json.dumps(config) + ',\n"cases": [\n' + lines + "\n]}\n")
