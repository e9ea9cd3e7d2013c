"""The steps with peers: lines that a pretended Python prints, and the peers' own scripts as far as they go here."""

import contextlib
import importlib.util
import io
import json
import subprocess
import sys

import attention
import pretenders
import seq2seq_files
import summaries
import training
from check import Check
from program import ROOT, Program


def step_with(case, step, lines, hangs=False, rehearses=True):
    """The record of a step whose peers print `lines`."""
    python = pretenders.write(case.folder / "python", pretenders.python_printing(lines, hangs))
    seconds = 15 if hangs else 100
    check = Check(Program(case.folder), case.folder / "peers.json", 200, {"step": seconds}, rehearses, str(python))
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        check.run("step", step)
        print(check.summary())
    case.output = printed.getvalue()
    return check.results["steps"]["step"]


FLASH = {"peer": "flash", "way": "forward", "ms": 3.0, "max_error": 0.001}
REFUSED = {"peer": "flash", "way": "backward", "failed": "not here"}
WRONG = {"peer": "cudnn", "way": "forward", "wrong": "it differs", "max_error": 0.5}


def check_lines(case):
    record = step_with(case, attention.peers, [FLASH, REFUSED], rehearses=False)
    case.expect(record["status"] == "ok", "a peer that refuses its backward does not fail the step")
    case.expect(record["result"]["peers"]["flash"]["forward"]["times_ours"] == 3.0,
                "a peer is compared with our time of the same step, though no other step has run")
    record = step_with(case, attention.peers, [FLASH, WRONG])
    case.expect(record["status"] == "failed" and "cudnn forward" in record["why"], "a wrong peer fails the step")
    record = step_with(case, attention.peers, [FLASH], hangs=True)
    case.expect(record["status"] == "out of time" and "ran: flash forward" in case.output.splitlines()[-1],
                "what ran before the time was over stands in the table")
    case.expect(step_with(case, attention.peers, [{"left_out": "no CUDA"}])["status"] == "left out",
                "a PyTorch without CUDA is left out")
    case.expect(step_with(case, attention.peers, [REFUSED])["status"] == "failed", "no peer at all is a failure")

    update = {"batch": "1", "tokens_per_second": 50.0, "peak_bytes": 1}
    for step in (training.masked_lm, summaries.led):
        name = step.__name__
        record = step_with(case, step, [{"loss": 5.5}, update])
        case.expect(record["status"] == "ok" and record["result"]["transformers"]["1"],
                    f"{name}: losses that agree were to pass")
        for lines, hangs in (([{"loss": 5.6}, update], False), ([{"loss": 5.6}], True), ([update], False),
                             ([], False)):
            record = step_with(case, step, lines, hangs)
            case.expect(record["status"] == "failed" and "1" not in record["result"]["transformers"],
                        f"{name}: no figure without a loss that agrees: {lines}")
        record = step_with(case, step, [{"left_out": "no CUDA"}])
        case.expect(record["status"] == "ok" and "left out" in record["result"]["in_short"],
                    f"{name}: transformers may be missing")


# What the pretended program writes, and another text for the first source.
TEXTS = {"0": [[2, 7, 0], -1.5], "1": [[2, 7, 1], -2.5]}
OTHER = [[2, 9, 9], -1.5]


def check_beams(case):
    times = {"dtype": "float32", "tokens_per_second": 3.0, "peak_bytes": 1}
    record = step_with(case, summaries.beams, [{"texts": TEXTS}, times], rehearses=False)
    case.expect(record["status"] == "ok" and record["result"]["transformers"]["equal_texts"] == 2,
                "texts that agree were to pass")
    case.expect(record["result"]["transformers"]["float32"]["ours_times"] == 2.0, "the times are compared")
    record = step_with(case, summaries.beams, [{"texts": {**TEXTS, "0": OTHER}}, times])
    case.expect(record["status"] == "ok" and record["result"]["transformers"]["equal_texts"] == 1,
                "of candidates that are as good as each other another one may be taken")
    for lines, hangs in (([{"texts": {**TEXTS, "0": [[2, 7, 0], -1.6]}}, times], False),
                         ([{"texts": {"0": OTHER, "1": [[2, 9, 9], -2.5]}}, times], False),
                         ([{"texts": {"0": TEXTS["0"]}}, times], True), ([times], False), ([], False)):
        record = step_with(case, summaries.beams, lines, hangs)
        case.expect(record["status"] == "failed" and "float32" not in record["result"]["transformers"],
                    f"no figure without texts that agree: {lines}")
    record = step_with(case, summaries.beams, [{"texts": TEXTS}, {"dtype": "bfloat16", "failed": "not here"}])
    case.expect(record["status"] == "ok" and "not here" in case.output, "a dtype that does not run is told")
    record = step_with(case, summaries.beams, [{"left_out": "no CUDA"}])
    case.expect(record["status"] == "ok" and "left out" in record["result"]["in_short"], "transformers may be missing")


