"""Peer: a training step of transformers' LED or BART.

    python3 bench/peers/seq2seq_step.py MODEL_FOLDER [--tokens 4096] [--target 256] [--bf16] [--plain-malloc]

One source and target of random tokens, the source's first token global in an LED, no dropout, float32 or bf16 autocast:
forward, backward, clipping, fused AdamW. bench/summary_step runs it beside Longform's own step.
"""

import contextlib

import torch
import transformers
from measure import arguments, report_step, step_options
from transformers import AutoModelForSeq2SeqLM


def main():
    parser = arguments(__doc__.splitlines()[0], repeats=4)
    parser.add_argument("--target", type=int, default=256)
    parser.add_argument("--bf16", action="store_true", help="autocast to bf16")
    options = step_options(parser)
    model = AutoModelForSeq2SeqLM.from_pretrained(
        options.model, dropout=0.0, attention_dropout=0.0, activation_dropout=0.0
    ).train()
    ids, labels = (torch.randint(5, 260, (1, length)) for length in (options.tokens, options.target))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}
    if model.config.model_type == "led":
        inputs["global_attention_mask"] = torch.zeros_like(ids)
        inputs["global_attention_mask"][:, 0] = 1

    def precision():
        return torch.autocast("cpu", dtype=torch.bfloat16) if options.bf16 else contextlib.nullcontext()

    report_step("seq2seq_step", model, inputs, options, {
        "transformers": transformers.__version__, "dtype": "bfloat16" if options.bf16 else "float32",
        "target": options.target,
    }, precision)  # fmt: skip


if __name__ == "__main__":
    main()
