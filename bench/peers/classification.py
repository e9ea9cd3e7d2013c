#!/usr/bin/env python3
"""Fine-tunes a classifier with transformers, as its users do: batches padded to their longest document.

    bench/peers/classification.py MODEL TRAIN.tsv[.gz] [--test TEST.tsv[.gz]] [--minutes M | --steps N] [...]

MODEL is a RoBERTa or Longformer folder; files have a label in their first column and the text in their last. Prints one
JSON object: updates, real and padded tokens per second of training, and the accuracy on the test documents. Needs
torch and transformers.
"""
import argparse
import gzip
import json
import random
import sys
import time

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def read(path, limit):
    with gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    random.Random(0).shuffle(rows)
    rows = rows[:limit] if limit else rows
    return [row[-1] for row in rows], [row[0] for row in rows]


def batch_of(encoded, labels, chosen, padding):
    length = max(len(encoded[i]) for i in chosen)
    ids = torch.full((len(chosen), length), padding)
    for row, i in enumerate(chosen):
        ids[row, : len(encoded[i])] = torch.tensor(encoded[i])
    return ids, (ids != padding).long(), torch.tensor([labels[i] for i in chosen])


def inputs_of(model, ids, mask, first_is_global=True):
    inputs = {"input_ids": ids, "attention_mask": mask}
    if model.config.model_type == "longformer":
        inputs["global_attention_mask"] = torch.zeros_like(mask)
        inputs["global_attention_mask"][:, 0] = int(first_is_global)
    return inputs


def train(model, encoded, labels, options, padding, make_batch=batch_of, first_is_global=True):
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=options.rate, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.01)
    order, step, real, padded, started = [], 0, 0, 0, time.monotonic()
    draw, counted_from = random.Random(1), started
    while (step < options.steps) if options.steps else (time.monotonic() - started < 60 * options.minutes):
        if len(order) < options.batch:
            order = draw.sample(range(len(encoded)), len(encoded))
        chosen, order = order[: options.batch], order[options.batch :]
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1.0, (step + 1) / options.warmup)
        for first in range(0, options.batch, options.micro_batch):
            part = chosen[first : first + options.micro_batch]
            ids, mask, target = make_batch(encoded, labels, part, padding)
            loss = model(**inputs_of(model, ids, mask, first_is_global), labels=target).loss
            (loss * len(target) / options.batch).backward()
            real += int(mask.sum())
            padded += ids.numel()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        if step == options.leave_out:
            real, padded, counted_from = 0, 0, time.monotonic()
    seconds = time.monotonic() - counted_from
    return {"updates": step, "seconds": seconds, "tokens_per_second": real / seconds,
            "padded_tokens_per_second": padded / seconds}  # fmt: skip


def accuracy(model, encoded, labels, options, padding):
    model.eval()
    right = 0
    by_length = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    with torch.no_grad():
        for first in range(0, len(encoded), options.batch):
            chosen = by_length[first : first + options.batch]
            ids, mask, target = batch_of(encoded, labels, chosen, padding)
            right += int((model(**inputs_of(model, ids, mask)).logits.argmax(-1) == target).sum())
    return right / len(encoded)


def add_training(parser):
    parser.add_argument("model")
    parser.add_argument("train")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--leave-out", type=int, default=0, help="updates that warm up, of the rate only")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--micro-batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--threads", type=int, default=0)


def begin(options):
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_training(parser)
    parser.add_argument("--test")
    parser.add_argument("--most", type=int, default=0, help="so many training documents; 0: all")
    parser.add_argument("--most-test", type=int, default=0)
    options = parser.parse_args()
    begin(options)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForSequenceClassification.from_pretrained(options.model, num_labels=2)
    model.train()
    texts, names = read(options.train, options.most)
    classes = sorted(set(names))
    padding = tokenizer.pad_token_id

    def encode(texts):
        return tokenizer(texts, truncation=True, max_length=options.length)["input_ids"]

    result = train(model, encode(texts), [classes.index(n) for n in names], options, padding)
    if options.test:
        texts, names = read(options.test, options.most_test)
        labels = [classes.index(n) for n in names]
        result["accuracy"] = accuracy(model, encode(texts), labels, options, padding)
        result["documents"] = len(texts)
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
