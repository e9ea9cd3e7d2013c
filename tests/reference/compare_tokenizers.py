#!/usr/bin/env python3
"""Compares `longform tokenize` with the Hugging Face tokenizers library on far more text than the tests hold.

    python3 tests/reference/compare_tokenizers.py --program build/release/longform --tokenizer FOLDER
        [--texts FILE ...] [--fuzz 100000] [--code-points] [--seed 1]

A folder with tokenizer.json is compared with tokenizers.Tokenizer, another with RobertaTokenizerFast made of its
vocab.json and merges.txt, where <mask> takes the white space before it. Every text file is encoded as one
document and paragraph by paragraph. --fuzz makes random texts, half of them damaged UTF-8. --code-points puts every
code point of Unicode between letters, digits, punctuation and spaces. Prints counts and
what differs; exits 1 if anything does.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import tokenizers
from tokenizer_texts import FIXED, INVALID, generator, random_bytes, random_text
from tokenizers import AddedToken
from transformers import RobertaTokenizerFast

SHOWN = 10


def reference_of(folder, add_prefix_space):
    """A tokenizers.Tokenizer."""
    if (folder / "tokenizer.json").exists():
        tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        if add_prefix_space:
            tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
        return tokenizer
    mask = AddedToken("<mask>", lstrip=True, special=True, normalized=False)
    files = {"vocab": str(folder / "vocab.json"), "merges": str(folder / "merges.txt")}
    return RobertaTokenizerFast(**files, mask_token=mask, add_prefix_space=add_prefix_space).backend_tokenizer


class Comparison:
    """Runs both programs over the same documents and counts."""

    def __init__(self, options):
        self.program, self.folder = options.program, pathlib.Path(options.tokenizer)
        self.more = ["--add-prefix-space"] if options.add_prefix_space else []
        self.reference = reference_of(self.folder, options.add_prefix_space)
        self.differences = 0

    def ours(self, content, suffix, *flags):
        with tempfile.NamedTemporaryFile(suffix=suffix) as file:
            file.write(content)
            file.flush()
            command = [self.program, "tokenize", str(self.folder), file.name, *flags, *self.more]
            result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"{' '.join(command)}: {result.stderr[-1000:]}")
        return [json.loads(line)["ids"] for line in result.stdout.splitlines()]

    def report(self, name, texts, received):
        """`texts` as Python decodes them."""
        if len(texts) != len(received):
            sys.exit(f"{name}: {len(received)} documents came back of {len(texts)}")
        different, tokens = 0, 0
        for begin in range(0, len(texts), 20000):
            block = texts[begin:begin + 20000]
            for text, ids, encoding in zip(block, received[begin:], self.reference.encode_batch(block)):
                tokens += len(ids)
                if ids == encoding.ids:
                    continue
                different += 1
                if self.differences + different <= SHOWN:
                    print(f"{name}: {text[:200]!r}\n  ours  {ids[:60]}\n  wants {encoding.ids[:60]}")
        self.differences += different
        size = sum(len(text.encode()) for text in texts)
        print(f"{name}: {len(texts):,} documents, {size:,} bytes, {tokens:,} tokens, {different} differ", flush=True)

    def records(self, name, texts):
        lines = [json.dumps({"id": i, "text": text}) for i, text in enumerate(texts)]
        self.report(name, texts, self.ours("\n".join(lines).encode() + b"\n", ".jsonl"))

    def lines(self, name, documents):
        """Documents of any bytes but line ends."""
        documents = [d.replace(b"\n", b" ").replace(b"\r", b" ") for d in documents]
        received = self.ours(b"\n".join(documents) + b"\n", ".txt", "--lines")
        self.report(name, [d.decode("utf-8", errors="replace") for d in documents], received)

    def text_file(self, path):
        content = pathlib.Path(path).read_bytes()
        decoded = content.decode("utf-8", errors="replace")
        self.report(f"{path} as one document", [decoded], self.ours(content, ".txt"))
        self.records(f"{path} by paragraph", decoded.replace("\r\n", "\n").split("\n\n"))


def code_point_texts():
    """Every code point, in threes, where the pattern's decisions depend on what it is."""
    points = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for begin in range(0, len(points), 64):
        block = points[begin:begin + 64]
        yield "".join(f"a{c}a 1{c}1 .{c}. {c}x  {c}{c} \u00e9{c}\n{c}'s{c} <mask>{c}<mask>" for c in block)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--texts", nargs="*", default=[])
    parser.add_argument("--fuzz", type=int, default=0)
    parser.add_argument("--code-points", action="store_true")
    parser.add_argument("--add-prefix-space", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    comparison = Comparison(options)
    comparison.records("fixed texts", FIXED)
    comparison.lines("fixed damaged texts", INVALID)
    for path in options.texts:
        comparison.text_file(path)
    if options.fuzz:
        bits = generator(options.seed)
        comparison.records("random texts", [random_text(bits, 40) for _ in range(options.fuzz // 2)])
        comparison.lines("random damaged texts", [random_bytes(bits, 40) for _ in range(options.fuzz // 2)])
        parts = ["a", "the", " ", "\n", "=", "\u00e9", "\u4e2d", "'s", "9", "ab"]
        runs = [bits.choice(parts) * bits.randrange(1, 20000) for _ in range(max(1, options.fuzz // 2000))]
        comparison.records("long runs", runs + ["a" * 100_000, " " * 100_000, "qzjx" * 25_000])
    if options.code_points:
        comparison.records("every code point", list(code_point_texts()))
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
