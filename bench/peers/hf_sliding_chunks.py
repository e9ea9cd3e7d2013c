"""Peer: transformers' sliding-chunks attention alone: no projections, masks or global tokens.

    python3 bench/peers/hf_sliding_chunks.py [--backward] [--repeats 10] [--tokens 4096]

Times _sliding_chunks_query_key_matmul, softmax and _sliding_chunks_matmul_attn_probs_value of its
LongformerSelfAttention with scaled queries: batch 1, 8 heads, head width 64, float32, 512 keys around each
query, and itself.
"""

import sys

import torch
import transformers
from transformers.models.longformer.modeling_longformer import LongformerConfig, LongformerSelfAttention

import measure

HEADS, HEAD_WIDTH, WINDOW = 8, 64, 512  # WINDOW: both sides together


def attention(module, q, k, v):
    """Context (B, T, H, K) of q, k, v (B, T, H, K), with the calls of the module's own forward."""
    side = WINDOW // 2
    scores = module._sliding_chunks_query_key_matmul(q / HEAD_WIDTH**0.5, k, side)
    return module._sliding_chunks_matmul_attn_probs_value(torch.softmax(scores, dim=-1), v, side)


def main():
    parser = measure.arguments(__doc__.splitlines()[0], repeats=7)
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--backward", action="store_true", help="forward and backward; else forward alone")
    parser.add_argument("--plain-malloc", action="store_true", help="leave glibc's allocator as it is")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if not options.plain_malloc:
        measure.keep_freed_memory()
    torch.manual_seed(1)
    config = LongformerConfig(
        hidden_size=HEADS * HEAD_WIDTH, num_attention_heads=HEADS, attention_window=[WINDOW]
    )
    module = LongformerSelfAttention(config, layer_id=0).eval()
    shape = (1, options.tokens, HEADS, HEAD_WIDTH)
    q, k, v = (torch.randn(shape, requires_grad=options.backward) for _ in range(3))
    cotangent = torch.randn(shape)

    def run():
        if options.backward:
            torch.autograd.grad(attention(module, q, k, v), (q, k, v), cotangent)
        else:
            with torch.no_grad():
                attention(module, q, k, v)

    conditions = {
        "transformers": transformers.__version__, "dtype": "float32", "batch": 1, "tokens": options.tokens,
        "heads": HEADS, "head_width": HEAD_WIDTH, "keys": WINDOW + 1, "symmetric": True,
        "what": "forward+backward" if options.backward else "forward",
        "malloc_keeps_memory": not options.plain_malloc,
    }  # fmt: skip
    name = "hf_sliding_chunks_" + ("forward_backward" if options.backward else "forward")
    measure.print_json(measure.report(name, run, options.repeats, conditions))
    return 0


if __name__ == "__main__":
    sys.exit(main())
