#!/usr/bin/env python3
"""Fine-tunes a token classifier with transformers, as its users do: batches padded to their longest text.

    bench/peers/token_classification.py MODEL TRAIN [--documents] [--tag-column 2] [--minutes M | --steps N] [...]

MODEL is a RoBERTa or Longformer folder; TRAIN has a word and its tag a line (plain or gzipped). Prints one JSON object:
updates, real and padded tokens per second of training, and the peak of the process's memory. Needs torch and
transformers.
"""

import argparse
import gzip
import json
import resource
import sys

import torch
from classification import add_training, begin, train
from transformers import AutoModelForTokenClassification, AutoTokenizer


def texts_of(path, column, documents):
    """(words, tags) of each sentence or document."""
    words, tags = [], []
    with gzip.open(path, "rt", encoding="utf-8") if path.endswith(".gz") else open(path, encoding="utf-8") as file:
        for line in [*file, "#end document\n"]:
            row = line.rstrip("\n")
            marked = row.startswith(("#begin document", "#end document"))
            if (marked or (not documents and not row.strip())) and words:
                yield words, tags
                words, tags = [], []
            elif row.strip() and not marked:
                fields = row.split("\t") if "\t" in row else row.split()
                words.append(fields[0])
                tags.append(fields[column - 1])


def batch_of(encoded, labels, chosen, padding):
    length = max(len(encoded[i]) for i in chosen)
    ids, target = torch.full((len(chosen), length), padding), torch.full((len(chosen), length), -100)
    for row, i in enumerate(chosen):
        ids[row, : len(encoded[i])] = torch.tensor(encoded[i])
        target[row, : len(encoded[i])] = torch.tensor(labels[i])
    return ids, (ids != padding).long(), target


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_training(parser)
    parser.add_argument("--documents", action="store_true")
    parser.add_argument("--tag-column", type=int, default=2)
    options = parser.parse_args()
    begin(options)
    texts = list(texts_of(options.train, options.tag_column, options.documents))
    classes = sorted({tag for _, tags in texts for tag in tags})
    tokenizer = AutoTokenizer.from_pretrained(options.model, add_prefix_space=True)
    model = AutoModelForTokenClassification.from_pretrained(options.model, num_labels=len(classes))
    model.train()
    encoded, labels = [], []
    for words, tags in texts:
        encoding = tokenizer(words, is_split_into_words=True, truncation=True, max_length=options.length)
        places, own, previous = encoding.word_ids(), [], None
        for place in places:
            own.append(-100 if place is None or place == previous else classes.index(tags[place]))
            previous = place
        encoded.append(encoding["input_ids"])
        labels.append(own)
    result = train(model, encoded, labels, options, tokenizer.pad_token_id, batch_of, first_is_global=False)
    result["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
