"""Peer on a GPU: beam search by transformers' BART.

    python3 bench/peers/gpu_beams.py MODEL_FOLDER SOURCES [--beams 4] [--new 64] [--repeats 3]

SOURCES has lines {"id", "ids"} of one length. First what is written for them in f32 and its scores, for comparison:
{"texts": {id: [ids, score]}}. Then a line of JSON each for f32 and bf16: the best time of all sources together.
--device cpu rehearses the same code.
"""

import json
import time

import gpu_torch

try:
    import torch
    from transformers import BartForConditionalGeneration
except (ImportError, OSError):  # main() says so
    torch = None


class Writer:
    def __init__(self, options):
        with open(options.sources, encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
        self.names, self.options = [record["id"] for record in records], options
        self.ids = torch.tensor([record["ids"] for record in records], device=options.device)

    def write(self, model):
        options = self.options
        with torch.no_grad():
            return model.generate(input_ids=self.ids, attention_mask=torch.ones_like(self.ids), do_sample=False,
                                  num_beams=options.beams, max_new_tokens=options.new, min_new_tokens=options.new,
                                  return_dict_in_generate=True, output_scores=True)

    def texts(self, model):
        written = self.write(model)
        return {name: [ids, score] for name, ids, score in zip(self.names, written.sequences.tolist(),
                                                               written.sequences_scores.tolist())}

    def best_seconds(self, model):
        seconds = []
        for _ in range(self.options.repeats):
            began = time.perf_counter()
            self.write(model)
            if self.options.device == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - began)
        return min(seconds)


def main():
    parser = gpu_torch.arguments(__doc__.splitlines()[0], 3, ("model", "sources"))
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--new", type=int, default=64)
    options = gpu_torch.parse(parser)
    model = BartForConditionalGeneration.from_pretrained(options.model).to(options.device).eval()
    writer = Writer(options)
    print(json.dumps({"texts": writer.texts(model)}), flush=True)
    for dtype in (torch.float32, torch.bfloat16):
        line = {"dtype": str(dtype).removeprefix("torch."), "torch": torch.__version__}
        try:
            model = model.to(dtype)
            if dtype != torch.float32:
                writer.write(model)  # warms up, as the texts did for f32
            if options.device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            seconds = writer.best_seconds(model)
            line.update(seconds_best=seconds, tokens_per_second=len(writer.names) * options.new / seconds,
                        peak_bytes=torch.cuda.max_memory_allocated() if options.device == "cuda" else 0)
        except Exception as error:  # such as memory that does not suffice: a finding
            line["failed"] = f"{type(error).__name__}: {error}"[:500]
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
