"""What bench/summaries measures Longform against.

    summaries.py make FOLDER WINDOW POSITIONS     a model with random weights in FOLDER/model; WINDOW 0: BART, else LED
    summaries.py transformers|ctranslate2 FOLDER BEAMS NEW    writes for FOLDER/sources.jsonl; prints {"seconds"}
"""

import json
import pathlib
import sys
import time


def make(folder, window, positions):
    import torch
    from transformers import BartConfig, BartForConditionalGeneration, LEDConfig, LEDForConditionalGeneration

    torch.manual_seed(0)
    sizes = {"d_model": 768, "encoder_layers": 6, "decoder_layers": 6, "encoder_attention_heads": 12,
             "decoder_attention_heads": 12, "encoder_ffn_dim": 3072, "decoder_ffn_dim": 3072, "vocab_size": 50265,
             "forced_eos_token_id": None}  # fmt: skip
    if window:
        model = LEDForConditionalGeneration(LEDConfig(
            attention_window=window, max_encoder_position_embeddings=positions, **sizes))  # fmt: skip
    else:
        model = BartForConditionalGeneration(BartConfig(max_position_embeddings=positions, **sizes))
    model.save_pretrained(folder / "model")


def sources(folder):
    return [json.loads(line)["ids"] for line in (folder / "sources.jsonl").read_text().splitlines()]


def with_transformers(folder, beams, new):
    import torch
    from transformers import AutoModelForSeq2SeqLM

    model = AutoModelForSeq2SeqLM.from_pretrained(folder / "model").eval()
    ids = torch.tensor(sources(folder))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if model.config.model_type == "led":
        inputs["global_attention_mask"] = torch.zeros_like(ids)
        inputs["global_attention_mask"][:, 0] = 1
    begin = time.perf_counter()
    with torch.no_grad():
        model.generate(**inputs, num_beams=beams, max_new_tokens=new, min_new_tokens=new, do_sample=False)
    return time.perf_counter() - begin


def with_ctranslate2(folder, beams, new):
    import os

    import ctranslate2

    path = folder / "ct2"
    if not path.exists():
        config = json.loads((folder / "model" / "config.json").read_text())
        config |= {"normalize_before": False, "normalize_embedding": True, "add_final_layer_norm": False}
        (folder / "model" / "config.json").write_text(json.dumps(config))
        convert(folder, path)
    translator = ctranslate2.Translator(str(path), device="cpu", compute_type="float32",
                                        intra_threads=len(os.sched_getaffinity(0)))  # fmt: skip
    texts = [[str(i) for i in row] for row in sources(folder)]
    begin = time.perf_counter()
    translator.translate_batch(texts, beam_size=beams, min_decoding_length=new, max_decoding_length=new,
                               max_batch_size=len(texts), max_input_length=0)  # fmt: skip
    return time.perf_counter() - begin


def convert(folder, path):
    """By CTranslate2's own loader, with a vocabulary of numbers."""
    import ctranslate2
    import transformers
    from ctranslate2.converters import transformers as loaders

    class Tokens:
        unk_token, bos_token, eos_token, pad_token = "3", "0", "2", "1"

        def get_vocab(self):
            return {str(i): i for i in range(50265)}

        def convert_ids_to_tokens(self, i):
            return str(i)

    transformers.AutoTokenizer.from_pretrained = lambda *_, **__: Tokens()
    loaders.BartLoader.get_vocabulary = lambda self, model, tokenizer: [str(i) for i in range(50265)]
    ctranslate2.converters.TransformersConverter(str(folder / "model")).convert(str(path))


if __name__ == "__main__":
    what, where = sys.argv[1], pathlib.Path(sys.argv[2])
    if what == "make":
        make(where, int(sys.argv[3]), int(sys.argv[4]))
    else:
        run = with_transformers if what == "transformers" else with_ctranslate2
        print(json.dumps({"seconds": run(where, int(sys.argv[3]), int(sys.argv[4]))}))
