"""Writes tests/golden/attention_*.safetensors: transformers' windowed attention, global tokens, padding.

    python3 tests/reference/make_attention_golden.py [OUTPUT_FOLDER]

Needs torch, transformers and safetensors. LongformerSelfAttention is run in float64 with its six projections
replaced by given tensors, so the files hold the attention alone: inputs, context, six gradients.
"""

import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from torch import nn
from transformers.models.longformer.modeling_longformer import LongformerConfig, LongformerSelfAttention

HEADS, HEAD_WIDTH, TOKENS, WINDOW = 2, 8, 32, 8  # WINDOW: 4 keys on each side
INPUTS = ["q", "k", "v", "q_global", "k_global", "v_global"]

# name, per row: valid tokens, global positions
CASES = [
    ("attention_global", [32, 27, 21], [[], [0], [0, 9, 20]], 1),
    ("attention_window", [32, 30], [[], []], 2),
]


class Given(nn.Module):
    """Stands for a projection: returns a tensor chosen beforehand, as (T, B, D), whatever the input."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, _):
        return self.value.flatten(2).transpose(0, 1) * 1.0  # a new tensor: the caller scales it in place


class Copy(nn.Module):
    """Stands for the global query projection, which is given the global rows of the hidden states."""

    def forward(self, hidden):
        return hidden * 1.0


def keep_float64_softmax():
    """transformers asks for float32 softmax even in float64; this ignores the request for float64 inputs."""
    original = nn.functional.softmax

    def softmax(scores, dim=None, dtype=None):
        return original(scores, dim=dim, dtype=None if scores.dtype == torch.float64 else dtype)

    nn.functional.softmax = softmax


def run(inputs, lengths, global_positions):
    """Context (B, T, H, K) of the module for the six named inputs (B, T, H, K)."""
    config = LongformerConfig(
        hidden_size=HEADS * HEAD_WIDTH, num_attention_heads=HEADS, attention_window=[WINDOW],
        attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    module = LongformerSelfAttention(config, layer_id=0).double().eval()
    module.query, module.key, module.value = (Given(inputs[name]) for name in INPUTS[:3])
    module.query_global = Copy()
    module.key_global, module.value_global = (Given(inputs[name]) for name in INPUTS[4:])
    valid = torch.arange(TOKENS)[None, :] < torch.tensor(lengths)[:, None]
    is_global = torch.zeros_like(valid)
    for row, positions in enumerate(global_positions):
        is_global[row, positions] = True
    mask = torch.where(is_global, 10000.0, torch.where(valid, 0.0, -10000.0)).double()
    return module(
        inputs["q_global"].flatten(2),  # the hidden states: read by the global query projection alone
        attention_mask=mask,
        is_index_masked=~valid,
        is_index_global_attn=is_global,
        is_global_attn=bool(is_global.any()),
    )[0].unflatten(2, (HEADS, HEAD_WIDTH))


def golden(lengths, global_positions, seed):
    generator = torch.Generator().manual_seed(seed)

    def random():
        shape = (len(lengths), TOKENS, HEADS, HEAD_WIDTH)
        return (1.5 * torch.randn(shape, generator=generator)).double()

    inputs = {name: random().requires_grad_() for name in INPUTS}
    cotangent = random()
    context = run(inputs, lengths, global_positions)
    context.backward(cotangent)
    tensors = {"context": context.detach(), "cotangent": cotangent}
    for name, value in inputs.items():
        gradient = torch.zeros_like(value) if value.grad is None else value.grad
        assert gradient.isfinite().all(), name
        tensors[name], tensors["grad." + name] = value.detach(), gradient
    tensors = {name: value.float().contiguous() for name, value in tensors.items()}
    counts = [len(positions) for positions in global_positions]
    return tensors | {
        "lengths": torch.tensor(lengths),
        "global_counts": torch.tensor(counts),
        "global_positions": torch.tensor(sum(global_positions, []), dtype=torch.int64),
    }


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "golden")
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    keep_float64_softmax()
    made_with = f"torch {torch.__version__}, transformers {transformers.__version__}, window {WINDOW}"
    for name, lengths, global_positions, seed in CASES:
        tensors = golden(lengths, global_positions, seed)
        if not any(global_positions):
            del tensors["global_positions"]  # an empty tensor would only trouble readers
            for key in [key for key in tensors if key.endswith("_global")]:
                del tensors[key]
        save_file(tensors, folder / f"{name}.safetensors", metadata={"made_with": made_with})
        print(name, {key: tuple(value.shape) for key, value in tensors.items()})


if __name__ == "__main__":
    main()
