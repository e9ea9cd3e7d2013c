#!/usr/bin/env python3
"""Writes data/lower_case.inc: which characters Python's str.lower() changes, and by how much.

    python3 tests/reference/make_lower_case.py [OUTPUT]

Runs of characters at one distance from each other that change by the same number. U+0130, whose small letter is two
characters, is left to the source.
"""

import pathlib
import sys
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def main():
    output = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "data/lower_case.inc"
    runs = []  # [first, last, step, change]
    for code in range(0x110000):
        small = chr(code).lower()
        if len(small) != 1 or ord(small) == code:
            continue
        change = ord(small) - code
        if runs and runs[-1][3] == change:
            first, last, step, _ = runs[-1]
            if code - last <= 2 and (first == last or step == code - last):
                runs[-1] = [first, code, code - last, change]
                continue
        runs.append([code, code, 1, change])
    entries = [f"{{0x{first:X}, 0x{last:X}, {step}, {change}}}" for first, last, step, change in runs]
    lines = [f"// Made by tests/reference/make_lower_case.py from Unicode {unicodedata.unidata_version}.",
             "constexpr LowerRun kLowerRuns[] = {"]  # fmt: skip
    line = "   "
    for entry in entries:
        if len(line) + len(entry) + 2 > 108:
            lines.append(line)
            line = "   "
        line += f" {entry},"
    output.write_text("\n".join([*lines, line, "};"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
