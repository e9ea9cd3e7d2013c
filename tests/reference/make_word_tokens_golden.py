"""Writes tests/golden/word_tokens.jsonl: lists of words as transformers' RoBERTa tokenizer has them.

    python3 tests/reference/make_word_tokens_golden.py [OUTPUT]

Needs transformers. Each line is a list of words, the ids of RobertaTokenizerFast(add_prefix_space=True) with
is_split_into_words=True, without <s> and </s>, and for each word the place of its first token.
"""

import json
import pathlib
import random
import sys

import transformers

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORDS = """the The don't U.S. 3,000 -LRB- ... "" `` '' 's n't @paulwalk #tag http://t.co/x1 New\u00a0York S\u00e3o
\u4e2d\u6587 \u0e01\u0e33 \U0001f600 A.B.C 10:30
e-mail \u2019s \u2026 & ' a b 'll I'm \u00bd \u2028x x\u200by""".split(" ")


def main():
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests/golden/word_tokens.jsonl"
    tokenizer = transformers.RobertaTokenizerFast.from_pretrained(
        ROOT / "tests/golden/tokenizer", add_prefix_space=True, use_fast=True
    )
    words = [part for word in WORDS for part in word.split("\n") if part]
    draw = random.Random(1)
    lists = [words] + [[draw.choice(words) for _ in range(draw.randrange(1, 9))] for _ in range(60)]
    lines = [json.dumps({"transformers": transformers.__version__})]
    for chosen in lists:
        encoding = tokenizer(chosen, is_split_into_words=True, add_special_tokens=False)
        places = encoding.word_ids()
        first = [places.index(i) for i in range(len(chosen))]
        lines.append(json.dumps({"words": chosen, "ids": encoding["input_ids"], "first": first}))
    output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
