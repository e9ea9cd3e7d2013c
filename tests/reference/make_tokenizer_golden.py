#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/: a small vocabulary and the ids that transformers gives nasty texts with it.

    python3 tests/reference/make_tokenizer_golden.py FOLDER_WITH_VOCAB_JSON_AND_MERGES_TXT [OUTPUT_FOLDER]

Needs transformers. Each variant holds its tokenizer.json without vocabulary and merges, which the two files have.
"""

import json
import pathlib
import shutil
import sys

import tokenizers
import transformers
from tokenizer_texts import FIXED, INVALID, generator, random_bytes, random_text
from tokenizers import AddedToken
from transformers import RobertaTokenizerFast

PAIRS = [("a", "b"), ("a b", ""), ("", "a"), ("", ""), ("Who? <mask>", " Ahab </s>"), ("\u00e9", "\U0001f600")]
RANDOM_TEXTS, RANDOM_BYTES, LONGEST = 80, 20, 10


def added_tokens():
    """Tokens that overlap, take white space on either side, are longer than others, are not special."""
    plain = {"normalized": False, "special": True}
    return [
        AddedToken("<e1>", **plain), AddedToken("<e1>x", **plain), AddedToken("<e2>", lstrip=True, **plain),
        AddedToken("<e3>", rstrip=True, **plain), AddedToken("<e4>", lstrip=True, rstrip=True, **plain),
        AddedToken("ab", normalized=False), AddedToken("abc", normalized=True), AddedToken("bcd", normalized=True),
        AddedToken("two words", normalized=True), AddedToken("\u0153uvre", normalized=True, rstrip=True),
        AddedToken("\u4e2d\u6587", normalized=False, lstrip=True), AddedToken(" x", normalized=False),
    ]


ADDED_TEXTS = [
    "<e1>", "<e1>x", "<e1>xy", "a <e1> b", "a <e2> b", "a <e3> b", "a <e4> b", "<e3> <e2>", "<e3>  <mask>",
    "<e4> <e4>", "<e4>\u3000\n<e4> ",
    "abcd", "ab", "abc", "bcd", "xabcd", "abbcd", "a two words b", "two  words",
    "\u0153uvre x", "l'\u0153uvre", "\u0153uvr\u00e9",
    " \u4e2d\u6587\u4e2d\u6587 \u4e2d\u6587", "\u4e2d \u6587", "x x  x", "<e3> x", "<e2 ><e2>",
    "<e3>\t\t", " <e4>", "<mask><e2>", "<e1>\n<e2>",
    "caf\u00e9 \u0153uvre\u0153uvre", "ab abc abcd abcde bcdab", "<e1<e1>>", "<e1>xx<e1>x x",
]


def case_of(text):
    """The text as JSON can hold it, and decoded."""
    if isinstance(text, bytes):
        return {"hex": text.hex()}, text.decode("utf-8", errors="replace")
    return {"text": text}, text


def cases_of(tokenizer, texts, with_offsets):
    backend = tokenizer.backend_tokenizer
    cases = []
    for text in texts:
        case, decoded = case_of(text)
        encoding = backend.encode(decoded, add_special_tokens=False)
        assert backend.encode(decoded).ids == tokenizer(decoded).input_ids
        case["ids"] = encoding.ids
        if with_offsets:
            case["offsets"] = [position for pair in encoding.offsets for position in pair]
        back = tokenizer.decode(encoding.ids)
        if back != decoded:
            case["decoded"] = back
        cases.append(case)
    return cases


def variant_of(name, tokenizer, texts, with_offsets=False):
    backend = tokenizer.backend_tokenizer
    if with_offsets:  # those of the text itself, not of what is left without white space
        backend.post_processor = tokenizers.processors.RobertaProcessing(("</s>", 2), ("<s>", 0), False, False)
    definition = json.loads(backend.to_str())
    for key in ("vocab", "merges"):
        del definition["model"][key]
    pairs = [{"text": a, "second": b, "ids": backend.encode(a, b).ids} for a, b in PAIRS]
    return {"name": name, "tokenizer": definition, "cases": cases_of(tokenizer, texts, with_offsets), "pairs": pairs}


def variants(folder):
    files = {"vocab": str(folder / "vocab.json"), "merges": str(folder / "merges.txt")}
    mask = AddedToken("<mask>", lstrip=True, special=True, normalized=False)
    random_bits = generator(20260410)
    texts = FIXED + INVALID + [random_text(random_bits, LONGEST) for _ in range(RANDOM_TEXTS)]
    texts += [random_bytes(random_bits, LONGEST) for _ in range(RANDOM_BYTES)]
    some = texts[::4]
    yield variant_of("mask_takes_space", RobertaTokenizerFast(**files, mask_token=mask), texts)
    yield variant_of("mask_keeps_space", RobertaTokenizerFast(**files), [t for t in FIXED if "mask" in str(t)])
    yield variant_of("prefix_space", RobertaTokenizerFast(**files, mask_token=mask, add_prefix_space=True), some)
    short = [text for text in some if len(text) < 40]
    yield variant_of("offsets", RobertaTokenizerFast(**files, mask_token=mask), short, with_offsets=True)
    tokenizer = RobertaTokenizerFast(**files, mask_token=mask)
    tokenizer.add_tokens(added_tokens())
    yield variant_of("added_tokens", tokenizer, ADDED_TEXTS)


def main():
    folder = pathlib.Path(sys.argv[1])
    default = pathlib.Path(__file__).resolve().parent.parent / "golden" / "tokenizer"
    output = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else default
    output.mkdir(parents=True, exist_ok=True)
    for name in ("vocab.json", "merges.txt"):
        shutil.copyfile(folder / name, output / name)
    versions = {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
    lines = [json.dumps(versions)]
    for variant in variants(folder):
        cases, pairs = variant.pop("cases"), variant.pop("pairs")
        lines.append(json.dumps({"variant": variant}))
        lines += [json.dumps(case, separators=(",", ":")) for case in cases + pairs]
    (output / "cases.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
