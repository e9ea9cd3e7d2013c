"""Peers on a GPU: PyTorch's windowed flash attention, compiled FlexAttention (its flash back end too), cuDNN's windowed
SDPA and transformers' Longformer attention.

    python3 bench/peers/gpu_attention.py [--tokens 4096] [--side 256] [--batch 8] [--heads 12] [--repeats 5]

bf16, head width 64. Times are the device's own, best of several, inputs rotated so that no cache keeps them. A line of
JSON for each peer as soon as it is measured; what a peer cannot do is reported in its words. --device cpu rehearses
the same code where PyTorch has kernels for it.
"""

import argparse
import json
import math
import time

import torch

HEAD_WIDTH = 64
ROTATION = 4


def milliseconds(run, options):
    """The best time of `run(i)` on the device, as `longform bench attention` takes it: ten runs one behind the other,
    so that starting them costs nothing. The first runs, which compile, do not count."""
    on_gpu = options.device == "cuda"
    runs = 10 if on_gpu else 1
    for i in range(3 if on_gpu else 1):
        run(i)
    best = math.inf
    for _ in range(options.repeats):
        if not on_gpu:
            began = time.perf_counter()
            run(0)
            best = min(best, 1000 * (time.perf_counter() - began))
            continue
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda.synchronize()
        start.record()
        for i in range(runs):
            run(i)
        stop.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(stop) / runs)
    return best


def tensors(options, shape, count, gradients=0):
    return [[torch.randn(shape, device=options.device, dtype=torch.bfloat16, requires_grad=n < gradients)
             for n in range(count)] for _ in range(ROTATION)]


def times(forward, backward, options, includes_forward=False):
    forward_ms = milliseconds(forward, options)
    backward_ms = milliseconds(backward, options)
    return {"forward_ms": forward_ms, "backward_ms": backward_ms - (forward_ms if includes_forward else 0)}


def flash(options):
    """PyTorch's own flash attention kernels with a window on both sides."""
    inputs = tensors(options, (options.batch, options.tokens, options.heads, HEAD_WIDTH), 4)
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

    return times(forward, backward, options)


def flex(options, kernel_options=None):
    """FlexAttention, compiled on a GPU, with a block mask of the window."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def in_window(batch, head, query, key):
        return (query - key).abs() <= options.side

    mask = create_block_mask(in_window, None, None, options.tokens, options.tokens, device=options.device)
    attend = torch.compile(flex_attention, dynamic=False) if options.device == "cuda" else flex_attention
    on_gpu = options.device == "cuda"
    inputs = tensors(options, (options.batch, options.heads, options.tokens, HEAD_WIDTH), 4, gradients=3 * on_gpu)

    def forward(i):
        return attend(*inputs[i % ROTATION][:3], block_mask=mask, kernel_options=kernel_options)

    def both(i):
        *qkv, gradient = inputs[i % ROTATION]
        torch.autograd.grad(forward(i), qkv, gradient)

    if not on_gpu:  # where there is no backward
        return times(forward, forward, options)
    return times(forward, both, options, includes_forward=True)


def flex_flash(options):
    """FlexAttention's back end of flash attention kernels."""
    torch._dynamo.reset()
    return flex(options, {"BACKEND": "FLASH"})


