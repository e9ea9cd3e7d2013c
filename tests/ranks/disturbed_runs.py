"""What scripts share that disturb runs: patience, children that do not stay behind, and what a run has come to."""

import ctypes
import hashlib
import signal
import time


class Failure(Exception):
    """What was promised did not happen."""


def wait_until(condition, seconds, what, failure=Failure):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise failure(f"after {seconds} s still not: {what}")
        time.sleep(0.02)


def end_with_this_script():
    """Before a child's program starts."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def newest_step(run):
    latest = run / "latest"
    return int(latest.read_text().strip().removeprefix("step-")) if latest.exists() else 0


def end_of(run):
    """What a run has come to: its log, and the tensors of its last checkpoint."""
    last = run / "checkpoints" / (run / "latest").read_text().strip()
    return [(run / "log.jsonl").read_text(), last.name,
            *(hashlib.sha256((last / file).read_bytes()).hexdigest()
              for file in ("model.safetensors", "optimizer.safetensors"))]
