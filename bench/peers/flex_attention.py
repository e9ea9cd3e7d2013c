"""Peer: compiled FlexAttention, sliding-window block mask, CPU, forward only (it has no CPU backward).

    python3 bench/peers/flex_attention.py [--repeats 20] [--tokens 4096] [--check]

Batch 1, 8 heads, head width 64, float32, 256 keys on each side of a query and itself. --check compares with
dense attention.
"""

import sys

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import measure

HEADS, HEAD_WIDTH, SIDE = 8, 64, 256


def in_window(batch, head, query, key):
    return (query - key).abs() <= SIDE


def dense(q, k, v):
    index = torch.arange(q.shape[2])
    mask = (index[:, None] - index[None, :]).abs() <= SIDE
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def main():
    parser = measure.arguments(__doc__.splitlines()[0], repeats=20)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--block", type=int, default=128, help="size of the mask's blocks, both ways")
    parser.add_argument("--mode", default="default", help="torch.compile mode")
    parser.add_argument("--plain-malloc", action="store_true", help="leave glibc's allocator as it is")
    parser.add_argument("--check", action="store_true", help="compare with dense attention and stop")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.plain_malloc:
        measure.keep_freed_memory()
    torch.manual_seed(1)
    tokens = options.tokens
    q, k, v = (torch.randn(1, HEADS, tokens, HEAD_WIDTH) for _ in range(3))
    mask = create_block_mask(in_window, None, None, tokens, tokens, device="cpu", BLOCK_SIZE=options.block)
    compiled = torch.compile(flex_attention, mode=options.mode, dynamic=False)

    @torch.no_grad()
    def run():
        return compiled(q, k, v, block_mask=mask)

    if options.check:
        difference = (run() - dense(q, k, v)).abs().max().item()
        print(f"largest difference from dense attention {difference:.1e}")
        return 0 if difference < 1e-5 else 1
    conditions = {
        "dtype": "float32", "batch": 1, "tokens": tokens, "heads": HEADS, "head_width": HEAD_WIDTH,
        "keys": 2 * SIDE + 1, "symmetric": True, "what": "forward", "mask_block": options.block,
        "compile": options.mode, "malloc_keeps_memory": not options.plain_malloc,
    }  # fmt: skip
    measure.print_json(measure.report("flex_attention_forward", run, options.repeats, conditions))
    return 0


if __name__ == "__main__":
    sys.exit(main())