def cudnn_graph(cudnn, options, sample, backward):
    """A graph of windowed SDPA, its tensors by name, and its workspace's bytes."""
    graph = cudnn.pygraph(io_data_type=cudnn.data_type.BFLOAT16, intermediate_data_type=cudnn.data_type.FLOAT,
                          compute_data_type=cudnn.data_type.FLOAT)
    # The left bound counts the query's own key, the right one does not.
    band = {"diagonal_alignment": cudnn.diagonal_alignment.TOP_LEFT, "diagonal_band_left_bound": options.side + 1,
            "diagonal_band_right_bound": options.side, "attn_scale": HEAD_WIDTH**-0.5}
    shape, stride = tuple(sample["q"].shape), tuple(sample["q"].stride())
    named = {name: graph.tensor_like(sample[name]) for name in "qkv"}
    if backward:
        named |= {name: graph.tensor_like(sample[name]) for name in ("o", "do", "stats")}
        results = graph.sdpa_backward(q=named["q"], k=named["k"], v=named["v"], o=named["o"], dO=named["do"],
                                      stats=named["stats"], **band)
        named |= dict(zip(("dq", "dk", "dv"), results))
    else:
        named["o"], named["stats"] = graph.sdpa(name="sdpa", q=named["q"], k=named["k"], v=named["v"],
                                                generate_stats=True, **band)
        named["stats"].set_output(True).set_data_type(cudnn.data_type.FLOAT)
    for name in ("dq", "dk", "dv") if backward else ("o",):
        named[name].set_output(True).set_dim(shape).set_stride(stride)
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([cudnn.heur_mode.A])
    graph.check_support()
    graph.build_plans()
    return graph, named


def cudnn_windowed(options):
    """cuDNN's SDPA with a band, through NVIDIA's cudnn-frontend."""
    import cudnn

    inputs = []
    for q, k, v, do in tensors(options, (options.batch, options.tokens, options.heads, HEAD_WIDTH), 4):
        one = {name: x.transpose(1, 2) for name, x in zip(("q", "k", "v", "do"), (q, k, v, do))}
        for name, like in (("o", "q"), ("dq", "q"), ("dk", "k"), ("dv", "v")):
            one[name] = torch.empty_like(one[like])
        one["stats"] = torch.empty(options.batch, options.heads, options.tokens, 1, device=options.device)
        inputs.append(one)

    def runner(backward):
        graph, named = cudnn_graph(cudnn, options, inputs[0], backward)
        workspace = torch.empty(graph.get_workspace_size(), device=options.device, dtype=torch.uint8)
        return lambda i: graph.execute({named[name]: inputs[i % ROTATION][name] for name in named}, workspace)

    forward = runner(False)
    for i in range(ROTATION):
        forward(i)
    return times(forward, runner(True), options)


def longformer(options):
    """transformers' sliding chunks, without the projections' share: they are a small part and are counted."""
    from transformers.models.longformer.modeling_longformer import LongformerConfig, LongformerSelfAttention

    width = options.heads * HEAD_WIDTH
    config = LongformerConfig(hidden_size=width, num_attention_heads=options.heads, num_hidden_layers=1,
                              attention_window=[2 * options.side], attention_probs_dropout_prob=0.0)
    layer = LongformerSelfAttention(config, layer_id=0).to(options.device).bfloat16()
    shape = (options.batch, options.tokens, width)
    inputs = [torch.randn(shape, device=options.device, dtype=torch.bfloat16, requires_grad=True)
              for _ in range(ROTATION)]
    mask = torch.zeros(options.batch, options.tokens, device=options.device)
    flags = {"is_index_masked": mask > 0, "is_index_global_attn": mask > 0, "is_global_attn": False}

    def forward(i):
        return layer(inputs[i % ROTATION], attention_mask=mask.bfloat16(), **flags)[0]

    gradient = torch.ones(shape, device=options.device, dtype=torch.bfloat16)
    wanted = list(layer.parameters())[:6]  # of the projections of local tokens; the global ones are not used

    def both(i):
        torch.autograd.grad(forward(i), [inputs[i % ROTATION], *wanted], gradient)

    return times(forward, both, options, includes_forward=True)


PEERS = {"flash": flash, "flex": flex, "flex_flash": flex_flash, "cudnn": cudnn_windowed, "longformer": longformer}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("tokens", 4096), ("side", 256), ("batch", 8), ("heads", 12), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args()
    for name, peer in PEERS.items():
        line = {"peer": name, "torch": torch.__version__, "conditions": vars(options)}
        try:
            if options.device == "cuda" and not torch.cuda.is_available():
                raise RuntimeError("PyTorch sees no GPU")
            line.update(peer(options))
        except Exception as error:  # a peer that cannot run is a finding, not the end
            line["failed"] = f"{type(error).__name__}: {error}"[:500]
        finally:
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
