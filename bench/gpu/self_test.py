"""What the check does where steps fail, run out of time or have nothing to run: with programs that only pretend."""

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import google_test
import machine
import pretenders
import program
import self_test_peers
import tools


class Case:
    """A build folder of pretenders, and the check run on it."""

    def __init__(self, script, folder):
        self.script, self.folder, self.problems, self.output = script, pathlib.Path(folder), [], ""
        pretenders.write(self.folder / "longform", pretenders.LONGFORM)
        pretenders.write(self.folder / "tests" / "longform", pretenders.LONGFORM)
        pretenders.write(self.folder / "tests" / "longform_tests", pretenders.TESTS)
        pretenders.write(self.folder / "driver" / "nvidia-smi", pretenders.NVIDIA_SMI)
        pretenders.write(self.folder / "tools" / "ncu", pretenders.NCU)
        pretenders.write(self.folder / "tools" / "compute-sanitizer", pretenders.SANITIZER)

    def command(self, *options, build="tests"):
        return [sys.executable, self.script, "--rehearse", "--build", self.folder / build, "--out",
                self.folder / "figures.json", *options]

    def environment(self, more, tools=False):
        path = [self.folder / "tools"] * tools + [self.folder / "driver", "/usr/bin", "/bin"]
        return {"PATH": ":".join(map(str, path)), "CUDA_HOME": "/nowhere", **more}

    def steps(self):
        out = self.folder / "figures.json"
        return json.loads(out.read_text(encoding="utf-8"))["steps"] if out.exists() else {}

    def run(self, *options, build="tests", tools=False, **environment):
        """(exit code, the steps of the JSON)."""
        (self.folder / "figures.json").unlink(missing_ok=True)
        done = subprocess.run(self.command(*options, build=build), capture_output=True, text=True,
                              env=self.environment(environment, tools), check=False)
        self.output = done.stdout + done.stderr
        return done.returncode, self.steps()

    def expect(self, condition, what):
        if not condition:
            self.problems.append(f"{what}\n{self.output[-1500:]}")


def check_attention(case):
    only = ("--only", "environment", "ceilings", "attention", "memcheck")
    code, steps = case.run(*only)
    case.expect(code == 0 and steps["attention"]["status"] == "ok", "attention was to run to its end")
    rows = len(steps["attention"]["result"]["rows"])
    case.expect(steps["attention"]["result"]["rows"][0]["forward_share"] == 1.0,
                "a product at the ceiling is 100 % of its bound")
    case.expect("memcheck       left out" in case.output, "the table at the end has a line for every step")

    code, steps = case.run(*only, PRETENCE="attention-fails")
    result = steps["attention"]["result"]
    case.expect(code == 1 and steps["attention"]["status"] == "failed", "a failing command fails its step")
    case.expect("not what it was" in steps["attention"]["why"], "the step says in the command's words why")
    case.expect(set(result["failed"]) == {"causal", "relative", "rel. stage 5"} and len(result["rows"]) == rows - 5,
                "rows behind one that fails are measured")
    case.expect("memcheck" in steps, "the steps behind it run")

    code, steps = case.run(*only, "--cap", "attention=3", PRETENCE="attention-hangs")
    case.expect(code == 1 and steps["attention"]["status"] == "out of time", "a step ends with its time")
    case.expect(steps["attention"]["seconds"] < 60, "and what it runs with it")
    case.expect(len(steps["attention"]["result"]["rows"]) == 5, "rows from before the end are kept")

    code, steps = case.run(*only, "--seconds", "0")
    case.expect(code == 1 and steps["environment"]["status"] == "out of time", "the whole has an end, too")


