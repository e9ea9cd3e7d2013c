"""What the check does where steps fail, run out of time or have nothing to run: with a program that only pretends."""

import json
import pathlib
import subprocess
import sys
import tempfile

# Answers what the first steps ask; PRETENCE says how attention ends.
PRETENDER = """#!{python}
import json, os, sys, time
verb = " ".join(sys.argv[1:3])
if verb == "env --json":
    print(json.dumps({{"cuda": os.environ.get("DEVICE", "a pretended device, compute capability 9.0")}}))
elif verb == "bench device":
    print(json.dumps({{"copy_gb_per_second": 1.0, "product_tflops": 0.001}}))
elif verb == "bench attention":
    rows = sys.argv[sys.argv.index("--window") + 1].split(",")
    if os.environ.get("PRETENCE") == "fails" and "--causal" in sys.argv:
        sys.exit("error: attention is not what it was")
    if os.environ.get("PRETENCE") == "hangs" and "--causal" in sys.argv:
        time.sleep(600)
    print(json.dumps([{{"length": 64, "window": int(w), "forward_ms": 1.0, "backward_ms": 2.0,
                       "forward_tflops": 0.001, "backward_tflops": 0.001}} for w in rows]))
"""


class Case:
    def __init__(self, script, folder):
        self.script, self.folder, self.problems = script, pathlib.Path(folder), []
        program = self.folder / "longform"
        program.write_text(PRETENDER.format(python=sys.executable), encoding="utf-8")
        program.chmod(0o755)

    def run(self, *options, **environment):
        out = self.folder / "figures.json"
        command = [sys.executable, self.script, "--rehearse", "--build", self.folder, "--out", out, *options]
        done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", **environment},
                              check=False)
        self.output = done.stdout + done.stderr
        steps = json.loads(out.read_text(encoding="utf-8"))["steps"] if out.exists() else {}
        return done.returncode, steps

    def expect(self, condition, what):
        if not condition:
            self.problems.append(f"{what}\n{self.output[-1500:]}")


def check(case):
    only = ("--only", "environment", "attention", "memcheck")
    code, steps = case.run(*only)
    case.expect(code == 0 and steps["attention"]["status"] == "ok", "attention was to run to its end")
    first = steps["attention"]["result"]["rows"][0]
    case.expect(first["forward_share"] == 1.0, "a product at the ceiling is 100 % of its bound")
    case.expect(steps["memcheck"]["status"] == "left out", "without compute-sanitizer memcheck is left out")
    case.expect("memcheck       left out" in case.output, "the table at the end has a line for every step")

    code, steps = case.run(*only, PRETENCE="fails")
    case.expect(code == 1 and steps["attention"]["status"] == "failed", "a failing command fails its step")
    case.expect("not what it was" in steps["attention"]["why"], "the step says in the command's words why")
    case.expect(len(steps["attention"]["result"]["rows"]) == 5, "rows from before the failure are kept")
    case.expect("memcheck" in steps, "the steps behind it run")

    code, steps = case.run(*only, "--cap", "attention=3", PRETENCE="hangs")
    case.expect(code == 1 and steps["attention"]["status"] == "out of time", "a step ends with its time")
    case.expect(steps["attention"]["seconds"] < 60, "and what it runs with it")
    case.expect(len(steps["attention"]["result"]["rows"]) == 5, "rows from before the end are kept")

    code, steps = case.run(*only, "--seconds", "0")
    case.expect(code == 1 and steps["environment"]["status"] == "out of time", "the whole has an end, too")

    code, steps = case.run(*only, DEVICE="device cuda: looking for a device: no CUDA-capable device is detected")
    case.expect(code == 1 and list(steps) == ["environment"], "without a device nothing else is tried")
    case.expect("no CUDA-capable device" in steps["environment"]["why"], "and it says why")


def main(script):
    with tempfile.TemporaryDirectory() as folder:
        case = Case(script, folder)
        check(case)
    for problem in case.problems:
        print(f"self-test: {problem}")
    print("self-test: " + ("failed" if case.problems else "steps fail, end and are left out as they should"))
    return 1 if case.problems else 0
