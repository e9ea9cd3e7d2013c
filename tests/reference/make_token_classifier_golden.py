"""Writes tests/golden/token_classifier_*.safetensors: whole tiny RoBERTa and Longformer token classifiers.

    python3 tests/reference/make_token_classifier_golden.py [OUTPUT_FOLDER]

Needs torch, transformers and safetensors. As make_classifier_golden.py: parameters, padded inputs, a label for some of
the tokens (-100 for the others), logits of every token, mean loss and its gradients.
"""

import torch
from make_encoder_golden import global_mask, gradients_of, make_inputs, randomise, sizes, stored, write_cases
from transformers import (
    LongformerConfig,
    LongformerForTokenClassification,
    RobertaConfig,
    RobertaForTokenClassification,
)

CLASSES = 5
# name -> (windows or None for RoBERTa, layers, tokens, valid tokens of each row, global positions of each row)
CASES = {
    "token_classifier_roberta": (None, 2, 21, [21, 3, 14, 9], None),
    "token_classifier_longformer": ([4, 8], 2, 31, [31, 5, 18, 24], [[], [], [], []]),
}


def make_model(windows, layers):
    if windows is None:
        model = RobertaForTokenClassification(RobertaConfig(num_labels=CLASSES, **sizes(layers)))
    else:
        config = LongformerConfig(attention_window=windows, sep_token_id=2, num_labels=CLASSES, **sizes(layers))
        model = LongformerForTokenClassification(config)
    return randomise(model)


def golden(windows, layers, tokens, lengths, global_positions):
    model = make_model(windows, layers)
    ids, mask, _ = make_inputs(tokens, lengths)
    chosen = (torch.rand(ids.shape) < 0.6) & mask.bool()
    chosen[:, 1] = True
    labels = torch.where(chosen, torch.randint(0, CLASSES, ids.shape), -100)
    globals_ = global_mask(mask, global_positions)
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    if windows is not None:
        batch["global_attention_mask"] = globals_
    output = model(**batch)
    output.loss.backward()
    tensors = {
        "ids": ids, "mask": mask, "labels": labels, "global": globals_, "logits": output.logits,
        "loss": output.loss.reshape(1), "config.windows": torch.tensor(windows or []),
    }  # fmt: skip
    return stored(tensors, model, gradients_of(model))


if __name__ == "__main__":
    write_cases(CASES, golden, 200)