def check_start(case):
    code, steps = case.run(DEVICE="device cuda: looking for a device: no CUDA-capable device is detected")
    case.expect(code == 1 and list(steps) == ["environment"], "without a device nothing else is tried")
    case.expect("no CUDA-capable device" in steps["environment"]["why"], "and it says why")

    only = ("--only", "environment", "correctness", "ceilings", "attention", "--cap", "ceilings=5")
    for pretence, status in (("ceilings-fail", "failed"), ("ceilings-hang", "out of time")):
        code, steps = case.run(*only, PRETENCE=pretence)
        case.expect(code == 1 and steps["ceilings"]["status"] == status, f"{pretence} was to be told")
        case.expect(steps["correctness"]["status"] == "ok" and steps["attention"]["status"] == "ok",
                    f"{pretence}: the other steps run")
        case.expect("forward_share" not in steps["attention"]["result"]["rows"][0], f"{pretence}: no share is claimed")

    code, _ = case.run("--out", "/proc/nowhere/figures.json", "--only", "environment")
    case.expect(code == 1 and "--out FILE" in case.output and "Traceback" not in case.output,
                "a place that cannot be written is a message")
    if shutil.which("git"):
        outer = case.folder / "repository"
        (outer / "bundle").mkdir(parents=True)
        git = ["git", "-C", outer, "-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "a"]):
            subprocess.run([*git, *command], check=True)
        clock = program.Clock(60)
        case.expect(machine.commit_of(outer, clock), "a checkout has a commit")
        case.expect(machine.commit_of(outer / "bundle", clock) is None, "that of a folder around a bundle is not its")


def take_interrupts():
    """For a child; a shell's background jobs inherit that they ignore them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def check_interruption(case):
    for number in (signal.SIGINT, signal.SIGTERM):
        (case.folder / "figures.json").unlink(missing_ok=True)
        process = subprocess.Popen(case.command("--only", "environment", "attention"), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=take_interrupts,
                                   env=case.environment({"PRETENCE": "attention-hangs"}))
        while "attention" not in case.steps() and process.poll() is None:
            time.sleep(0.1)
        process.send_signal(number)
        case.output, _ = process.communicate(timeout=60)
        case.expect(process.returncode == 130 and "attention      interrupted" in case.output,
                    f"signal {number} ends with the table")
        case.expect(case.steps()["attention"]["status"] == "interrupted", f"signal {number} is told in the JSON")


def check_correctness(case):
    only = ("--only", "correctness")
    code, steps = case.run(*only)
    case.expect(code == 0 and steps["correctness"]["result"]["ran"] == 3, "three tests were to run")
    case.expect(steps["correctness"]["result"]["processes"] == 2, "in two processes")
    code, steps = case.run(*only, MODE="Exclusive_Process")
    case.expect(code == 0 and steps["correctness"]["result"]["processes"] == 1, "in one where the device takes no two")
    for pretence, status in (("test-hangs", "out of time"), ("test-crashes", "failed"), ("test-fails", "failed")):
        code, steps = case.run(*only, "--cap", "correctness=5", PRETENCE=pretence)
        record = steps["correctness"]
        case.expect(code == 1 and record["status"] == status, f"{pretence}: was to be {status}")
        names = record["result"]["unfinished" if status == "out of time" else "failed"]
        case.expect(len(names) == 1 and "DeviceW.Eq/hard" in names[0] and names[0] in record["why"],
                    f"{pretence}: the test has a name")
        case.expect(record["result"]["ran"] >= 2, f"{pretence}: the others count")
    result = {}
    with contextlib.suppress(program.OutOfTime), contextlib.redirect_stdout(io.StringIO()):
        google_test.judge([google_test.Account(f"[ RUN      ] A.{seconds}\n", seconds) for seconds in (3, 9)],
                          [None, None], result)
    case.expect(result["unfinished"] == ["A.9 (9 s)", "A.3 (3 s)"], "the test that has run longest comes first")
    code, steps = case.run(*only, PRETENCE="tests-none")
    case.expect(code == 1 and "NOTHING WAS CHECKED" in case.output, "no test is no success")
    code, steps = case.run(*only, build="")
    case.expect(code == 0 and steps["correctness"]["status"] == "left out", "without tests they are left out")
    case.expect("NOTHING WAS CHECKED" in case.output.splitlines()[-2], "and the table says so")


def check_tools(case):
    code, steps = case.run("--only", "nsight", "memcheck")
    case.expect(code == 0 and {steps[name]["status"] for name in steps} == {"left out"}, "a missing tool is left out")
    code, steps = case.run("--only", "nsight", "memcheck", tools=True)
    case.expect(code == 0, "both tools were to run")
    for kernel in tools.KERNELS:
        case.expect(any(kernel in row for row in steps["nsight"]["result"]["csv"].get(kernel, [])),
                    f"{kernel} was to be profiled")
    case.expect(steps["memcheck"]["result"]["ran"] == len(tools.SMALL_TESTS), "every small test was to run")
    code, steps = case.run("--only", "nsight", tools=True, PRETENCE="ncu-no-keys")
    case.expect(code == 1 and "key_gradient_kernel" in steps["nsight"]["why"], "a kernel that is not measured is told")
    code, steps = case.run("--only", "nsight", tools=True, PRETENCE="ncu-denied")
    case.expect(code == 0 and "ERR_NVGPUCTRPERM" in steps["nsight"]["why"], "counters that are denied are left out")
    code, steps = case.run("--only", "memcheck", PRETENCE="test-renamed")
    case.expect(code == 1 and "11 of the 12 tests" in steps["memcheck"]["why"], "a list that is old is told anywhere")
    for pretence in ("sanitizer-idle", "sanitizer-finds", "tests-none"):
        code, steps = case.run("--only", "memcheck", tools=True, PRETENCE=pretence)
        case.expect(code == 1 and steps["memcheck"]["status"] == "failed", f"memcheck with {pretence} is to fail")
    sources = program.ROOT / "core" / "kernels" / "attention" / "cuda"
    if sources.exists():  # not in a bundle
        text = "".join(path.read_text(encoding="utf-8") for path in sources.glob("*.cu"))
        for kernel in tools.KERNELS:
            case.expect(f" {kernel}(" in text, f"there is no kernel {kernel}")


def check_training(case):
    awkward = case.folder / "a, b: {c}"
    awkward.mkdir()
    code, steps = case.run("--only", "resume", TMPDIR=str(awkward))
    case.expect(code == 0 and steps["resume"]["status"] == "ok", "the run was to go on, whatever its folder is called")
    code, steps = case.run("--only", "resume", PRETENCE="dies-early")
    case.expect(code == 1 and "left no checkpoint" in steps["resume"]["why"], "a run that dies at once proves nothing")


def check_ranks(case):
    if not shutil.which("mpirun"):
        return
    code, steps = case.run("--only", "ranks")
    case.expect(code == 0 and steps["ranks"]["result"]["hidden"] == 0.75, "three quarters were to be hidden")
    code, steps = case.run("--only", "ranks", PRETENCE="one-gpu")
    case.expect(code == 0 and steps["ranks"]["status"] == "left out", "one GPU is no failure")
    for pretence, words in (("ranks-differ", "other bits"), ("ranks-wait", "do not overlap")):
        code, steps = case.run("--only", "ranks", PRETENCE=pretence)
        case.expect(code == 1 and words in steps["ranks"]["why"], f"{pretence} was to be told")


def check_caps(case):
    loader = importlib.machinery.SourceFileLoader("gpu_check", str(case.script))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
    loader.exec_module(module)
    case.expect(sum(module.STEPS[name][1] for name in module.DEFAULT) <= 360, "the steps' times are six minutes")


def main(script):
    with tempfile.TemporaryDirectory() as folder:
        case = Case(script, folder)
        for part in (check_caps, check_start, check_attention, check_interruption, check_correctness, check_tools,
                     check_training, check_ranks, self_test_peers.check_lines, self_test_peers.check_beams,
                     self_test_peers.check_updates, self_test_peers.check_scripts,
                     self_test_peers.check_kernels):
            try:
                part(case)
            except Exception as error:  # what is missing in the results is a finding like others
                case.expect(False, f"{part.__name__}: {error!r}")
    for problem in case.problems:
        print(f"self-test: {problem}")
    print("self-test: " + ("failed" if case.problems else "steps fail, end and are left out as they should"))
    return 1 if case.problems else 0
