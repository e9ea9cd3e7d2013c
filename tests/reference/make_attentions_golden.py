"""Writes tests/golden/attentions_*.safetensors: by what tiny encoders attend, as transformers returns it.

    python3 tests/reference/make_attentions_golden.py [OUTPUT_FOLDER]

Needs torch, transformers and safetensors. The models are those of make_encoder_golden.py and make_seq2seq_golden.py:
their parameters are read from the golden files. In float64, with output_attentions=True; stored are the inputs and the
probabilities of every layer, the padding of the global ones to a multiple of the window cut off (transformers cuts
that of the others itself). Rows of padded queries, which RoBERTa and BART compute and nobody reads, are zero.
"""

import pathlib

import make_encoder_golden
import make_seq2seq_golden
import torch
from make_encoder_golden import PAD, VOCABULARY, global_mask, write_cases
from safetensors.torch import load_file

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"
# name -> (golden file with the parameters, valid tokens of each row, global positions of each row). A global token is
# padded, windows are wider than the text, and texts are not a multiple of a window.
CASES = {
    "attentions_longformer": ("encoder_longformer", [21, 13, 17], [[0, 4, 20], [0, 2, 15], []]),
    "attentions_longformer_local": ("encoder_longformer_local", [5, 3], [[], []]),
    "attentions_led": ("seq2seq_led", [19, 11, 2], [[0], [], [0, 1]]),
    "attentions_roberta": ("encoder_roberta", [9, 5], [[], []]),
    "attentions_bart": ("seq2seq_bart", [10, 6], [[], []]),
}


def model_of(source):
    """The encoder with the parameters of the golden file."""
    tensors = load_file(GOLDEN / f"{source}.safetensors")
    module = make_seq2seq_golden if source.startswith("seq2seq") else make_encoder_golden
    windows, *sizes = module.CASES[source]
    model = module.make_model(windows, *sizes[: 3 if source.startswith("seq2seq") else 1])
    names = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in names.items():
            parameter.copy_(tensors[name])
    return model.get_encoder() if source.startswith("seq2seq") else model.base_model, windows


def golden(source, lengths, global_positions):
    model, windows = model_of(source)
    tokens = max(lengths)
    mask = (torch.arange(tokens)[None, :] < torch.tensor(lengths)[:, None]).long()
    ids = torch.where(mask.bool(), torch.randint(5, VOCABULARY, mask.shape), PAD)
    globals_ = global_mask(mask, global_positions)
    inputs = {"input_ids": ids, "attention_mask": mask, "output_attentions": True}
    if windows is not None:
        inputs["global_attention_mask"] = globals_
    with torch.no_grad():
        output = model(**inputs)
    tensors = {"ids": ids, "mask": mask, "global": globals_}
    for layer, attentions in enumerate(output.attentions):
        tensors[f"attentions.{layer}"] = (attentions * mask[:, None, :, None]).float().contiguous()
    for layer, attentions in enumerate(getattr(output, "global_attentions", None) or ()):
        tensors[f"global_attentions.{layer}"] = attentions[:, :, :tokens].float().contiguous()
    return tensors


if __name__ == "__main__":
    write_cases(CASES, golden, 300)
