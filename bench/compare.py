"""Runs Longform and its PyTorch peers in turn and compares the best times; bench/compare is the way to call it."""

import argparse
import json
import subprocess
import sys

STEP_CONFIG = "bench/char_lm_step.yaml"


def run_json(command):
    """The last line of the command's standard output as JSON."""
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
    return json.loads(result.stdout.strip().splitlines()[-1])


def our_attention(program, backward):
    shape = ["--length", "4096", "--window", "256"]  # 256 keys on each side and self: a window of 513
    rows = run_json([program, "bench", "attention", *shape, "--repeats", "10", "--json"])
    row = rows[0]
    seconds = row["forward_ms"] / 1000 + (row["backward_ms"] / 1000 if backward else 0)
    return {"seconds": seconds, "peak_bytes": row["peak_bytes"]}


def our_step(program, window):
    setting = ["--set", f"stages.list.0.windows={window}"]
    result = run_json([program, "bench", "train", STEP_CONFIG, *setting, "--steps", "4", "--json"])
    return {"seconds": result["seconds_best"], "peak_rss_bytes": result["peak_rss_bytes"]}


def peer(name, *options):
    result = run_json([sys.executable, f"bench/peers/{name}.py", *options])
    seconds, peak = result["seconds_best"], result["peak_rss_bytes"]
    return {"seconds": seconds, "peak_rss_bytes": peak, "conditions": result["conditions"]}


# What PyTorch does when nobody tunes it: glibc's allocator returns memory at once, torch's own products and dropout.
PLAIN_ATTENTION = ["--plain-malloc"]
PLAIN_STEP = ["--plain-malloc", "--linear", "torch", "--dropout", "torch"]


def comparisons(program):
    """Name, least ratio wanted, ours, theirs with the fastest settings found, theirs as it comes (or None)."""
    yield ("attention forward and backward, window 513, against transformers' sliding chunks", 8.0,
           lambda: our_attention(program, True), lambda: peer("hf_sliding_chunks", "--backward"),
           lambda: peer("hf_sliding_chunks", "--backward", *PLAIN_ATTENTION))
    yield ("attention forward, window 513, against compiled FlexAttention", 1.5,
           lambda: our_attention(program, False), lambda: peer("flex_attention"), None)
    for window, wanted in ((32, 1.1), (512, 2.0)):
        step = ["--window", str(window), "--repeats", "4"]
        yield (f"training step of the small CharLM, window {window}, against compiled PyTorch", wanted,
               lambda window=window: our_step(program, window),
               lambda step=step: peer("char_lm_step", *step),
               lambda step=step: peer("char_lm_step", *step, *PLAIN_STEP))


def best(measurements):
    return min(measurements, key=lambda m: m["seconds"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    results = []
    print(f"{'ours':>9} {'tuned peer':>17} {'as it comes':>17} {'wanted':>7}")
    for name, wanted, *programs in comparisons(options.program):
        rounds = [[measure() if measure else None for measure in programs] for _ in range(options.rounds)]
        ours, *theirs = [best(column) if column[0] else None for column in zip(*rounds)]
        ratios = [peer["seconds"] / ours["seconds"] if peer else None for peer in theirs]
        results.append({"comparison": name, "wanted": wanted, "ours": ours, "tuned": theirs[0], "ratio": ratios[0],
                        "as_it_comes": theirs[1], "ratio_as_it_comes": ratios[1],
                        "all_seconds": [[m and m["seconds"] for m in row] for row in rounds]})
        columns = [f"{p['seconds']:>9.3f}s {r:>5.2f} x" if p else f"{'':>17}" for p, r in zip(theirs, ratios)]
        print(f"{ours['seconds']:>8.3f}s {columns[0]} {columns[1]} {wanted:>7.1f}  {name}", flush=True)
    environment = run_json([options.program, "env", "--json"])
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump({"environment": environment, "rounds": options.rounds, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
