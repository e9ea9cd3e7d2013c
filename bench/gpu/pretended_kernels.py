"""bench/peers/gpu_attention.py on the CPU with stand-ins for what only a GPU has, flash attention and cuDNN, and with
planted faults: python3 bench/gpu/pretended_kernels.py none|window|scale|causal|gradient|refused ...

They take the arguments that the real ones document and compute the plain formula. For each fault the lines of the
peers are printed as one list of JSON.
"""

import contextlib
import io
import json
import math
import pathlib
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "peers"))
sys.dont_write_bytecode = True

# ruff: noqa: E402
import gpu_attention
import torch
from torch.nn.attention import flex_attention
from transformers.models.longformer import modeling_longformer as longformer

FAULT = "none"


def weights_of(q, k, left, right, scale):
    """(..., T, T); a query sees `left` keys before its own and `right` behind it."""
    left, right = left - (FAULT == "window"), 0 if FAULT == "causal" else right
    place = torch.arange(q.shape[-2])
    distance = place - place[:, None]
    scores = (q.float() @ k.float().mT) * scale * (1.1 if FAULT == "scale" else 1)
    return scores.masked_fill((distance < -left) | (distance > right), -math.inf).softmax(-1)


def banded(q, k, v, *band):
    return (weights_of(q, k, *band) @ v.float()).to(q.dtype)


def gradients(q, k, v, gradient, left, right, scale):
    if FAULT == "refused":
        raise RuntimeError("no backward here")
    weights, up = weights_of(q, k, left, right, scale), gradient.float()
    down = up @ v.float().mT
    scores = weights * (down - (weights * down).sum(-1, keepdim=True)) * (1.1 if FAULT == "gradient" else 1)
    found = scores @ k.float() * scale, scores.mT @ q.float() * scale, weights.mT @ up
    return [x.to(q.dtype) for x in found]


def flash_forward(q, k, v, *_, scale=None, window_size_left=None, window_size_right=None, **more):
    out = banded(*(x.transpose(1, 2) for x in (q, k, v)), window_size_left, window_size_right,
                 scale or q.shape[-1] ** -0.5)
    return out.transpose(1, 2), *(torch.zeros(1) for _ in range(4))


def flash_backward(gradient, q, k, v, *_, scale=None, window_size_left=None, window_size_right=None, **more):
    found = gradients(*(x.transpose(1, 2) for x in (q, k, v, gradient)), window_size_left, window_size_right,
                      scale or q.shape[-1] ** -0.5)
    return tuple(x.transpose(1, 2) for x in found)


class Described:
    """A tensor of a graph."""

    def __init__(self, dim=None):
        self.dim = dim

    def set_output(self, _):
        return self

    def set_data_type(self, _):
        return self

    def set_dim(self, dim):
        self.dim = tuple(dim)
        return self

    def set_stride(self, _):
        return self


class Graph:
    def __init__(self, **_):
        self.steps = []

    def tensor_like(self, tensor):
        return Described(tuple(tensor.shape))

    def sdpa(self, name, q, k, v, generate_stats, attn_scale, diagonal_band_left_bound, diagonal_band_right_bound,
             diagonal_alignment):
        assert generate_stats and diagonal_alignment == "top left"
        out, stats = Described(), Described()
        # The left bound counts the keys before the query's own, and that one.
        band = diagonal_band_left_bound - 1, diagonal_band_right_bound, attn_scale
        self.steps.append(lambda pack: pack[out].copy_(banded(pack[q], pack[k], pack[v], *band)))
        return out, stats

    def sdpa_backward(self, q, k, v, o, dO, stats, attn_scale, diagonal_band_left_bound, diagonal_band_right_bound,
                      diagonal_alignment):
        assert diagonal_alignment == "top left"
        results = Described(), Described(), Described()
        band = diagonal_band_left_bound - 1, diagonal_band_right_bound, attn_scale

        def step(pack):
            for x, found in zip(results, gradients(pack[q], pack[k], pack[v], pack[dO], *band)):
                pack[x].copy_(found)

        self.steps.append(step)
        return results

    def nothing(self, *_):
        pass

    validate = build_operation_graph = create_execution_plans = check_support = build_plans = nothing

    def get_workspace_size(self):
        return 16

    def execute(self, pack, workspace):
        assert all(x.dim is None or x.dim == tuple(pack[x].shape) for x in pack)
        for step in self.steps:
            step(pack)


def pretend():
    library = torch.library.Library("aten", "IMPL")
    library.impl("_flash_attention_forward", flash_forward, "CPU")
    library.impl("_flash_attention_backward", flash_backward, "CPU")
    types_of_data = types.SimpleNamespace(BFLOAT16="bf16", FLOAT="f32")
    sys.modules["cudnn"] = types.SimpleNamespace(
        pygraph=Graph, data_type=types_of_data, heur_mode=types.SimpleNamespace(A="A"),
        diagonal_alignment=types.SimpleNamespace(TOP_LEFT="top left"))
    config = longformer.LongformerConfig

    def narrow(attention_window, **more):
        return config(attention_window=[width // (2 if FAULT == "window" else 1) for width in attention_window], **more)

    longformer.LongformerConfig = narrow
    attend, make_mask = flex_attention.flex_attention, flex_attention.create_block_mask

    def attend_wrongly(*qkv, **more):
        return attend(*qkv, **more, scale=0.2) if FAULT == "scale" else attend(*qkv, **more)

    def mask_wrongly(seen, *sizes, **more):
        def causal(b, h, query, key):
            return seen(b, h, query, key) & (key <= query)

        def short(b, h, query, key):
            return seen(b, h, query, key) & seen(b, h, query + 1, key)

        return make_mask({"causal": causal, "window": short}.get(FAULT, seen), *sizes, **more)

    flex_attention.flex_attention, flex_attention.create_block_mask = attend_wrongly, mask_wrongly
    return library


def main():
    global FAULT
    faults, sys.argv[1:] = sys.argv[1:], ["--device", "cpu", "--tokens", "64", "--side", "8", "--batch", "2",
                                          "--heads", "2", "--repeats", "1"]
    library = pretend()
    for FAULT in faults:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            gpu_attention.main()
        print(json.dumps([json.loads(line) for line in printed.getvalue().splitlines()]), flush=True)
    del library


if __name__ == "__main__":
    main()
