"""Steps: whole updates of a masked language model and of character models, and a run that is interrupted."""

import hashlib
import json
import random
import re

import model_files
import program


def bench_train(check, clock, config, settings, stage=1, steps=5):
    command = [check.program.longform, "bench", "train", config, "--set", f"device={check.device}"]
    for setting in settings:
        command += ["--set", setting]
    row = program.json_of([*command, "--stage", stage, "--steps", steps, "--json"], clock)
    mfu = "unknown" if row["mfu"] is None else f"{100 * row['mfu']:.1f} %"
    print(f"{row['stage']}: {row['seconds_best']:.4f} s an update, {row['tokens_per_second']:.0f} tokens/s, MFU {mfu},"
          f" {row['peak_bytes'] / 2**30:.2f} GiB, {row['precision']}", flush=True)
    return row


def write_record(path, tokens, vocabulary):
    """A sequence of random tokens, 15 % of them targets, as `longform predict` reads it."""
    draw = random.Random(1)
    ids = [draw.randrange(5, vocabulary) for _ in range(tokens)]
    labels = [token if draw.random() < 0.15 else -100 for token in ids]
    labels[1] = ids[1]
    path.write_text(json.dumps({"id": "record", "ids": [ids], "labels": [labels]}) + "\n", encoding="utf-8")


def our_loss(check, clock, model, record):
    code, out, err = program.run([check.program.longform, "predict", model, record, "--what", "loss", "--device",
                                  check.device, "--out", check.folder / "loss.safetensors"], clock)
    found = re.search(r"loss = ([-+.\deE]+) nats", err)
    if code != 0 or not found:
        raise program.Failed(f"longform predict ended with {code}: {(err or out)[-1000:]}")
    return float(found[1])


def masked_lm(check, clock, result):
    """A step of RoBERTa-base's size on the same random weights, ours and transformers'."""
    shape = check.size(model_files.BASE, model_files.TINY)
    tokens, batches = check.size(4096, 64), check.size((1, 8), (1, 2))
    model, corpus, record = check.folder / "model", check.folder / "documents", check.folder / "record.jsonl"
    model_files.write(model, model_files.config(shape), model_files.parameters(shape))
    write_record(record, tokens, shape["vocab_size"])
    program.checked([check.program.longform, "prepare", "documents", model_files.text(check), "--tokenizer", model,
                     "--out", corpus], clock)
    result["loss"] = our_loss(check, clock, model, record)
    result["ours"] = {}
    config = check.folder / "masked_lm.yaml"
    for batch in batches:
        config.write_text(model_files.configuration(model, corpus, tokens, batch), encoding="utf-8")
        result["ours"][str(batch)] = bench_train(check, clock, config, [], steps=check.size(8, 1))
    ours = result["ours"][str(batches[-1])]
    result["in_short"] = f"ours {ours['tokens_per_second']:.0f} tokens/s"
    compare_with_transformers(check, clock, result, "gpu_masked_lm.py",
                              [model, record, "--tokens", tokens, "--batches", ",".join(map(str, batches))])


class Transformers:
    """The lines that a peer in bench/peers/ prints, as they come; the loss must be the first and ours."""

    def __init__(self, check, result):
        self.compares, self.result, self.lines = not check.rehearses, result, {}
        result["transformers"] = self.lines

    def keep(self, line):
        if "left_out" in line:
            self.lines.update(line)
            print(f"transformers' step is left out: {line['left_out']}", flush=True)
            self.result["in_short"] += "; transformers' left out"
        elif "loss" in line:
            self.lines["loss"] = line["loss"]
            self.compare_losses()
        else:
            self.compare_losses()
            self.lines[line["batch"]] = line
            self.compare_times(line)

    def compare_losses(self):
        ours, theirs = self.result["loss"], self.lines.get("loss")
        if theirs is None:
            raise program.Failed("transformers' loss was to come first")
        if not abs(theirs - ours) / ours < 2e-4:  # f32 on both sides, in other orders
            raise program.Failed(f"loss {ours} is not transformers' {theirs} on the same weights")

    def compare_times(self, line):
        if "failed" in line:
            print(f"transformers, micro-batch {line['batch']}, did not run: {line['failed'][:200]}", flush=True)
            return
        text = (f"transformers, micro-batch {line['batch']}: {line['tokens_per_second']:.0f} tokens/s,"
                f" {line['peak_bytes'] / 2**30:.2f} GiB")
        if self.compares:
            line["ours_times"] = ratio = (self.result["ours"][line["batch"]]["tokens_per_second"]
                                          / line["tokens_per_second"])
            text += f": ours has {ratio:.2f} times that"
            self.result["in_short"] += f", {ratio:.2f} times transformers' at micro-batch {line['batch']}"
        print(text, flush=True)