def check_updates(case):
    """The peers of updates and texts themselves, where this Python has them, against what the steps write for them."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
        print("self-test: SKIPPED the peers of updates and texts: this Python has no PyTorch or no transformers")
        return
    pairs, model = case.folder / "pairs.jsonl", case.folder / "led"
    record = seq2seq_files.write_pairs(pairs, seq2seq_files.LED_TINY, 2)
    (case.folder / "pair.json").write_text(json.dumps(record), encoding="utf-8")
    seq2seq_files.write(model, seq2seq_files.LED_TINY)
    seq2seq_files.write(case.folder / "bart", seq2seq_files.BART_TINY)
    seq2seq_files.write_sources(case.folder / "sources.jsonl", seq2seq_files.BART_TINY, 2)
    for script, arguments, first, then in (
            ("gpu_led.py", [model, case.folder / "pair.json", "--tokens", "64", "--target", "16", "--batches", "1,2"],
             "loss", ["batch", "batch"]),
            ("gpu_beams.py", [case.folder / "bart", case.folder / "sources.jsonl", "--beams", "2", "--new", "4"],
             "texts", ["dtype", "dtype"])):
        done = subprocess.run([sys.executable, "-B", ROOT / "bench" / "peers" / script, *arguments, "--device", "cpu",
                               "--repeats", "1"], text=True, capture_output=True, check=False)
        case.output = done.stdout + done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        case.expect(done.returncode == 0 and [next(iter(line)) for line in lines] == [first, *then],
                    f"{script} prints {first} and then its figures")
        case.expect(all("tokens_per_second" in line for line in lines[1:]), f"{script} was to run to its end")
        case.expect("MISSING" not in done.stderr and "UNEXPECTED" not in done.stderr and "newly initialized"
                    not in done.stderr, f"{script}: the model's tensors are those that transformers names")


def check_scripts(case):
    """The peers' scripts with a PyTorch that cannot help, and with none."""
    broken = "raise ImportError('libcudart is missing')\n"
    for name, torch, expected in (("cpu", pretenders.TORCH.format(cuda=None), "without CUDA"),
                                  ("driverless", pretenders.TORCH.format(cuda="13.0"), "no driver"),
                                  ("broken", broken, "libcudart is missing")):
        folder = case.folder / name
        pretenders.write(folder / "torch" / "__init__.py", torch)
        names = ("LongformerForMaskedLM", "LEDForConditionalGeneration", "BartForConditionalGeneration")
        pretenders.write(folder / "transformers" / "__init__.py", "".join(f"{name} = None\n" for name in names))
        for script in (["gpu_attention.py"], *([f"gpu_{name}.py", "model", "record"]
                                               for name in ("masked_lm", "led", "beams"))):
            done = subprocess.run([sys.executable, "-B", ROOT / "bench" / "peers" / script[0], *script[1:]], text=True,
                                  env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}, capture_output=True,
                                  check=False)
            case.output = done.stdout + done.stderr
            case.expect(done.returncode == 0 and expected in json.loads(done.stdout).get("left_out", ""),
                        f"{script[0]} with a {name} PyTorch was to be left out")


def check_kernels(case):
    """gpu_attention.py itself, where this Python has PyTorch and transformers."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
        print("self-test: SKIPPED the peers' comparison: this Python has no PyTorch or no transformers")
        return
    faults = ["none", "window", "scale", "causal", "gradient", "refused"]
    done = subprocess.run([sys.executable, "-B", ROOT / "bench" / "gpu" / "pretended_kernels.py", *faults], text=True,
                          capture_output=True, check=False)
    case.output = done.stderr
    found = {}
    for fault, lines in zip(faults, done.stdout.splitlines()):
        for line in json.loads(lines)[1:]:
            kind = next(key for key in ("ms", "wrong", "failed") if key in line)
            found.setdefault(fault, {})[f"{line['peer']} {line['way']}"] = kind
    case.expect(list(found.get("none", {})) == [f"{peer} {way}" for peer in
                                                ("flash", "cudnn", "longformer", "flex", "flex_flash")
                                                for way in ("forward", "backward")], "peers in their order")
    for peer in ("flash", "cudnn", "longformer"):
        for way in ("forward", "backward"):
            case.expect(found["none"].get(f"{peer} {way}") == "ms", f"{peer} {way} was to run and be right")
    for fault, peers in (("window", ("flash", "cudnn", "longformer", "flex", "flex_flash")),
                         ("scale", ("flash", "cudnn", "flex")), ("causal", ("flash", "cudnn", "flex"))):
        for peer in peers:
            case.expect(found[fault].get(f"{peer} forward") == "wrong", f"a wrong {fault} of {peer} was to be noticed")
    for fault, kind in (("gradient", "wrong"), ("refused", "failed")):
        for peer in ("flash", "cudnn"):
            case.expect(found[fault].get(f"{peer} forward") == "ms" and found[fault].get(f"{peer} backward") == kind,
                        f"{peer}: the forward was to count though its backward has a fault: {fault}")
