"""Peers on a GPU: PyTorch's windowed flash attention, compiled FlexAttention (its flash back end too), cuDNN's windowed
SDPA and transformers' Longformer attention.

    python3 bench/peers/gpu_attention.py [--tokens 4096] [--side 256] [--batch 8] [--heads 12] [--repeats 5]

bf16, head width 64. All peers get the same q, k, v and gradient; before it is timed, what a peer gives for the last
head of the last sequence is compared with the formula in f32: a peer that computes something else has no figures.
Times are the device's own, best of several, inputs rotated so that no cache keeps them. A line of JSON for each
peer's forward and backward as soon as it is measured; what a peer cannot do is reported in its words. --device cpu
rehearses the same code where PyTorch has kernels for it.
"""

import argparse
import collections
import json
import math
import sys
import time

import gpu_torch

try:
    import torch
except (ImportError, OSError):  # main() says so
    torch = None

HEAD_WIDTH = 64
ROTATION = 4
TOLERANCE = 2e-2  # of the largest element; bf16 rounds its steps to 0.4 %, and a key more or less is several per cent

# forward(i) and backward(i) take the i-th inputs and give the context and the gradient of q as (B, T, H, K);
# whole: backward(i) does the forward, too.
Peer = collections.namedtuple("Peer", "forward backward whole")


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


def make_inputs(options):
    """(q, k, v, gradient) as (B, T, H, K), ROTATION times; the same numbers for every peer."""
    torch.manual_seed(1)
    shape = (options.batch, options.tokens, options.heads, HEAD_WIDTH)
    return [[torch.randn(shape, device=options.device, dtype=torch.bfloat16) for _ in range(4)]
            for _ in range(ROTATION)]


def exact(options, one):
    """The context of the last head of the last sequence and the gradient of its q, by the formula, in f32."""
    q, k, v, gradient = (x[-1, :, -1].float().cpu() for x in one)
    q.requires_grad_()
    place = torch.arange(options.tokens)
    outside = (place[:, None] - place).abs() > options.side
    weights = (q @ k.T * HEAD_WIDTH**-0.5).masked_fill(outside, -math.inf).softmax(1)
    context = weights @ v
    return {"forward": context.detach(), "backward": torch.autograd.grad(context, q, gradient)[0]}


def difference(received, expected):
    """The largest, as a share of the largest element."""
    received = received[-1, :, -1].detach().float().cpu()
    return ((received - expected).abs().max() / expected.abs().max()).item()


def flash(options, inputs):
    """PyTorch's own flash attention kernels with a window on both sides."""
    window = {"window_size_left": options.side, "window_size_right": options.side}

    def run(i):
        q, k, v, _ = inputs[i % ROTATION]
        return torch.ops.aten._flash_attention_forward(
            q, k, v, None, None, options.tokens, options.tokens, 0.0, False, False, **window)

    outputs = [run(i) for i in range(ROTATION)]

    def backward(i):
        q, k, v, gradient = inputs[i % ROTATION]
        out, lse, seed, offset, _ = outputs[i % ROTATION]
        return torch.ops.aten._flash_attention_backward(
            gradient, q, k, v, out, lse, None, None, options.tokens, options.tokens, 0.0, False, seed, offset,
            **window)[0]

    return Peer(lambda i: run(i)[0], backward, False)


def flex(options, inputs, kernel_options=None):
    """FlexAttention, compiled on a GPU, with a block mask of the window."""
    from torch.nn.attention import flex_attention

    def in_window(batch, head, query, key):
        return (query - key).abs() <= options.side

    mask = flex_attention.create_block_mask(in_window, None, None, options.tokens, options.tokens,
                                            device=options.device)
    attend, on_gpu = flex_attention.flex_attention, options.device == "cuda"
    if on_gpu:  # elsewhere it has no backward, and wants to be told so
        attend = torch.compile(attend, dynamic=False)
    own = [[x.transpose(1, 2).contiguous().requires_grad_(on_gpu and n < 3) for n, x in enumerate(one)]
           for one in inputs]

    def run(i):
        return attend(*own[i % ROTATION][:3], block_mask=mask, kernel_options=kernel_options)

    def both(i):
        *qkv, gradient = own[i % ROTATION]
        return torch.autograd.grad(run(i), qkv, gradient)[0].transpose(1, 2)

    return Peer(lambda i: run(i).transpose(1, 2), both, True)


def flex_flash(options, inputs):
    """FlexAttention's back end of flash attention kernels."""
    torch._dynamo.reset()
    return flex(options, inputs, {"BACKEND": "FLASH"})


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


