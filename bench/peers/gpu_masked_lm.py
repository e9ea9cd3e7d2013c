"""Peer on a GPU: a training step of transformers' Longformer as a masked language model.

    python3 bench/peers/gpu_masked_lm.py MODEL_FOLDER RECORD [--tokens 4096] [--batches 1,8] [--repeats 8]

First the loss of RECORD (JSON with ids and labels) in f32 without dropout, for comparison. Then whole steps on random
tokens, 15 % of them targets, no global tokens: bf16 autocast, forward, backward, clipping, fused AdamW, with the
folder's dropout. A line of JSON for each; --device cpu rehearses the same code.
"""

import gpu_torch

try:
    import torch
    from transformers import LongformerForMaskedLM
except (ImportError, OSError):  # main() says so
    torch = None


def random_inputs(model, batch, options):
    ids = torch.randint(5, model.config.vocab_size, (batch, options.tokens), device=options.device)
    return {"input_ids": ids, "labels": torch.where(torch.rand(ids.shape, device=options.device) < 0.15, ids, -100)}


def main():
    options = gpu_torch.parse(gpu_torch.update_arguments(__doc__.splitlines()[0]))
    torch.manual_seed(1)
    model = LongformerForMaskedLM.from_pretrained(options.model).to(options.device)
    ids, labels = gpu_torch.record_of(options)
    gpu_torch.print_loss(model, {"input_ids": ids, "labels": labels})
    gpu_torch.print_updates(model, options, options.tokens, lambda batch: random_inputs(model, batch, options))


if __name__ == "__main__":
    main()
