"""Steps: updates of an LED, and beam search, ours and transformers' on the same random weights."""

import json

import program
import seq2seq_files
import training


def label_loss(check, clock, config):
    """Of the validation split's labels, in f32 on the device."""
    return program.json_of([check.program.longform, "evaluate", config, "--split", "validation", "--set",
                            f"device={check.device}", "--set", "precision=f32", "--json"], clock)["loss_nats"]


def led(check, clock, result):
    """An update of LED-base's size."""
    shape = check.size(seq2seq_files.LED_BASE, seq2seq_files.LED_TINY)
    batches = check.size((1, 8), (1, 2))
    model, pairs, first = check.folder / "led", check.folder / "pairs.jsonl", check.folder / "first.jsonl"
    seq2seq_files.write(model, shape)
    record = check.folder / "pair.json"
    record.write_text(json.dumps(seq2seq_files.write_pairs(pairs, shape, 2 * batches[-1])), encoding="utf-8")
    first.write_text(pairs.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    config = check.folder / "led.yaml"
    result["ours"] = {}
    for batch in batches:
        config.write_text(seq2seq_files.configuration(model, pairs, first, shape, batch), encoding="utf-8")
        if "loss" not in result:
            result["loss"] = label_loss(check, clock, config)
        result["ours"][str(batch)] = training.bench_train(check, clock, config, [], steps=check.size(8, 1))
    result["in_short"] = f"ours {result['ours'][str(batches[-1])]['tokens_per_second']:.0f} tokens/s"
    training.compare_with_transformers(check, clock, result, "gpu_led.py",
                                       [model, record, "--tokens", shape["source"], "--target", shape["target"],
                                        "--batches", ",".join(map(str, batches))])


def compare_texts(ours, theirs):
    """How many are the same. Where candidates are as good as each other up to rounding, texts may differ that have
    the same score, but not many do."""
    if ours.keys() != theirs.keys():
        raise program.Failed(f"texts for {list(ours)} are none for {list(theirs)}")
    equal = 0
    for name, (ids, score) in ours.items():
        their_ids, their_score = theirs[name]
        if not abs(score - their_score) <= 1e-4 * abs(their_score):  # f32 on both sides, in other orders
            raise program.Failed(f"text {name}: score {score} is not transformers' {their_score} on the same weights")
        equal += ids == their_ids
    if 2 * equal < len(ours):
        raise program.Failed(f"{equal} of {len(ours)} texts are transformers' on the same weights")
    return equal


class Peer:
    """The lines that bench/peers/gpu_beams.py prints, as they come; the texts must be the first and ours."""

    def __init__(self, check, result, texts):
        self.compares, self.result, self.texts, self.lines = not check.rehearses, result, texts, {}
        result["transformers"] = self.lines

    def keep(self, line):
        if "left_out" in line:
            self.lines.update(line)
            print(f"transformers' texts are left out: {line['left_out']}", flush=True)
            self.result["in_short"] += "; transformers' left out"
        elif "texts" in line:
            self.lines["equal_texts"] = compare_texts(self.texts, line["texts"])
            print(f"{self.lines['equal_texts']} of {len(self.texts)} texts are the same, all scores are", flush=True)
        else:
            self.need_texts()
            self.lines[line["dtype"]] = line
            self.compare_times(line)

    def need_texts(self):
        if "equal_texts" not in self.lines and "left_out" not in self.lines:
            raise program.Failed("transformers' texts were to come first")

    def compare_times(self, line):
        if "failed" in line:
            print(f"transformers in {line['dtype']} did not run: {line['failed'][:200]}", flush=True)
            return
        text = f"transformers in {line['dtype']}: {line['tokens_per_second']:.0f} new tokens/s"
        if self.compares:
            line["ours_times"] = ratio = self.result["ours"]["tokens_per_second"] / line["tokens_per_second"]
            text += f": ours, in float32, has {ratio:.2f} times that"
            self.result["in_short"] += f", {ratio:.2f} times transformers' in {line['dtype']}"
        print(text, flush=True)


def beams(check, clock, result):
    """Texts by beam search with a model of BART-base's size."""
    shape = check.size(seq2seq_files.BART_BASE, seq2seq_files.BART_TINY)
    count, width, new = check.size((8, 4, 64), (2, 2, 4))
    model, sources, settings = check.folder / "bart", check.folder / "sources.jsonl", check.folder / "beams.json"
    seq2seq_files.write(model, shape)
    seq2seq_files.write_sources(sources, shape, count)
    asked = {"num_beams": width, "max_new_tokens": new, "min_new_tokens": new}
    settings.write_text(json.dumps(asked), encoding="utf-8")
    row = program.json_of([check.program.longform, "bench", "generate", model, "--set", f"device={check.device}",
                           "--input", sources, "--generation", settings, "--rows", count * width, "--repeats",
                           check.size(3, 1), "--json"], clock)
    texts = {record["id"]: [record["output_ids"], record["score"]] for record in row.pop("written")}
    result["ours"] = row
    result["in_short"] = f"ours {row['tokens_per_second']:.0f} new tokens/s in float32"
    print(f"{result['in_short']}, {row['seconds']:.4f} s, {row['peak_bytes'] / 2**30:.2f} GiB", flush=True)
    found = Peer(check, result, texts)
    program.json_lines([check.python, program.ROOT / "bench" / "peers" / "gpu_beams.py", model, sources, "--beams",
                        width, "--new", new, *check.size([], ["--device", "cpu", "--repeats", 1])], clock, found.keep)
    found.need_texts()
