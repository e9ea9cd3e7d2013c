#!/usr/bin/env python3
"""Writes tests/golden/rouge.jsonl: what rouge-score gives odd texts, and NLTK's stems of words.

    python3 tests/reference/make_rouge_golden.py [OUTPUT [RANDOM_CASES [WORDS]]]

Needs rouge-score. The first line has the versions, the second stems ("word stem word stem ..."), the third
what numpy.percentile and rouge-score's BootstrapAggregator give some scores; then each line is a pair of texts,
`plain` and, where they are others, `stemmed`: precision, recall and F1 of each kind in turn.
"""

import collections
import importlib.metadata
import json
import pathlib
import random
import re
import sys

import numpy
from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer, scoring

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
KINDS = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
RANDOM_CASES, WORDS = 220, 2000

# The examples of Porter's paper and of NLTK's source, its irregular words, runs of y, digits, short words.
RULES = """caresses ponies ties caress cats dies flies died spied feed agreed plastered bled motoring sing conflated
troubled sized hopping tanned falling hissing fizzed failing filing happy sky enjoy enjoyment spy fly try say by
relational conditional rational valenci hesitanci digitizer conformabli radicalli differentli vileli analogousli
vietnamization predication operator feudalism decisiveness hopefulness callousness formaliti sensitiviti sensibiliti
triplicate formative formalize electriciti electrical hopeful goodness revival allowance inference airliner gyroscopic
adjustable defensible irritant replacement adjustment dependent adoption homologou communism activate angulariti
homologous effective bowdlerize probate rate cease controll roll skies dying lying tying news innings inning outings
outing cannings canning howe proceed exceed succeed carefulli carefully geology theology archaeology geologi theologi
logi nationally rationalli conditionally vocationalli alli balli tionalli yy yyy yyyy yyyyy yyyyyy syzygy toy
a is as us his gas this ss sss ies ied eed ed ing aed aing oed owed owing axed boxing 1990s 42nd 3rding b2bed 2ing
ably nobly probably bli tion ation cation ization bion asion nation mission onion union ous ously fulness ness
"""
SUFFIXES = """ational tional enci anci izer bli abli alli entli eli ousli ization ation ator alism iveness fulness
ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement
ment ent ion sion tion ou ism ate iti ous ive ize e ll le s es sses ies ss y ed eed ied ing ated bled ized tted lled
ssed zzed ating bling izing pping ell
""".split()
STEMS = ["", "b", "tr", "ab", "yb", "rel", "yy", "oper", "radic", "sensit"]

TEXTS = [
    "", " ", "\n", "\n\n", "...", "a", "A", "the the the the", "the cat sat on the mat", "The Cat, sat: on the MAT!",
    "the\ncat\nsat", "on the mat\nthe cat sat", "the cat\r\nsat on\r\n\r\nthe mat\n", "the-cat_sat/on.the,mat",
    "caf\u00e9 na\u00efve \u00fcber \u0130stanbul \u212a2 \u212a\u212a", "k2 kk i stanbul caf na ve ber",
    "\u4e2d\u6587 \U0001f600 the \u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \ufb01sh \uff21\uff22 \u2460 \u00b2",
    "1,000.50 2nd 3-4 x2 2x", "10 000 50 2nd 34 x2", "state-of-the-art U.S.A. don't won't", "state of the art USA",
    "running runs ran runner", "run running ran runners", "generalizations of organizational relational operators",
    "general organ relate operate", "a b c d e f g", "g f e d c b a", "a b a b a b a", "b a b a b a b",
    "a b c\nd e f\na b c", "c b a\nf e d", "a\n\n\nb", "a a a\na a", "a\na", "\u2028a\u2028b",
    "a\u0085b\x0bc\x0cd\x1ce",
    "x" * 60 + " " + "yes" * 20, "x" * 60 + " " + "y" * 61 + "ing",
    "police killed the gunman", "police kill the gunman", "the gunman kill police", "the gunman police killed",
]  # fmt: skip


def words_of_the_sample(count):
    """The sample corpus's commonest words of more than three letters."""
    text = (ROOT / "data" / "samples" / "enwik8-1MB").read_text(encoding="utf-8", errors="replace").lower()
    counted = collections.Counter(word for word in re.findall("[a-z]+", text) if len(word) > 3)
    return [word for word, _ in sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:count]]


def stems(count):
    words = RULES.split() + [stem + suffix for stem in STEMS for suffix in SUFFIXES] + words_of_the_sample(count)
    stemmer = PorterStemmer()
    return " ".join(f"{word} {stemmer.stem(word)}" for word in dict.fromkeys(words))


def random_words(draw):
    """Few different ones, so that much is shared, in odd places."""
    words = draw.choice(["a b c", "the cat cats sat mat hoping hopes", "run Running x2 caf\u00e9 \u212a"]).split()
    return words + draw.choice([[], ["a", "the", "generalized"], ["general", "2", "2"]])


def random_text(draw, words):
    """A few lines of them."""
    separators = [" "] * 6 + ["\n", "\n", "-", ", ", "\n\n"]
    return "".join(draw.choice(words) + draw.choice(separators) for _ in range(draw.randrange(14)))


def pairs(count):
    draw = random.Random(20260801)
    for i, text in enumerate(TEXTS):
        for other in (i, (i + 1) % len(TEXTS), draw.randrange(len(TEXTS))):
            yield text, TEXTS[other]
    for _ in range(count):
        words = random_words(draw)
        yield random_text(draw, words), random_text(draw, words)


def flat(scores):
    return [value for kind in KINDS for value in scores[kind]]


def without_trailing_zeros(values):
    return [int(value) if value == int(value) else value for value in values]


def interval_case(values):
    """Scores, their quantiles, and the interval of their mean by rouge-score."""
    shares = [0, 0.025, 0.1, 0.3333, 0.5, 0.75, 0.975, 1]
    aggregator = scoring.BootstrapAggregator(n_samples=20000)
    for value in values:
        aggregator.add_scores({"x": scoring.Score(value, value, value)})
    numpy.random.seed(1)
    interval = aggregator.aggregate()["x"]
    return {"values": values, "shares": shares,
            "quantiles": [numpy.percentile(values, 100 * share) for share in shares],
            "interval": [interval.low.fmeasure, interval.mid.fmeasure, interval.high.fmeasure]}  # fmt: skip


def main():
    output = sys.argv[1] if len(sys.argv) > 1 else ROOT / "tests" / "golden" / "rouge.jsonl"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else RANDOM_CASES
    words = int(sys.argv[3]) if len(sys.argv) > 3 else WORDS
    scorers = [rouge_scorer.RougeScorer(KINDS, use_stemmer=stems_too) for stems_too in (False, True)]
    draw = random.Random(5)
    lists = [[0.25], [0.5, 0.125], [round(draw.random(), 3) for _ in range(40)]]
    lines = [{name: importlib.metadata.version(name) for name in ("rouge-score", "nltk", "numpy")},
             {"stems": stems(words)}, {"intervals": [interval_case(values) for values in lists]}]  # fmt: skip
    for reference, prediction in pairs(count):
        plain, stemmed = (flat(scorer.score(reference, prediction)) for scorer in scorers)
        case = {"reference": reference, "prediction": prediction, "plain": without_trailing_zeros(plain)}
        if stemmed != plain:
            case["stemmed"] = without_trailing_zeros(stemmed)
        lines.append(case)
    compact = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines]
    pathlib.Path(output).write_text("\n".join(compact) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
