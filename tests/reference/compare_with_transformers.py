"""Compares a model folder with transformers: keys, logits, and the way there and back.

    python3 tests/reference/compare_with_transformers.py PROGRAM MODEL_FOLDER [GLOBAL_POSITIONS]

Needs torch and transformers. The folder must load without missing or unexpected keys; the logits of a random
batch (padded rows; for a Longformer the global positions given, say 0,7) must agree to 1e-4 of the largest; and what
transformers saves must come back from `longform convert --to huggingface` with the same bytes. Exit 1 if not.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForMaskedLM, LongformerForMaskedLM

ROWS, TOKENS = 2, 300


def make_batch(config, positions):
    torch.manual_seed(1)
    ids = torch.randint(5, config.vocab_size, (ROWS, TOKENS))
    mask = torch.ones_like(ids)
    mask[1, TOKENS - 57 :] = 0
    ids[mask == 0] = config.pad_token_id
    global_mask = torch.zeros_like(ids)
    global_mask[:, positions] = 1
    return ids, mask, global_mask


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    positions = [int(p) for p in sys.argv[3].split(",")] if len(sys.argv) > 3 else []
    config = AutoConfig.from_pretrained(folder)
    kind = LongformerForMaskedLM if config.model_type == "longformer" else AutoModelForMaskedLM
    model, info = kind.from_pretrained(folder, output_loading_info=True)
    problems = [f"{what}: {sorted(info[what])}" for what in ("missing_keys", "unexpected_keys") if info[what]]
    ids, mask, global_mask = make_batch(config, positions)
    inputs = {"input_ids": ids, "attention_mask": mask}
    if positions:
        inputs["global_attention_mask"] = global_mask
    with torch.no_grad():
        expected = model.eval()(**inputs).logits
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        record = {"id": "b", "ids": ids.tolist(), "mask": mask.tolist()}
        if positions:
            record["global"] = [positions] * ROWS
        (scratch / "batch.jsonl").write_text(json.dumps(record) + "\n")
        subprocess.run([program, "predict", folder, scratch / "batch.jsonl", "--what", "logits",
                        "--out", scratch / "logits.safetensors"], check=True)  # fmt: skip
        received = load_file(scratch / "logits.safetensors")["b.logits"]
        real = mask.bool()
        worst = ((received - expected)[real].abs().max() / expected[real].abs().max()).item()
        print(f"logits differ by {worst:.1e} of the largest")
        if not worst < 1e-4:
            problems.append("the logits differ")
        model.save_pretrained(scratch / "saved")
        subprocess.run([program, "convert", scratch / "saved", scratch / "back", "--to", "huggingface"], check=True)
        saved, back = ((scratch / d / "model.safetensors").read_bytes() for d in ("saved", "back"))
        print("there and back:", "the same bytes" if saved == back else "other bytes")
        if saved != back:
            problems.append("model.safetensors does not come back with the same bytes")
    print("\n".join(problems) or "no missing and no unexpected keys")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
