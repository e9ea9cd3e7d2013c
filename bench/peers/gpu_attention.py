"""Peers on a GPU: PyTorch's windowed flash attention, compiled FlexAttention and transformers' Longformer attention.

    python3 bench/peers/gpu_attention.py [--tokens 4096] [--side 256] [--batch 8] [--heads 12] [--repeats 5]

bf16, head width 64. Times are the device's own, best of several, inputs rotated so that no cache keeps them. What a
peer cannot do is reported in its words. One JSON object on standard output.
"""

import argparse
import json

import torch

HEAD_WIDTH = 64
ROTATION = 4


def milliseconds(run, repeats):
    """The best time of `run(i)` on the device, as `longform bench attention` takes it: ten runs one behind the other,
    so that starting them costs nothing. The first runs, which compile, do not count."""
    runs = 10
    for i in range(3):
        run(i)
    best = float("inf")
    for _ in range(repeats):
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        start.record()
        for i in range(runs):
            run(i)
        stop.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(stop) / runs)
    return best


def flash(options):
    """PyTorch's own flash attention kernels with a window on both sides."""
    shape = (options.batch, options.tokens, options.heads, HEAD_WIDTH)
    inputs = [[torch.randn(shape, device="cuda", dtype=torch.bfloat16) for _ in range(4)]
              for _ in range(ROTATION)]
    window = {"window_size_left": options.side, "window_size_right": options.side}

    def forward(i):
        q, k, v, _ = inputs[i % ROTATION]
        return torch.ops.aten._flash_attention_forward(
            q, k, v, None, None, options.tokens, options.tokens, 0.0, False, False, **window)

    outputs = [forward(i) for i in range(ROTATION)]

    def backward(i):
        q, k, v, gradient = inputs[i % ROTATION]
        out, lse, seed, offset, _ = outputs[i % ROTATION]
        torch.ops.aten._flash_attention_backward(
            gradient, q, k, v, out, lse, None, None, options.tokens, options.tokens, 0.0, False, seed, offset,
            **window)

    return {"forward_ms": milliseconds(forward, options.repeats),
            "backward_ms": milliseconds(backward, options.repeats)}


def flex(options):
    """FlexAttention, compiled, with a block mask of the window."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def in_window(batch, head, query, key):
        return (query - key).abs() <= options.side

    mask = create_block_mask(in_window, None, None, options.tokens, options.tokens, device="cuda")
    compiled = torch.compile(flex_attention, dynamic=False)
    shape = (options.batch, options.heads, options.tokens, HEAD_WIDTH)
    inputs = [[torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=n < 3) for n in range(4)]
              for _ in range(ROTATION)]

    def forward(i):
        return compiled(*inputs[i % ROTATION][:3], block_mask=mask)

    def both(i):
        *qkv, gradient = inputs[i % ROTATION]
        torch.autograd.grad(forward(i), qkv, gradient)

    forward_ms = milliseconds(forward, options.repeats)
    return {"forward_ms": forward_ms, "backward_ms": milliseconds(both, options.repeats) - forward_ms}


def longformer(options):
    """transformers' sliding chunks, without the projections' share: they are a small part and are counted."""
    from transformers.models.longformer.modeling_longformer import LongformerConfig, LongformerSelfAttention

    width = options.heads * HEAD_WIDTH
    config = LongformerConfig(hidden_size=width, num_attention_heads=options.heads, num_hidden_layers=1,
                              attention_window=[2 * options.side], attention_probs_dropout_prob=0.0)
    layer = LongformerSelfAttention(config, layer_id=0).cuda().bfloat16()
    shape = (options.batch, options.tokens, width)
    inputs = [torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=True) for _ in range(ROTATION)]
    mask = torch.zeros(options.batch, options.tokens, device="cuda")
    flags = {"is_index_masked": mask > 0, "is_index_global_attn": mask > 0, "is_global_attn": False}

    def forward(i):
        return layer(inputs[i % ROTATION], attention_mask=mask.bfloat16(), **flags)[0]

    gradient = torch.ones(shape, device="cuda", dtype=torch.bfloat16)
    wanted = list(layer.parameters())[:6]  # of the projections of local tokens; the global ones are not used

    def both(i):
        torch.autograd.grad(forward(i), [inputs[i % ROTATION], *wanted], gradient)

    forward_ms = milliseconds(forward, options.repeats)
    return {"forward_ms": forward_ms, "backward_ms": milliseconds(both, options.repeats) - forward_ms}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("tokens", 4096), ("side", 256), ("batch", 8), ("heads", 12), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    result = {"torch": torch.__version__, "conditions": vars(options)}
    for name, peer in (("flash", flash), ("flex", flex), ("longformer", longformer)):
        try:
            if not torch.cuda.is_available():
                raise RuntimeError("PyTorch sees no GPU")
            result[name] = peer(options)
        except Exception as error:  # a peer that cannot run is a finding, not the end
            result[name] = {"failed": f"{type(error).__name__}: {error}"[:500]}
        finally:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
