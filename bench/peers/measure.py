"""What every peer shares: common options, best-of-several timing, peak memory, the printed JSON line."""

import argparse
import contextlib
import ctypes
import json
import platform
import re
import resource
import statistics
import time

import torch


def arguments(description, repeats):
    """A parser with the options of every peer."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=repeats, help="timed runs, after the warm-up")
    parser.add_argument("--threads", type=int, default=2)
    return parser


def keep_freed_memory():
    """Makes glibc reuse large freed blocks; by default each one returns to the system and is zeroed anew."""
    trim_threshold, mmap_threshold = -1, -3  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD of malloc.h
    libc = ctypes.CDLL("libc.so.6")
    return bool(libc.mallopt(mmap_threshold, 1 << 30) and libc.mallopt(trim_threshold, (1 << 31) - 1))


def forget_peak():
    """Restarts the kernel's peak-memory mark, so that compilation is not counted; False where it cannot."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        return True
    except OSError:
        return False


def peak_bytes():
    """Peak resident bytes of this process since forget_peak()."""
    try:
        with open("/proc/self/status") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read())[1]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident_bytes():
    """Resident bytes of this process now."""
    try:
        with open("/proc/self/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024
    except OSError:
        return 0


LIBRARIES_BYTES = resident_bytes()  # of Python and PyTorch as imported, before the peer makes anything


def cpu_name():
    try:
        with open("/proc/cpuinfo") as file:
            return re.search(r"model name\s*: (.*)", file.read())[1]
    except (OSError, TypeError):
        return platform.processor()


def timed(run, repeats, warmup=2):
    """Runs `run` several times; the elapsed seconds of each timed run, and the CPU seconds of all threads."""
    for _ in range(warmup):
        run()
    forget_peak()
    seconds, cpu_seconds = [], []
    for _ in range(repeats):
        start, cpu_start = time.perf_counter(), time.process_time()
        run()
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    return seconds, cpu_seconds


def report(name, run, repeats, conditions):
    """Measures `run` and returns the peer's record."""
    seconds, cpu_seconds = timed(run, repeats)
    return {
        "name": name,
        "seconds_best": min(seconds),
        "seconds_median": statistics.median(seconds),
        "cpu_seconds_best": min(cpu_seconds),
        "repeats": repeats,
        "peak_rss_bytes": peak_bytes(),
        "libraries_rss_bytes": LIBRARIES_BYTES,
        "conditions": {
            "torch": torch.__version__,
            "python": platform.python_version(),
            "threads": torch.get_num_threads(),
            "cpu": cpu_name(),
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            **conditions,
        },
    }


def step_options(parser):
    """The options of a peer that times a training step; PyTorch is made ready for it."""
    parser.add_argument("model", help="a model in Hugging Face form")
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--plain-malloc", action="store_true", help="leave glibc's allocator as it is")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.malloc_keeps_memory = bool(not options.plain_malloc and keep_freed_memory())
    torch.manual_seed(1)
    return options


def report_step(name, model, inputs, options, conditions, precision=contextlib.nullcontext):
    """Measures and prints a step of a model of transformers': forward, backward, clipping, fused AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step():
        with precision():
            loss = model(**inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    print_json(report(name, step, options.repeats, {
        **conditions, "tokens": options.tokens, "malloc_keeps_memory": options.malloc_keeps_memory,
    }))  # fmt: skip


def print_json(record):
    print(json.dumps(record), flush=True)
