#!/usr/bin/env python3
"""Writes data/tokenizer/unicode_ranges.inc: the letters, numbers and white space of the GPT-2 pattern.

    python tests/reference/make_unicode_classes.py > data/tokenizer/unicode_ranges.inc

Every code point is asked of the regular expressions of the Hugging Face tokenizers library, so that the table has
the library's version of Unicode whatever the system's libraries have.
"""

import sys

import tokenizers
from tokenizers import Regex, pre_tokenizers

CLASSES = [("kLetters", r"\p{L}"), ("kNumbers", r"\p{N}"), ("kWhiteSpace", r"\s")]
COLUMNS = 110


def members(pattern):
    """The code points that the pattern matches, ascending."""
    code_points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    split = pre_tokenizers.Split(Regex(pattern), behavior="isolated", invert=False)
    # Separated by a character whose class is known, so that neighbours cannot make one piece.
    separator = "-"
    found = []
    for begin in range(0, len(code_points), 4096):
        block = code_points[begin:begin + 4096]
        text = separator + separator.join(map(chr, block)) + separator
        for piece, (start, _) in split.pre_tokenize_str(text):
            if len(piece) == 1 and start % 2 == 1:
                found.append(block[start // 2])
    return found


def ranges(code_points):
    """Joins neighbours into [first, last]."""
    result = []
    for c in code_points:
        if result and result[-1][1] == c - 1:
            result[-1][1] = c
        else:
            result.append([c, c])
    return result


def main():
    print(f"// Written by tests/reference/make_unicode_classes.py with tokenizers {tokenizers.__version__}: inclusive")
    print("// ranges of code points.")
    print("// clang-format off")
    for name, pattern in CLASSES:
        found = members(pattern)
        print(f"// {pattern}: {len(found)} code points")
        print(f"inline constexpr CodePointRange {name}[] = {{")
        line = "   "
        for first, last in ranges(found):
            item = f" {{0x{first:X}, 0x{last:X}}},"
            if len(line) + len(item) > COLUMNS:
                print(line)
                line = "   "
            line += item
        print(line)
        print("};")
        print(f"{name}: {len(found)}", file=sys.stderr)
    print("// clang-format on")


if __name__ == "__main__":
    main()
