"""Writes tests/golden/seq2seq_*.safetensors: whole tiny BART and LED models.

    python3 tests/reference/make_seq2seq_golden.py [OUTPUT_FOLDER]

Needs torch, transformers and safetensors. As make_encoder_golden.py, in float64 with random parameters: parameters,
padded sources and targets, the encoder's and the decoder's last hidden states, logits, mean loss over the labels and
its gradients. The same is computed one document at a time, without padding, and must agree.
"""

import torch
from make_encoder_golden import PAD, VOCABULARY, WIDTH, global_mask, gradients_of, stored, write_cases
from transformers import BartConfig, BartForConditionalGeneration, LEDConfig, LEDForConditionalGeneration

START, TARGETS = 2, 30
# name -> (windows or None for BART, encoder and decoder layers, whether words are scaled, tokens, valid tokens of each
# source, tokens of each target, global positions of each row)
CASES = {
    "seq2seq_bart": (None, 2, 2, True, 21, [21, 9, 1], [7, 1, 12], None),
    "seq2seq_led": ([4, 8], 2, 1, False, 37, [37, 18, 30, 2], [5, 9, 3, 6], [[0], [0, 4, 11], [], [0]]),
}


def make_model(windows, layers, decoder_layers, scaled):
    sizes = {
        "vocab_size": VOCABULARY, "d_model": WIDTH, "encoder_layers": layers, "decoder_layers": decoder_layers,
        "encoder_attention_heads": 4, "decoder_attention_heads": 2, "encoder_ffn_dim": 48, "decoder_ffn_dim": 40,
        "dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0, "pad_token_id": PAD, "bos_token_id": 0,
        "eos_token_id": 2, "decoder_start_token_id": START, "attn_implementation": "eager",
    }  # fmt: skip
    if windows is None:
        model = BartForConditionalGeneration(BartConfig(max_position_embeddings=40, scale_embedding=scaled, **sizes))
    else:
        model = LEDForConditionalGeneration(LEDConfig(
            attention_window=windows, max_encoder_position_embeddings=40,
            max_decoder_position_embeddings=TARGETS, **sizes,
        ))  # fmt: skip
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            spread = 0.1 if parameter.dim() == 1 else 0.25
            parameter.copy_(torch.randn(parameter.shape) * spread + ("norm" in name and name.endswith("weight")))
        model.final_logits_bias.copy_(torch.randn(1, VOCABULARY) * 0.1)
    return model.double().eval()


def rows_of(lengths, tokens):
    valid = torch.arange(tokens)[None, :] < torch.tensor(lengths)[:, None]
    return torch.randint(5, VOCABULARY, valid.shape), valid


def batch_of(tokens, lengths, target_lengths, globals_):
    """Sources with the padding id inside the text too; labels with one that is the padding id, and -100 behind."""
    ids, valid = rows_of(lengths, tokens)
    ids[:, 0] = 0
    ids[0, tokens // 2] = PAD
    labels, counted = rows_of(target_lengths, max(target_lengths))
    labels[0, 2] = PAD
    batch = {"input_ids": torch.where(valid, ids, PAD), "attention_mask": valid.long(),
             "labels": torch.where(counted, labels, -100)}  # fmt: skip
    return batch if globals_ is None else batch | {"global_attention_mask": global_mask(valid.long(), globals_)}


def check_one_by_one(model, batch, logits, gradients):
    """Each document alone, without padding, gives the rows of the padded batch and its gradients in all."""
    model.zero_grad()
    counted = (batch["labels"] != -100).sum()
    for row in range(len(batch["labels"])):
        source, target = int(batch["attention_mask"][row].sum()), int((batch["labels"][row] != -100).sum())
        alone = {name: value[row : row + 1, : target if name == "labels" else source] for name, value in batch.items()}
        output = model(**alone)
        torch.testing.assert_close(output.logits[0], logits[row, :target], rtol=1e-9, atol=1e-9)
        (output.loss * target / counted).backward()
    for name, gradient in gradients_of(model).items():
        torch.testing.assert_close(gradient, gradients[name], rtol=1e-8, atol=1e-9)


def golden(windows, layers, decoder_layers, scaled, tokens, lengths, target_lengths, global_positions):
    model = make_model(windows, layers, decoder_layers, scaled)
    batch = batch_of(tokens, lengths, target_lengths, global_positions)
    output = model(**batch, output_hidden_states=True)
    output.loss.backward()
    gradients = gradients_of(model)
    check_one_by_one(model, batch, output.logits, gradients)
    globals_ = batch.get("global_attention_mask", torch.zeros_like(batch["input_ids"]))
    tensors = {
        "ids": batch["input_ids"], "mask": batch["attention_mask"], "labels": batch["labels"], "global": globals_,
        "encoded": output.encoder_last_hidden_state, "decoded": output.decoder_hidden_states[-1],
        "logits": output.logits, "loss": output.loss.reshape(1), "config.windows": torch.tensor(windows or []),
        "config.scaled": torch.tensor([int(scaled)]), "final_logits_bias": model.final_logits_bias,
    }  # fmt: skip
    return stored(tensors, model, gradients)


if __name__ == "__main__":
    write_cases(CASES, golden, 200)
