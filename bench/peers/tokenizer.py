"""transformers' fast tokenizer on one core, in turn with Longform's, on the same text.

    python3 bench/peers/tokenizer.py --bench build/release/tokenizer_bench --tokenizer FOLDER --text FILE

Needs transformers. The text is encoded as one document and, for the peer also, by lines in a batch, as it is fastest;
its best counts. Prints one line of JSON; figures are MB/s of CPU time, which other programs on the machine disturb
less than the clock on the wall.
"""

import argparse
import json
import os
import subprocess
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import transformers  # noqa: E402  (reads the settings above)


def ours(options):
    command = [options.bench, options.tokenizer, options.text, "5"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(result.stdout)


def timed(encode):
    """Seconds of CPU, and what was returned."""
    start = time.process_time()
    result = encode()
    return time.process_time() - start, result


def theirs(tokenizer, text):
    """Least seconds of three ways to encode the text, and the tokens of the first."""
    backend = tokenizer.backend_tokenizer
    lines = text.splitlines(keepends=True)
    whole, ids = timed(lambda: tokenizer(text).input_ids)
    batch, _ = timed(lambda: backend.encode_batch(lines))
    fast, _ = timed(lambda: backend.encode_batch_fast(lines))  # without offsets
    return {"one document": whole, "batch of lines": batch, "batch of lines without offsets": fast}, len(ids)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    tokenizer = transformers.RobertaTokenizerFast.from_pretrained(options.tokenizer)
    with open(options.text, "rb") as file:
        content = file.read()
    text = content.decode("utf-8", errors="replace")
    mine, peers = [], []
    for _ in range(options.rounds):
        mine.append(ours(options))
        seconds, tokens = theirs(tokenizer, text)
        peers.append(seconds)
        assert tokens == mine[-1]["tokens"], (tokens, mine[-1])
    best = {name: min(p[name] for p in peers) for name in peers[0]}
    ours_best = min(m["cpu_seconds_best"] for m in mine)
    megabytes = len(content) / 1e6
    print(json.dumps({
        "megabytes": megabytes, "tokens": mine[0]["tokens"], "ours_megabytes_per_second": megabytes / ours_best,
        "theirs_megabytes_per_second": {name: megabytes / seconds for name, seconds in best.items()},
        "ratio": min(best.values()) / ours_best, "transformers": transformers.__version__,
    }))


if __name__ == "__main__":
    main()
