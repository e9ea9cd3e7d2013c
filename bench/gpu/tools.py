"""Steps that NVIDIA's tools take, where they are installed."""

import shutil

import program

METRICS = {
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": "SM",
    "sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_active": "tensor pipe",
    "lts__throughput.avg.pct_of_peak_sustained_elapsed": "L2",
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "memory",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "warps",
}
SMALL_TESTS = ("DeviceLayerNorm.*:DeviceSums.*:DeviceSampling.*:DeviceCrossEntropy.*:*DeviceOps*/embedding*:"
               "*DeviceOps*/softmax*:*DeviceGlobalAttention*/*")


def find(tool):
    path = shutil.which(tool) or shutil.which(tool, path="/usr/local/cuda/bin")
    if not path:
        raise program.LeftOut(f"{tool} is not installed")
    return path


def nsight(check, clock, result):
    """Two kernels, forward and the gradients of keys, under Nsight Compute."""
    command = [find("ncu"), "--csv", "--metrics", ",".join(METRICS), "--kernel-name",
               "regex:^(forward_kernel|key_gradient_kernel)", "--launch-count", "2", check.program.longform, "bench",
               "attention", "--device", check.device, "--dtype", "bf16", "--heads", "12", "--head-width", "64",
               "--batch", "8", "--length", "4096", "--window", "256", "--repeats", "1"]
    out = program.checked(command, clock)
    rows = [line for line in out.splitlines() if line.startswith('"')]
    if not rows:
        raise program.Failed(f"ncu measured no kernel: {out[-500:]}")
    result["csv"] = rows
    print("\n".join(rows))
    result["in_short"] = f"{max(0, len(rows) - 1)} figures"


def sanitizer(kind):
    def step(check, clock, result):
        command = [find("compute-sanitizer"), "--tool", kind, "--error-exitcode", "9", check.program.tests,
                   f"--gtest_filter={SMALL_TESTS}", "--gtest_brief=1"]
        if not check.program.tests:
            raise program.LeftOut(f"{check.program.folder} holds no longform_tests")
        code, out, err = program.run(command, clock)
        result["summary"] = [line for line in out.splitlines() if "ERROR SUMMARY" in line or "tests ran" in line]
        if code != 0:
            raise program.Failed(f"{kind} ended with {code}\n{(out or err)[-3000:]}")
        result["in_short"] = " ".join(result["summary"])
    return step
