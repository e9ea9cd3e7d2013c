"""Writes tests/golden/classifier_*.safetensors: whole tiny RoBERTa and Longformer sequence classifiers.

    python3 tests/reference/make_classifier_golden.py [OUTPUT_FOLDER]

Needs torch, transformers and safetensors. As make_encoder_golden.py, in float64 with random parameters: parameters,
padded inputs, labels, logits, mean loss and its gradients. The same is computed one document at a time, without
padding, and must agree.
"""

import torch
from make_encoder_golden import global_mask, gradients_of, make_inputs, randomise, sizes, stored, write_cases
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
    globals_ = global_mask(mask, global_positions)
    batch = batch_of(ids, mask, None if windows is None else globals_, labels)
    output = model(**batch)
    output.loss.backward()
    gradients = gradients_of(model)
    check_one_by_one(model, batch, output.logits, gradients)
    tensors = {
        "ids": ids, "mask": mask, "labels": labels, "global": globals_, "logits": output.logits,
        "loss": output.loss.reshape(1), "config.windows": torch.tensor(windows or []),
    }  # fmt: skip
    return stored(tensors, model, gradients)


if __name__ == "__main__":
    write_cases(CASES, golden, 100)
