"""Writes tests/golden/encoder_*.safetensors: whole tiny RoBERTa and Longformer masked language models.

    python3 tests/reference/make_encoder_golden.py [OUTPUT_FOLDER]

Needs torch, transformers and safetensors. Runs in float64 with every parameter drawn at random (LayerNorms, biases,
global projections and padding rows too) and stores float32: parameters, inputs, last hidden state, logits, loss and the
gradient of the loss for every parameter.
"""

import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from torch import nn
from transformers import LongformerConfig, LongformerForMaskedLM, RobertaConfig, RobertaForMaskedLM

VOCABULARY, WIDTH, HEADS, FEED_FORWARD, POSITIONS = 53, 32, 4, 48, 64
PAD, MASK = 1, 4

# name -> (windows or None for RoBERTa, layers, tokens, valid tokens of each row, global positions of each row)
CASES = {
    "encoder_roberta": (None, 2, 23, [23, 14, 1], [[], [], []]),
    "encoder_longformer": ([4, 8, 4], 3, 37, [37, 29, 37, 20], [[], [0], [0, 5, 19, 36], [0, 3, 19, 30]]),
    "encoder_longformer_local": ([8, 4], 2, 25, [25, 17], [[], []]),
}


def keep_float64_softmax():
    """transformers asks for float32 softmax even in float64; this ignores the request for float64 inputs."""
    original = nn.functional.softmax

    def softmax(scores, dim=None, dtype=None, **others):
        return original(scores, dim=dim, dtype=None if scores.dtype == torch.float64 else dtype)

    nn.functional.softmax = softmax


def sizes(layers):
    return {
        "vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": layers, "num_attention_heads": HEADS,
        "intermediate_size": FEED_FORWARD, "max_position_embeddings": POSITIONS, "type_vocab_size": 1,
        "layer_norm_eps": 1e-5, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
        "pad_token_id": PAD, "bos_token_id": 0, "eos_token_id": 2, "attn_implementation": "eager",
    }  # fmt: skip


def randomise(model):
    """Makes all parameters random and representable in float32."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = 0.1 if parameter.dim() == 1 else 0.25
            around_one = "LayerNorm.weight" in name or "layer_norm.weight" in name
            parameter.copy_(torch.randn(parameter.shape) * spread + around_one)
    return model.double().eval()


def make_model(windows, layers):
    if windows is None:
        return randomise(RobertaForMaskedLM(RobertaConfig(**sizes(layers))))
    return randomise(LongformerForMaskedLM(LongformerConfig(attention_window=windows, sep_token_id=2, **sizes(layers))))


def make_inputs(tokens, lengths):
    """ids, mask and labels; the padding id also stands inside the text, where it is an ordinary, unmasked token."""
    valid = torch.arange(tokens)[None, :] < torch.tensor(lengths)[:, None]
    ids = torch.randint(5, VOCABULARY, valid.shape)
    ids[:, 0] = 0
    ids[0, tokens // 2] = PAD
    chosen = (torch.rand(valid.shape) < 0.3) & valid
    chosen[0, 1] = True
    labels = torch.where(chosen, ids, -100)
    ids = torch.where(chosen & (torch.rand(valid.shape) < 0.7), MASK, ids)
    return torch.where(valid, ids, PAD), valid.long(), labels


def global_mask(mask, positions_of_rows):
    globals_ = torch.zeros_like(mask)
    for row, positions in enumerate(positions_of_rows or []):
        globals_[row, positions] = 1
    return globals_


def gradients_of(model):
    """Copies, zeros where none arrived."""
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


def stored(tensors, model, gradients):
    """The tensors with the model's parameters and their gradients, as a golden file has them: in single precision."""
    tensors |= dict(model.named_parameters()) | {"grad." + name: value for name, value in gradients.items()}
    return {
        name: (value.detach().float() if value.is_floating_point() else value).contiguous().clone()
        for name, value in tensors.items()
    }


def write_cases(cases, golden, first_seed):
    """Writes a file for every case, with seeds that count from first_seed, into the folder of the command line."""
    default = pathlib.Path(__file__).resolve().parent.parent / "golden"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    keep_float64_softmax()
    for seed, (name, case) in enumerate(cases.items()):
        torch.manual_seed(first_seed + seed)
        path = folder / f"{name}.safetensors"
        made_with = {"torch": torch.__version__, "transformers": transformers.__version__}
        save_file(golden(*case), path, {"format": "pt", **made_with})
        print(path, path.stat().st_size)


def golden(windows, layers, tokens, lengths, global_positions):
    model = make_model(windows, layers)
    ids, mask, labels = make_inputs(tokens, lengths)
    globals_ = global_mask(mask, global_positions)
    inputs = {"input_ids": ids, "attention_mask": mask, "labels": labels, "output_hidden_states": True}
    if windows is not None:
        inputs["global_attention_mask"] = globals_
    output = model(**inputs)
    output.loss.backward()
    tensors = {
        "ids": ids, "mask": mask, "labels": labels, "global": globals_, "logits": output.logits,
        "hidden": output.hidden_states[-1], "loss": output.loss.reshape(1),
        "config.windows": torch.tensor(windows or []),
    }  # fmt: skip
    return stored(tensors, model, gradients_of(model))


if __name__ == "__main__":
    write_cases(CASES, golden, 0)
