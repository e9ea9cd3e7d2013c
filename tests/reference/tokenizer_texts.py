"""Nasty texts for byte-level BPE: what make_tokenizer_golden.py and compare_tokenizers.py encode."""

import random

WHITE_SPACE = "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
NOT_WHITE_SPACE = "\x00\x1c\x1d\x1e\x1f\u180e\u200b\u200c\u200d\u2060\ufeff"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<|endoftext|>"]
WORDS = ["the", " whale", "ing", "Ahab", "don't", "we'll", " sea", "'s", "'re", " I'm", "tion", "e"]

FIXED = [
    "", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", "a", " a", "  a", "a ", "a  ", "a b", "a  b", "a   b",
    "a\nb", "a\n\nb",
    "a \n b", "a\tb", "\t\ta", "a\r\nb", "a\u00a0b", "a \u00a0b", "a\u00a0 b", "\u3000a", "a\u3000\u3000b",
    "Hello world", "Hello, world!", "Call me Ishmael. Some years ago--never mind how long precisely--",
    "it's he'd they're we've I'm you'll don't", "IT'S HE'D THEY'RE", "'s't're've'm'll'd", "''s", "' s", " 's", "'",
    "''", "'sa",
    "a'sb", "'r", "'re", "'rE", "'l", "x'", "\u2019s don\u2019t", "o'clock", "'tis 'twas",
    "1234567890", "3.14", "1,000,000", "a1b2", "1a 2b", " 42", "4 2", "x\u00b2\u00bd\u2167", "\u0661\u0662\u0663",
    "\U0001d7d8",
    "\u4e00\u4e8c\u4e09", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8", "\ud55c\uad6d\uc5b4",
    "\u0440\u0443\u0441\u0441\u043a\u0438\u0439",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\u05e2\u05d1\u05e8\u05d9\u05ea",
    "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0e44\u0e17\u0e22",
    "e\u0301 \u00e9 e\u0301e", "a\u0300\u0301\u0302", "\u0300", " \u0300a",
    "Z\u0351\u036b\u0343a\u0322l\u0358g\u0321o",
    "\U0001f600", "a\U0001f600b", " \U0001f600 ", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f1e9\U0001f1ea", "\U0001f44d\U0001f3fd",
    "\ufffd", "\ufffe\uffff", "\U0010ffff", "\ue000", "\x00", "a\x00b", "\x00\x00", " \x00",
    "\x7f\x80\x9f\xa0\xad\xff",
    "\u0120the", "\u010a", "\u0100\u0143", "\u1e9e\u0130\u0131\u017f", "\u212a", "\ufb01",
    "<mask>", " <mask>", "a <mask> b", "a  <mask>  b", "a\n<mask>", "<mask><mask>", "<mask> <mask>",
    "<mask>  <mask>", "a<mask>b",
    "<mask", "mask>", "<<mask>>", "<mask>>", "<Mask>", "< mask>", "\u3000<mask>\u3000", "\u0085<mask>",
    "\u2028 <mask>", "\x1c<mask>",
    "\u200b<mask>", "a \u00a0\t<mask>", "   <mask>", " </s> <mask>", "</s><mask>", "</s> <mask> </s>",
    "<s>", "</s>", "<pad>", "<unk>", "a <s> b", "a </s></s> b", " <pad> ", "<s> a </s>", "<s", "</s", "<<s>",
    "<s>>", "<s></s><s>",
    "a</s>\n\n</s>b", "x <unk>y", "don<s>'t", "a <pad>  <pad>\nb", "<|endoftext|>", "a <|endoftext|> b",
    "!!!", "...", "?!", " !", "! !", "a!b", "#$%&()*+,-./", "\u2014\u2014", "\u201cquoted\u201d",
    "http://a.b/c?d=e&f=g#h", "user@example.com",
    "\u00abx\u00bb", "\u20ac5", "x_y", "__init__", "C++", "\\n", "\"\"", "`a`", "{\"a\": [1, 2]}", "a\u00adb",
    "a" * 47, "a" * 48, "a" * 49, "a" * 300, " " * 50, " " * 300, "\n" * 60, "the" * 40, "9" * 100, "=" * 70,
    "\u00e9" * 30,
    "\u4e2d" * 40, "'s" * 30, " a" * 40, "\U0001f600" * 20, "antidisestablishmentarianism" * 3,
]

# Bytes that are not UTF-8, as Python decodes them with errors="replace".
INVALID = [
    b"\xff", b"\x80", b"a\xffb", b"\xc3", b"\xc3(", b"\xc0\x80", b"\xe1\x80", b"\xe1\x80A", b"\xe1\x80\xe1\x80",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x9f\x98", b"\xf0\x9f\x98 a", b"\xf4\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf", b"\xf8\x88\x80\x80\x80",
    b"\xe0\x80\x80", b"\xe0\xa0", b"caf\xe9 au lait", b"\x80\x81 \x82<mask>\x83", b"abc\xf0\x9f",
    b" \xff <mask>\xc3", b"\xef\xbf\xbd\xff",
    b"\xfe\xff\x00a", b"don\x92t", b"\xe2\x28\xa1", b"\xf0\x28\x8c\xbc", b"\xf0\x90\x28\xbc",
]


def random_text(random_bits, longest):
    """A text of kinds of characters that meet: words, white space, special tokens, any code points."""
    kinds = [
        lambda r: r.choice(WORDS),
        lambda r: r.choice(WHITE_SPACE) * r.choice([1, 1, 1, 2, 3]),
        lambda r: " " * r.choice([1, 1, 2, 5]),
        lambda r: r.choice(NOT_WHITE_SPACE),
        lambda r: r.choice(SPECIAL),
        lambda r: r.choice(SPECIAL)[:r.randrange(1, 6)],
        lambda r: chr(r.randrange(0x20, 0x7f)),
        lambda r: chr(r.randrange(0x80, 0x800)),
        lambda r: chr(r.choice([r.randrange(0x800, 0xd800), r.randrange(0xe000, 0x10000)])),
        lambda r: chr(r.randrange(0x10000, 0x110000)),
        lambda r: chr(r.randrange(0x1f300, 0x1fa00)),
        lambda r: r.choice("abcdefghijklmnopqrstuvwxyz") * r.choice([1, 2, 3, 20, 60]),
        lambda r: str(r.randrange(10 ** r.randrange(1, 12))),
        lambda r: r.choice("'\u2019\"-.,;:!?()[]<>/|&%$#@^*_~`+="),
        lambda r: chr(r.randrange(0x300, 0x370)),
    ]
    few = random_bits.sample(kinds, random_bits.randrange(1, 6))
    return "".join(random_bits.choice(few)(random_bits) for _ in range(random_bits.randrange(1, longest)))


def random_bytes(random_bits, longest):
    """Text with damage: bytes changed, dropped, inserted, cut off."""
    content = bytearray(random_text(random_bits, longest).encode())
    for _ in range(random_bits.randrange(1, 6)):
        if not content:
            break
        at = random_bits.randrange(len(content))
        action = random_bits.randrange(4)
        if action == 0:
            content[at] = random_bits.randrange(256)
        elif action == 1:
            del content[at]
        elif action == 2:
            content.insert(at, random_bits.choice([0x80, 0xbf, 0xc0, 0xc3, 0xe2, 0xed, 0xf0, 0xf4, 0xff]))
        else:
            del content[at:]
    return bytes(content)


def generator(seed):
    return random.Random(seed)
