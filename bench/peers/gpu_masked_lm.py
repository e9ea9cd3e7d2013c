"""Peer on a GPU: a training step of transformers' Longformer as a masked language model.

    python3 bench/peers/gpu_masked_lm.py MODEL_FOLDER RECORD [--tokens 4096] [--batches 1,8] [--repeats 8]

First the loss of RECORD (JSON with ids and labels) in f32 without dropout, for comparison. Then whole steps on random
tokens, 15 % of them targets, no global tokens: bf16 autocast, forward, backward, clipping, fused AdamW, with the
folder's dropout. A line of JSON for each; --device cpu rehearses the same code.
"""

import argparse
import json
import sys
import time

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


def seconds_of(model, batch, options):
    """The best time of a step, and the most memory that PyTorch held."""
    on_gpu = options.device == "cuda"
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-5, fused=True)
    ids = torch.randint(5, model.config.vocab_size, (batch, options.tokens), device=options.device)
    labels = torch.where(torch.rand(ids.shape, device=options.device) < 0.15, ids, -100)

    def step():
        with torch.autocast(options.device, dtype=torch.bfloat16):
            loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if on_gpu:
            torch.cuda.synchronize()

    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for repeat in range(options.repeats + 2):
        began = time.perf_counter()
        step()
        if repeat >= 2 or not on_gpu:  # the first warm up
            seconds.append(time.perf_counter() - began)
    return min(seconds), torch.cuda.max_memory_allocated() if on_gpu else 0


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
    for batch in options.batches.split(","):
        line = {"batch": batch, "torch": torch.__version__}
        try:
            seconds, peak = seconds_of(model, int(batch), options)
            line.update(seconds_best=seconds, tokens_per_second=int(batch) * options.tokens / seconds, peak_bytes=peak)
        except Exception as error:  # such as memory that does not suffice: a finding
            line["failed"] = f"{type(error).__name__}: {error}"[:500]
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
