"""Programs that only pretend, for the self-test. PRETENCE, a list of words, says what goes wrong."""

import sys

HEAD = f"#!{sys.executable}\n" + """\
import json, os, pathlib, re, sys, time
pretends = os.environ.get("PRETENCE", "").split()
"""

# What the steps ask of the program.
LONGFORM = HEAD + """
verb = " ".join(sys.argv[1:3])
if verb == "env --json":
    print(json.dumps({"cuda": os.environ.get("DEVICE", "a pretended device, compute capability 9.0")}))
elif verb == "bench device":
    if "ceilings-hang" in pretends:
        time.sleep(600)
    if "ceilings-fail" in pretends:
        sys.exit("error: no library")
    print(json.dumps({"copy_gb_per_second": 1.0, "product_tflops": 0.001}))
elif verb == "bench attention":
    rows = sys.argv[sys.argv.index("--window") + 1].split(",")
    if "attention-fails" in pretends and "--causal" in sys.argv:
        sys.exit("error: attention is not what it was")
    if "attention-hangs" in pretends and "--causal" in sys.argv:
        time.sleep(600)
    print(json.dumps([{"length": 64, "window": int(w), "forward_ms": 1.0, "backward_ms": 2.0,
                       "forward_tflops": 0.001, "backward_tflops": 0.001} for w in rows]))
elif verb == "bench train":
    print(json.dumps({"stage": "only", "seconds_best": 1.0, "tokens_per_second": 100.0, "mfu": None, "peak_bytes": 1,
                      "precision": "bf16"}))
elif verb == "bench generate":
    print(json.dumps({"tokens": 6, "seconds": 1.0, "tokens_per_second": 6.0, "device": "cuda", "peak_bytes": 1,
                      "written": [{"id": str(n), "output_ids": [2, 7, n], "score": -1.5 - n} for n in range(2)]}))
elif sys.argv[1] == "evaluate":
    print(json.dumps({"loss_nats": 5.5}))
elif sys.argv[1] == "predict":
    print("record: loss = 5.5 nats", file=sys.stderr)
elif sys.argv[1] == "train":
    config, out = pathlib.Path(sys.argv[2]).read_text(), pathlib.Path(sys.argv[4])
    path, _ = json.JSONDecoder().raw_decode(config[config.index("path: ") + 6:])
    assert os.path.exists(path), path
    steps = (2, 4)
    if "LF_FAILPOINT" in os.environ:
        steps = () if "dies-early" in pretends else (2,)
    for step in steps:
        (out / "checkpoints" / f"step-{step:06}").mkdir(parents=True, exist_ok=True)
        weights = "others" if "ranks-differ" in pretends and "--ranks" in sys.argv else "weights"
        (out / "checkpoints" / f"step-{step:06}" / "model.safetensors").write_text(weights)
    if "--ranks" in sys.argv and "one-gpu" in pretends:
        sys.exit("error: ranks 0 and 1 on here use the same GPU (0000:01:00.0 pretended); start one rank per GPU")
    out.mkdir(parents=True, exist_ok=True)
    waited = 2.0 if "ranks-wait" in pretends else 0.25
    (out / "timing.jsonl").write_text(2 * (json.dumps(
        {"exchange_seconds": 1.0, "exchange_wait_seconds": waited}) + "\\n"))
    sys.exit("error: no space left on device" if "LF_FAILPOINT" in os.environ else 0)
"""

# A test program as GoogleTest's are; its second test may end in several ways.
TESTS = HEAD + """
filter = next(option.split("=", 1)[1] for option in sys.argv if option.startswith("--gtest_filter="))
names = ["DeviceA.One", "Shapes/DeviceW.Eq/hard", "DeviceA.Three"] if "*" in filter else filter.split(":")
if "--gtest_list_tests" in sys.argv:
    for name in names[1:] if "test-renamed" in pretends else names:
        print(f"{name.rpartition('.')[0]}.\\n  {name.rpartition('.')[2]}")
    sys.exit()
names = names[int(os.environ.get("GTEST_SHARD_INDEX", 0))::int(os.environ.get("GTEST_TOTAL_SHARDS", 1))]
for name in [] if "tests-none" in pretends else names:
    print("[ RUN      ] " + name, flush=True)
    if name.endswith("hard"):
        if "test-hangs" in pretends:
            time.sleep(600)
        if "test-crashes" in pretends:
            os.abort()
        if "test-fails" in pretends:
            print(f"a.cpp:1: Failure\\n  1 is not 2\\n[  FAILED  ] {name}, where GetParam() = hard (1 ms)")
            continue
    print(f"[       OK ] {name} (1 ms)", flush=True)
if "test-fails" in pretends:
    print("[  FAILED  ] 1 test, listed below:\\n[  FAILED  ] Shapes/DeviceW.Eq/hard, where GetParam() = hard")
    sys.exit(1)
"""

# Kernels in the order in which `bench attention` launches them.
NCU = HEAD + """
option = {name: sys.argv[sys.argv.index(name) + 1] for name in ("--kernel-name", "--launch-count")}
pattern = option["--kernel-name"].removeprefix("regex:")
if "ncu-denied" in pretends:
    print("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU Performance Counters")
    sys.exit(1)
launches = 10 * ["forward_kernel"] + (["query_gradient_kernel"] if "ncu-no-keys" in pretends else
                                      ["query_gradient_kernel", "key_gradient_kernel"])
found = [name for name in launches if re.search(pattern, name)][:int(option["--launch-count"])]
if not found:
    sys.exit(print("==WARNING== No kernels were profiled."))
print('"ID","Kernel Name","Metric Name"')
for i, name in enumerate(found):
    print(f'"{i}","void lf::<unnamed>::{name}<64>(lf::TileCall)","sm__throughput"')
"""

SANITIZER = HEAD + """
print("========= COMPUTE-SANITIZER", flush=True)
at = next(i for i, part in enumerate(sys.argv) if part.endswith("longform_tests"))
code = 0 if "sanitizer-idle" in pretends else os.system(" ".join(f"'{part}'" for part in sys.argv[at:]))
found = "sanitizer-finds" in pretends
if found:
    print("========= Invalid __global__ read of size 16 bytes")
print(f"========= ERROR SUMMARY: {int(found)} errors")
sys.exit(9 if found else os.waitstatus_to_exitcode(code))
"""

NVIDIA_SMI = HEAD + """
print(os.environ.get("MODE", "Default") if "--query-gpu=compute_mode" in sys.argv else "1980 MHz")
"""

# Modules of a PyTorch that is there and cannot help.
TORCH = """
import types
version = types.SimpleNamespace(cuda={cuda!r})
def zeros(*_, **__):
    raise RuntimeError("no driver")
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def python_printing(lines, hangs):
    """A Python that prints the peers' lines whatever it is to run, and may not end."""
    return f"{HEAD}for line in {lines!r}:\n    print(json.dumps(line), flush=True)\ntime.sleep({600 if hangs else 0})\n"