def compare_with_transformers(check, clock, result, peer, arguments):
    found = Transformers(check, result)
    command = [check.python, program.ROOT / "bench" / "peers" / peer, *arguments]
    program.json_lines([*command, *check.size([], ["--device", "cpu", "--repeats", 1])], clock, found.keep)
    if "left_out" not in found.lines:
        found.compare_losses()
        print(f"loss {result['loss']:.6f}, transformers' {found.lines['loss']:.6f}")


TINY_CHAR_LM = ["model.layers=1", "model.width=32", "model.heads=1", "model.feed_forward=32",
                "stages.list.0.sequence_length=32", "stages.list.0.windows=4", "stages.list.0.dilation=1",
                "stages.list.0.dilated_heads=0", "stages.list.0.batch_size=2", "stages.list.0.micro_batch=1",
                "stages.list.1.micro_batch=1", "stages.list.2.batch_size=1", "evaluation.sequence_length=64",
                "evaluation.step=32", "validation.tokens=96"]


def char_lm(check, clock, result):
    """The paper's small character model, first and last stage."""
    settings = [f"data.path={program.quoted(check.program.sample)}", "data.kind=bytes", *check.size([], TINY_CHAR_LM)]
    for stage in (1, 5):
        result[f"stage_{stage}"] = bench_train(check, clock, check.program.configs / "enwik8_small.yaml", settings,
                                               stage, check.size(4, 1))
        done = [f"stage {n} {result[f'stage_{n}']['tokens_per_second']:.0f} tokens/s" for n in (1, 5)
                if f"stage_{n}" in result]
        result["in_short"] = ", ".join(done)


RESUMED = """\
device: {device}
data: {{path: {sample}}}
model: {{layers: 2, width: 64, heads: 2, feed_forward: 64, dropout: 0.1, attention_dropout: 0.1}}
stages: {{list: [{{name: only, sequence_length: {length}, windows: [16, 32], dilation: [1, 2], dilated_heads: 1,
  learning_rate: 0.001, batch_size: 2, micro_batch: 1, steps: 4}}]}}
validation: {{tokens: {length}}}
evaluation: {{sequence_length: {length}, step: {length}, after_each_stage: false}}
checkpoint: {{every_steps: 2}}
log: {{every_steps: 1, tensorboard: false}}
"""


def last_weights(check, run):
    """The digest of a finished run's weights."""
    weights = sorted((check.folder / run / "checkpoints").glob("step-*4/model.safetensors"))
    if not weights:
        raise program.Failed(f"{run}: no checkpoint of the last step")
    return hashlib.sha256(weights[-1].read_bytes()).hexdigest()


def resume(check, clock, result):
    """A run that died between its second step and its last, and went on, ends with the bits of one that did not."""
    sample = check.folder / "sample.txt"
    length, characters = check.size((96, 8000), (32, 1000))
    sample.write_bytes(check.program.sample.read_bytes()[:characters])
    config = check.folder / "resume.yaml"
    config.write_text(RESUMED.format(device=check.device, sample=program.quoted(sample), length=length),
                      encoding="utf-8")
    command = [check.program.longform, "train", config]
    program.checked([*command, "--out", check.folder / "whole"], clock)
    code, out, err = program.run([*command, "--out", check.folder / "cut"], clock,
                                 {"LF_FAILPOINT": "trainer.loss:4=enospc"})
    if code == 0:
        raise program.Failed("the run that was to die did not")
    left = sorted(path.name for path in (check.folder / "cut" / "checkpoints").glob("step-*"))
    if len(left) != 1 or not left[0].endswith("2"):
        raise program.Failed(f"the run that was to die behind its second step left {left or 'no checkpoint'}:"
                             f" it ended with {code}: {(err.strip() or out.strip())[-800:]}")
    program.checked([*command, "--out", check.folder / "cut", "--resume"], clock)
    result["weights"] = [last_weights(check, run) for run in ("whole", "cut")]
    if result["weights"][0] != result["weights"][1]:
        raise program.Failed("the resumed run's weights have other bits")
    result["in_short"] = "a resumed run has the same bits"
