"""Writes tests/golden/char_lm_*.safetensors: tiny models, their logits, loss, gradients, ten AdamW steps.

    python3 tests/reference/make_char_lm_golden.py [OUTPUT_FOLDER]

Needs torch and safetensors. Parameters are rounded to float32 first, everything is then computed in float64
and stored as float32, so a float32 implementation differs from these files by its own rounding only.
"""

import json
import math
import pathlib
import sys

import torch
from safetensors.torch import save_file

from char_lm import CharLm, CharLmConfig, adamw

STEPS, LEARNING_RATE, WEIGHT_DECAY, CLIP = 10, 1e-3, 0.01, 0.25

# name, config, batch, tokens, seed
CASES = [
    (
        "char_lm_dilated",  # one window is wider than the text; last two heads of upper layers dilated
        CharLmConfig(
            vocabulary=27, width=32, heads=4, feed_forward=64, windows=[5, 12, 64],
            dilations=[[1, 1, 1, 1], [1, 1, 2, 2], [1, 1, 3, 3]],
        ),
        2, 50, 1,
    ),
    (
        "char_lm_short",  # fewer tokens than the upper window; each head its own dilation; three heads
        CharLmConfig(
            vocabulary=11, width=24, heads=3, feed_forward=40, windows=[1, 16],
            dilations=[[1, 2, 4], [3, 1, 2]],
        ),
        3, 7, 2,
    ),
    (
        "char_lm_plain",  # one window, no dilation, length a multiple of nothing
        CharLmConfig(
            vocabulary=19, width=16, heads=2, feed_forward=32, windows=[8, 8], dilations=[[1, 1], [1, 1]],
        ),
        1, 83, 3,
    ),
]  # fmt: skip


def perturbed(config, seed):
    """A float64 model whose every parameter is random, float32-representable and away from 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    model = CharLm(config).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            if "norm.weight" in name:
                value = 1.0 + 0.3 * noise
            elif parameter.dim() == 1 or name.startswith("position_"):
                value = 0.3 * noise
            elif name == "embedding.weight":
                value = 0.5 * noise / math.sqrt(config.width)
            else:
                value = noise / math.sqrt(parameter.shape[1])
            parameter.copy_(value.float())
    return model


def ten_steps(model, ids, targets):
    """Trains in place; returns loss and unclipped gradient norm before each step, and the final loss."""
    optimizer = adamw(model, LEARNING_RATE, WEIGHT_DECAY)
    losses, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = model.loss(ids, targets)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP))
        losses.append(loss.detach())
        optimizer.step()
    return torch.stack(losses), torch.stack(norms), model.loss(ids, targets).detach()


def golden(config, batch, tokens, seed):
    model = perturbed(config, seed)
    generator = torch.Generator().manual_seed(1000 + seed)
    text = torch.randint(config.vocabulary, (batch, tokens + 1), generator=generator)
    ids, targets = text[:, :-1].clone(), text[:, 1:].clone()
    tensors = {name: value.clone() for name, value in model.state_dict().items()}
    loss = model.loss(ids, targets)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() > 1e-6, f"{name}: no gradient, a comparison would prove nothing"
        tensors["grad." + name] = parameter.grad.clone()
    tensors["logits"], tensors["loss"] = model(ids).detach(), loss.detach().reshape(1)
    losses, norms, final = ten_steps(model, ids, targets)
    assert norms.max() > CLIP, "clipping never acts"
    tensors.update({"adamw.losses": losses, "adamw.grad_norms": norms, "adamw.final_loss": final.reshape(1)})
    tensors = {name: value.float().contiguous() for name, value in tensors.items()}
    return tensors | {
        "ids": ids,
        "targets": targets,
        "config.windows": torch.tensor(config.windows),
        "config.dilations": torch.tensor(config.dilations),
    }


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1] / "golden")
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name, config, batch, tokens, seed in CASES:
        tensors = golden(config, batch, tokens, seed)
        metadata = {"made_with": json.dumps({"torch": torch.__version__, **vars(config)})}
        save_file(tensors, folder / f"{name}.safetensors", metadata=metadata)
        steps = ", ".join(f"{loss:.4f}" for loss in tensors["adamw.losses"])
        norms = ", ".join(f"{norm:.2f}" for norm in tensors["adamw.grad_norms"])
        print(f"{name}: loss {tensors['loss'].item():.6f}\n  steps {steps}\n  norms {norms}")


if __name__ == "__main__":
    main()
