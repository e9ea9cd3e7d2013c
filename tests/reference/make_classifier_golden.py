"""Writes tests/golden/classifier_*.safetensors: whole tiny RoBERTa and Longformer sequence classifiers.

    python3 tests/reference/make_classifier_golden.py [OUTPUT_FOLDER]

Needs torch, transformers and safetensors. As make_encoder_golden.py, in float64 with random parameters: parameters,
padded inputs, labels, logits, mean loss and its gradients. The same is computed one document at a time, without
padding, and must agree.
"""

import pathlib
import sys

import torch
import transformers
from make_encoder_golden import make_inputs, keep_float64_softmax, randomise, sizes
from safetensors.torch import save_file
from transformers import (
    LongformerConfig,
    LongformerForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

CLASSES = 3
# name -> (windows or None for RoBERTa, layers, tokens, valid tokens of each row, global positions of each row)
CASES = {
    "classifier_roberta": (None, 2, 19, [19, 1, 12, 7], None),
    "classifier_longformer": ([4, 8], 2, 29, [29, 3, 17, 22], [[0], [0, 2], [0], [0, 5, 21]]),
}


def make_model(windows, layers):
    if windows is None:
        model = RobertaForSequenceClassification(RobertaConfig(num_labels=CLASSES, **sizes(layers)))
    else:
        config = LongformerConfig(attention_window=windows, sep_token_id=2, num_labels=CLASSES, **sizes(layers))
        model = LongformerForSequenceClassification(config)
    return randomise(model)


def batch_of(ids, mask, globals_, labels):
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    return batch if globals_ is None else batch | {"global_attention_mask": globals_}


def gradients_of(model):
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}


def check_one_by_one(model, batch, logits, gradients):
    """Each document alone, without padding, gives the rows of the padded batch and its gradients in all."""
    model.zero_grad()
    rows = len(batch["labels"])
    for row in range(rows):
        length = int(batch["attention_mask"][row].sum())
        alone = {name: value[row : row + 1] if name == "labels" else value[row : row + 1, :length]
                 for name, value in batch.items()}  # fmt: skip
        output = model(**alone)
        torch.testing.assert_close(output.logits[0], logits[row], rtol=1e-9, atol=1e-9)
        (output.loss / rows).backward()
    for name, gradient in gradients_of(model).items():
        torch.testing.assert_close(gradient, gradients[name], rtol=1e-8, atol=1e-9)


def golden(windows, layers, tokens, lengths, global_positions):
    model = make_model(windows, layers)
    ids, mask, _ = make_inputs(tokens, lengths)
    labels = torch.randint(0, CLASSES, (len(lengths),))
    globals_ = torch.zeros_like(mask)
    for row, positions in enumerate(global_positions or []):
        globals_[row, positions] = 1
    batch = batch_of(ids, mask, None if windows is None else globals_, labels)
    output = model(**batch)
    output.loss.backward()
    gradients = gradients_of(model)
    check_one_by_one(model, batch, output.logits, gradients)
    tensors = {
        "ids": ids, "mask": mask, "labels": labels, "global": globals_, "logits": output.logits,
        "loss": output.loss.reshape(1), "config.windows": torch.tensor(windows or []),
    }  # fmt: skip
    tensors |= dict(model.named_parameters()) | {"grad." + name: value for name, value in gradients.items()}
    return {
        name: (value.detach().float() if value.is_floating_point() else value).contiguous().clone()
        for name, value in tensors.items()
    }


def main():
    default = pathlib.Path(__file__).resolve().parent.parent / "golden"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    keep_float64_softmax()
    for seed, (name, case) in enumerate(CASES.items()):
        torch.manual_seed(100 + seed)
        path = folder / f"{name}.safetensors"
        made_with = {"torch": torch.__version__, "transformers": transformers.__version__}
        save_file(golden(*case), path, {"format": "pt", **made_with})
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
