"""What the peers on a GPU share: options, whether there is a PyTorch that can use the device, timing an update."""

import argparse
import json
import sys
import time


def arguments(description, repeats, files):
    """A parser with the options of the peers that compare texts and losses; `files` are named by position."""
    parser = argparse.ArgumentParser(description=description)
    for name in files:
        parser.add_argument(name)
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    return parser


def update_arguments(description):
    """Those of a peer that times updates."""
    parser = arguments(description, 8, ("model", "record"))
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--batches", default="1,8")
    return parser


def parse(parser):
    """The options; where the device or transformers cannot be used that is said, and the program ends."""
    options = parser.parse_args()
    if why := why_not(options.device, "transformers"):
        print(json.dumps({"left_out": why}))
        sys.exit(0)
    return options


def record_of(options):
    """ids and labels of options.record."""
    import torch
    with open(options.record, encoding="utf-8") as file:
        record = json.loads(file.readline())
    return [torch.tensor(record[name], device=options.device) for name in ("ids", "labels")]


def print_loss(model, inputs):
    """The loss in f32 without dropout, as a line of JSON."""
    import torch
    with torch.no_grad():
        print(json.dumps({"loss": model.eval()(**inputs).loss.item()}), flush=True)


def why_not(device, module="torch"):
    """Why this Python has no peers to offer, or None: no such module, no CUDA in it, a driver it cannot use."""
    try:
        import torch
        __import__(module)
    except (ImportError, OSError) as error:
        return f"this Python has no {module} that can be loaded: {str(error).splitlines()[0][:200]}"
    if device != "cuda":
        return None
    if torch.version.cuda is None:
        return "this PyTorch is built without CUDA"
    try:
        torch.zeros(1, device="cuda")
    except (RuntimeError, AssertionError) as error:
        return f"this PyTorch cannot use the device: {str(error).splitlines()[0][:200]}"
    return None


def best_update(model, inputs, device, repeats):
    """The best time of an update in bf16, and the most memory that PyTorch held: forward, backward, clipping, AdamW."""
    import torch
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-5, fused=True)
    on_gpu = device == "cuda"

    def step():
        with torch.autocast(device, dtype=torch.bfloat16):
            loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if on_gpu:
            torch.cuda.synchronize()

    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for repeat in range(repeats + 2):
        began = time.perf_counter()
        step()
        if repeat >= 2 or not on_gpu:  # the first warm up
            seconds.append(time.perf_counter() - began)
    return min(seconds), torch.cuda.max_memory_allocated() if on_gpu else 0


def print_updates(model, options, tokens, inputs_of):
    """A line of JSON for each of options.batches; inputs_of(batch) has so many rows of `tokens` tokens in all."""
    import torch
    for batch in options.batches.split(","):
        line = {"batch": batch, "torch": torch.__version__}
        try:
            seconds, peak = best_update(model, inputs_of(int(batch)), options.device, options.repeats)
            line.update(seconds_best=seconds, tokens_per_second=int(batch) * tokens / seconds, peak_bytes=peak)
        except Exception as error:  # such as memory that does not suffice: a finding
            line["failed"] = f"{type(error).__name__}: {error}"[:500]
        print(json.dumps(line), flush=True)
