"""Compares `longform predict --what attention` of a model folder with transformers' output_attentions.

    python3 tests/reference/compare_attentions.py PROGRAM MODEL_FOLDER [TOKENS]

Needs torch and transformers. For a Longformer, LED, RoBERTa or BART: two records of two rows each, of TOKENS (300) and
fewer tokens, padded, with global tokens where the model has such, different ones per row. Exit 1 if a probability
differs by more than 5e-5.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel

TOLERANCE = 5e-5


def make_records(config, tokens):
    torch.manual_seed(1)
    has_globals = config.model_type in ("longformer", "led")
    records = []
    for name, length in (("a", tokens), ("b", tokens * 2 // 3 + 1)):
        ids = torch.randint(5, config.vocab_size, (2, length))
        mask = torch.ones_like(ids)
        mask[1, length - length // 5 :] = 0
        ids[mask == 0] = config.pad_token_id
        record = {"id": name, "ids": ids.tolist(), "mask": mask.tolist()}
        if has_globals:
            record["global"] = [[0, 7, length - 1], [0, length // 2]]
        records.append(record)
    return records


def in_the_middle(attentions, columns, record):
    """A layer's band in the middle of the widest layer's, behind the columns of global tokens."""
    globals_ = max(map(len, record.get("global", [[]])))
    side = (columns - attentions.shape[3]) // 2
    band = torch.nn.functional.pad(attentions[..., globals_:], (side, side))
    return torch.cat((attentions[..., :globals_], band), dim=3)


def expected_of(encoder, record):
    """The names in the file and the tensors that transformers has for them."""
    ids, mask = torch.tensor(record["ids"]), torch.tensor(record["mask"])
    inputs = {"input_ids": ids, "attention_mask": mask, "output_attentions": True}
    if "global" in record:
        inputs["global_attention_mask"] = torch.zeros_like(ids)
        for row, positions in enumerate(record["global"]):
            inputs["global_attention_mask"][row, positions] = 1
    with torch.no_grad():
        output = encoder(**inputs)
    widest = max(attentions.shape[3] for attentions in output.attentions)
    layers = [in_the_middle(attentions * mask[:, None, :, None], widest, record) for attentions in output.attentions]
    yield f"{record['id']}.attentions", torch.stack(layers)
    if "global" in record:
        yield f"{record['id']}.global_attentions", torch.stack(output.global_attentions)[:, :, :, : ids.shape[1]]


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    config = AutoConfig.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    encoder = model.get_encoder() if config.is_encoder_decoder else model
    records = make_records(config, int(sys.argv[3]) if len(sys.argv) > 3 else 300)
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        (scratch / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        subprocess.run([program, "predict", folder, scratch / "records.jsonl", "--what", "attention",
                        "--out", scratch / "attention.safetensors"], check=True)  # fmt: skip
        received = load_file(scratch / "attention.safetensors")
    worst, compared = 0.0, 0
    for record in records:
        for key, expected in expected_of(encoder, record):
            value = received.pop(key)
            assert value.shape == expected.shape, f"{key} is {tuple(value.shape)}, not {tuple(expected.shape)}"
            worst = max(worst, (value - expected).abs().max().item())
            compared += 1
    print(f"{compared} tensors, the largest difference of a probability is {worst:.1e}")
    if received:
        print("not in transformers:", *sorted(received))
    return 0 if worst < TOLERANCE and not received else 1


if __name__ == "__main__":
    sys.exit(main())
