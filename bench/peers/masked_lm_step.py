"""Peer: a training step of transformers' Longformer as a masked language model.

    python3 bench/peers/masked_lm_step.py MODEL_FOLDER [--tokens 4096] [--plain-malloc] [--repeats 5]

One sequence of random tokens, 15 % of them targets, no global tokens, no dropout, float32: forward, backward, clipping,
fused AdamW. Longform's own step: longform bench train with batch_size 1 and the same model.
"""

import torch
import transformers
from measure import arguments, report_step, step_options
from transformers import LongformerForMaskedLM


def main():
    options = step_options(arguments(__doc__.splitlines()[0], repeats=5))
    model = LongformerForMaskedLM.from_pretrained(
        options.model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    ).train()
    ids = torch.randint(5, model.config.vocab_size, (1, options.tokens))
    labels = torch.where(torch.rand(ids.shape) < 0.15, ids, -100)
    report_step("masked_lm_step", model, {"input_ids": ids, "labels": labels}, options,
                {"transformers": transformers.__version__, "dtype": "float32"})  # fmt: skip


if __name__ == "__main__":
    main()
