"""Peer: a training step of transformers' Longformer as a masked language model.

    python3 bench/peers/masked_lm_step.py MODEL_FOLDER [--tokens 4096] [--plain-malloc] [--repeats 5]

One sequence of random tokens, 15 % of them targets, no global tokens, no dropout, float32: forward, backward, clipping,
fused AdamW. Longform's own step: longform bench train with batch_size 1 and the same model.
"""

import torch
import transformers
from measure import arguments, keep_freed_memory, print_json, report
from transformers import LongformerForMaskedLM


def main():
    parser = arguments(__doc__.splitlines()[0], repeats=5)
    parser.add_argument("model", help="a Longformer in Hugging Face form")
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--plain-malloc", action="store_true", help="leave glibc's allocator as it is")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    keeps = not options.plain_malloc and keep_freed_memory()
    torch.manual_seed(1)
    model = LongformerForMaskedLM.from_pretrained(
        options.model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    ).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids = torch.randint(5, model.config.vocab_size, (1, options.tokens))
    labels = torch.where(torch.rand(ids.shape) < 0.15, ids, -100)

    def step():
        model(input_ids=ids, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    print_json(report("masked_lm_step", step, options.repeats, {
        "transformers": transformers.__version__, "dtype": "float32", "tokens": options.tokens,
        "malloc_keeps_memory": bool(keeps),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
