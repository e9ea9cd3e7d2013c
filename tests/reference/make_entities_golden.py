#!/usr/bin/env python3
"""Writes tests/golden/entities.jsonl: what seqeval's default mode gives random and odd sequences of tags.

    python3 tests/reference/make_entities_golden.py [OUTPUT [CASES]]

Needs seqeval. The first line has the version; then each line is a case: sentences of expected and of predicted tags,
the entities of each as seqeval finds them ([type, first word, last word], over all sentences with a gap between), and
precision, recall and F1: micro, macro, weighted, and of each type; last the accuracy of the tags.
"""

import importlib.metadata
import json
import pathlib
import random
import sys
import warnings

from seqeval.metrics import accuracy_score
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TYPES = ["person", "place", "creative-work", "B", "x-y-z"]


def random_tags(random, length, prefixes, types):
    tags = []
    for _ in range(length):
        if tags and random.random() < 0.4:  # goes on, in one way or another
            previous = tags[-1]
            kind = previous[2:] if previous != "O" else random.choice(types)
            tags.append(random.choice(prefixes) + "-" + kind)
        else:
            tags.append("O" if random.random() < 0.45 else random.choice(prefixes) + "-" + random.choice(types))
    return tags


def changed(random, tags, prefixes, types):
    return [
        tag if random.random() < 0.75 else random.choice(["O", random.choice(prefixes) + "-" + random.choice(types)])
        for tag in tags
    ]


def scores_of(expected, predicted):
    def of(average):
        return [float(x) for x in precision_recall_fscore_support(
            expected, predicted, average=average, zero_division=0)[:3]]  # fmt: skip

    types = sorted({e[0] for e in get_entities(expected)} | {e[0] for e in get_entities(predicted)})
    p, r, f, support = precision_recall_fscore_support(expected, predicted, average=None, zero_division=0)
    result = {average: of(average) for average in ("micro", "macro", "weighted")}
    result["types"] = {t: [float(p[i]), float(r[i]), float(f[i]), int(support[i])] for i, t in enumerate(types)}
    result["accuracy"] = float(accuracy_score(expected, predicted))
    return result


def main():
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/golden/entities.jsonl"
    cases = int(sys.argv[2]) if len(sys.argv) > 2 else 110
    draw = random.Random(1)
    lines = [json.dumps({"seqeval": importlib.metadata.version("seqeval")})]
    warnings.simplefilter("ignore")
    for case in range(cases):
        prefixes = ["BI", "BIES", "I", "BIES"][case % 4]
        types = TYPES[: 1 + case % len(TYPES)]
        expected = [random_tags(draw, draw.randrange(1, 12), prefixes, types) for _ in range(draw.randrange(1, 5))]
        predicted = [changed(draw, tags, prefixes, types) for tags in expected]
        if case % 10 == 7:
            predicted = [["O"] * len(tags) for tags in predicted]
        if not get_entities(expected) and not get_entities(predicted):
            continue
        record = {"expected": expected, "predicted": predicted,
                  "expected_entities": get_entities(expected), "predicted_entities": get_entities(predicted),
                  "scores": scores_of(expected, predicted)}  # fmt: skip
        lines.append(json.dumps(record, separators=(",", ":")))
    output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
