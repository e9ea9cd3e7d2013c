"""Peer on a GPU: a training step of transformers' Longformer as a masked language model.

    python3 bench/peers/gpu_masked_lm.py MODEL_FOLDER RECORD [--tokens 4096] [--batches 1,8] [--repeats 8]

First the loss of RECORD (JSON with ids and labels) in f32 without dropout, for comparison. Then whole steps on random
tokens, 15 % of them targets, no global tokens: bf16 autocast, forward, backward, clipping, fused AdamW, with the
folder's dropout. A line of JSON for each; --device cpu rehearses the same code.
"""

import argparse
import json
import sys

import gpu_torch

try:
    import torch
    from transformers import LongformerForMaskedLM
except (ImportError, OSError):  # main() says so
    torch = None


def loss_of(model, path, device):
    with open(path, encoding="utf-8") as file:
        record = json.loads(file.readline())
    ids, labels = (torch.tensor(record[name], device=device) for name in ("ids", "labels"))
    with torch.no_grad():
        return model.eval()(input_ids=ids, labels=labels).loss.item()


def random_inputs(model, batch, options):
    ids = torch.randint(5, model.config.vocab_size, (batch, options.tokens), device=options.device)
    return {"input_ids": ids, "labels": torch.where(torch.rand(ids.shape, device=options.device) < 0.15, ids, -100)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("record")
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args()
    if why := gpu_torch.why_not(options.device, "transformers"):
        print(json.dumps({"left_out": why}))
        sys.exit(0)
    torch.manual_seed(1)
    model = LongformerForMaskedLM.from_pretrained(options.model).to(options.device)
    print(json.dumps({"loss": loss_of(model, options.record, options.device)}), flush=True)
    gpu_torch.print_updates(model, options, options.tokens, lambda batch: random_inputs(model, batch, options))


if __name__ == "__main__":
    main()
