"""Where the program is, and running commands within what is left of a step's time."""

import json
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class OutOfTime(Exception):
    """The step's time is used up; the message says in what, where that is known."""


class Failed(Exception):
    """A command of the step failed; the message is for people."""


class NoDevice(Failed):
    """There is no device: nothing else can run."""


class LeftOut(Exception):
    """The step cannot run here, for want of something that need not be there."""


def first_of(paths):
    return next((path for path in paths if path.is_file()), None)


class Program:
    """The files of a build folder (build/cuda), or of an unpacked bundle (bin/longform)."""

    def __init__(self, folder):
        self.folder = folder.resolve()
        self.longform = first_of([self.folder / "longform", self.folder / "bin" / "longform"])
        self.tests = first_of([self.folder / where / "longform_tests" for where in ("", "bin", "libexec",
                                                                                   "libexec/longform")])
        self.configs = ROOT / "configs"
        self.sample = first_of([ROOT / "data" / "samples" / "enwik8-1MB", ROOT / "samples" / "enwik8-1MB"])


class Clock:
    """What is left of a step's time."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def left(self):
        left = self.end - time.monotonic()
        if left <= 0:
            raise OutOfTime
        return left


def stop(process):
    """Ends a command and what it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        pass  # a driver may hold a process whose kernel hangs; the check goes on


def start(command, environment=None, **more):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, text=True, errors="replace",
                            start_new_session=True, env={**os.environ, **(environment or {})}, **pipes)


def run(command, clock, environment=None, **more):
    """The finished command: (exit code, standard output, standard error)."""
    left = clock.left()
    process = start(command, environment, **more)
    try:
        out, err = process.communicate(timeout=left)
    except subprocess.TimeoutExpired:
        stop(process)
        raise OutOfTime from None
    except BaseException:
        stop(process)
        raise
    return process.returncode, out, err


def shown(command):
    return " ".join(str(part) for part in command)


def checked(command, clock, environment=None, **more):
    """Its standard output; Failed where its exit code is not 0."""
    code, out, err = run(command, clock, environment, **more)
    if code != 0:
        raise Failed(f"{shown(command)}\nended with {code}: {(err.strip() or out.strip())[-2000:]}")
    return out


def answer(command, clock, seconds=5):
    """What a tool of the machine says, or None where it is missing, fails or dawdles: nothing depends on it."""
    if not shutil.which(command[0]):
        return None
    try:
        code, out, _ = run(command, Clock(min(seconds, clock.left())))
    except OutOfTime:
        return None
    return out.strip() if code == 0 else None


def quoted(path):
    """A path as YAML reads it back, whatever characters it has."""
    return json.dumps(str(path), ensure_ascii=False)


def json_of(command, clock, environment=None, **more):
    """The JSON on the last line of its output."""
    lines = checked(command, clock, environment, **more).strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, json.JSONDecodeError):
        raise Failed(f"{shown(command)}\nprinted no JSON: {lines[-1:]}") from None


def json_lines(command, clock, on_line):
    """Calls on_line for each line of JSON as soon as it is printed; what came before the time ended counts."""
    process = start(command)
    lines, errors = queue.Queue(), []

    def read():
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    reader = threading.Thread(target=lambda: errors.append(process.stderr.read()), daemon=True)
    reader.start()
    try:
        while (line := lines.get(timeout=clock.left())) is not None:
            if line.startswith("{"):
                on_line(json.loads(line))
        process.wait(timeout=clock.left())
    except (queue.Empty, subprocess.TimeoutExpired):
        raise OutOfTime from None
    finally:
        stop(process)
        reader.join(timeout=5)
    if process.returncode != 0:
        raise Failed(f"{shown(command)}\nended with {process.returncode}: {''.join(errors)[-2000:]}")