def cudnn_windowed(options, inputs):
    """cuDNN's SDPA with a band, through NVIDIA's cudnn-frontend."""
    import cudnn

    own = []
    for given in inputs:
        one = {name: x.transpose(1, 2) for name, x in zip(("q", "k", "v", "do"), given)}
        for name, like in (("o", "q"), ("dq", "q"), ("dk", "k"), ("dv", "v")):
            one[name] = torch.empty_like(one[like])
        one["stats"] = torch.empty(options.batch, options.heads, options.tokens, 1, device=options.device)
        own.append(one)

    def runner(backward, result):
        graph, named = cudnn_graph(cudnn, options, own[0], backward)
        workspace = torch.empty(graph.get_workspace_size(), device=options.device, dtype=torch.uint8)

        def run(i):
            graph.execute({named[name]: own[i % ROTATION][name] for name in named}, workspace)
            return own[i % ROTATION][result].transpose(1, 2)

        return run

    made = {}

    def backward(i):
        if not made:  # a graph that is refused must not cost the forward's figures
            made["run"] = runner(True, "dq")
        return made["run"](i)

    forward = runner(False, "o")
    for i in range(ROTATION):
        forward(i)
    return Peer(forward, backward, False)


def longformer(options, inputs):
    """transformers' sliding chunks. The layer gets q, k and v as the results of its projections, which cost nothing."""
    from transformers.models.longformer.modeling_longformer import LongformerConfig, LongformerSelfAttention

    width = options.heads * HEAD_WIDTH
    config = LongformerConfig(hidden_size=width, num_attention_heads=options.heads, num_hidden_layers=1,
                              attention_window=[2 * options.side], attention_probs_dropout_prob=0.0)
    layer = LongformerSelfAttention(config, layer_id=0).to(options.device)
    mask = torch.zeros(options.batch, options.tokens, device=options.device, dtype=torch.bfloat16)
    flags = {"is_index_masked": mask > 0, "is_index_global_attn": mask > 0, "is_global_attn": False}
    shape = inputs[0][0].shape
    own = [[x.flatten(2).transpose(0, 1).contiguous().requires_grad_() for x in one[:3]] for one in inputs]
    gradients = [one[3].flatten(2) for one in inputs]

    class Given(torch.nn.Module):
        def forward(self, hidden):
            return self.result

    layer.query, layer.key, layer.value = Given(), Given(), Given()

    def run(i):
        q, k, v = own[i % ROTATION]
        layer.query.result, layer.key.result, layer.value.result = q.clone(), k, v  # the layer scales q in its place
        return layer(q.transpose(0, 1), attention_mask=mask, **flags)[0]

    def both(i):
        dq = torch.autograd.grad(run(i), own[i % ROTATION], gradients[i % ROTATION])[0]
        return dq.transpose(0, 1).reshape(shape)

    return Peer(lambda i: run(i).reshape(shape), both, True)


# Those that compile come last.
PEERS = {"flash": flash, "cudnn": cudnn_windowed, "longformer": longformer, "flex": flex, "flex_flash": flex_flash}


def measure(name, options, inputs, expected):
    """A line for the forward and one for the backward, which comes only behind a forward that is right."""
    peer, ms = None, {}
    for way in ("forward", "backward"):
        line = {"peer": name, "way": way}
        try:
            peer = peer or PEERS[name](options, inputs)
            run = getattr(peer, way)
            error = difference(run(0), expected[way])
            line["max_error"] = error if math.isfinite(error) else str(error)
            if error <= TOLERANCE:
                ms[way] = milliseconds(run, options)
                line["ms"] = ms[way] - (ms["forward"] if way == "backward" and peer.whole else 0)
            else:
                line["wrong"] = f"its {way} differs from the formula's by {error:.2g} of the largest element"
        except Exception as error:  # a peer that cannot run is a finding, not the end
            line["failed"] = f"{type(error).__name__}: {error}"[:500]
        print(json.dumps(line), flush=True)
        if "ms" not in line:
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("tokens", 4096), ("side", 256), ("batch", 8), ("heads", 12), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args()
    if why := gpu_torch.why_not(options.device):
        print(json.dumps({"left_out": why}))
        sys.exit(0)
    print(json.dumps({"conditions": vars(options), "torch": torch.__version__}), flush=True)
    inputs = make_inputs(options)
    expected = exact(options, inputs[0])
    for name in PEERS:
        measure(name, options, inputs, expected)
        if options.device == "cuda":
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
