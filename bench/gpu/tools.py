"""Steps that NVIDIA's tools take, where they are installed."""

import os
import re
import shutil

import google_test
import program

METRICS = {
    "sm__throughput.avg.pct_of_peak_sustained_elapsed": "SM",
    "sm__inst_executed_pipe_tensor.avg.pct_of_peak_sustained_active": "tensor pipe",
    "lts__throughput.avg.pct_of_peak_sustained_elapsed": "L2",
    "dram__throughput.avg.pct_of_peak_sustained_elapsed": "memory",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "warps",
}
# A launch each: the forward is launched many times before the first backward.
KERNELS = ("forward_kernel", "key_gradient_kernel")
# Small ones, for a tool that slows the device down; those of windows also run dQ, dK and dV, the relative ones dR.
SMALL_TESTS = [
    *(f"Shapes/DeviceWindowAttention.EqualsOracle/{name}"
      for name in ("fewer_tokens_than_the_window", "head_width_96", "dilations", "globals_and_holes",
                   "relative_symmetric", "dropout_relative_symmetric")),
    "Shapes/DeviceGlobalAttention.EqualsOracle/one",
    "DeviceLayerNorm.KeepsDigitsFarFromZero",
    "DeviceCrossEntropy.WritesItsGradientInPlace",
    "DeviceSums.AddEveryElementOfSeveralBlocks",
    "DeviceSampling.OfEqualsTakesTheFirst",
    "DeviceAdamW.EqualsTheCpuOverSteps",
]


def find(tool):
    path = shutil.which(tool) or shutil.which(tool, path=f"{os.environ.get('CUDA_HOME', '/usr/local/cuda')}/bin")
    if not path:
        raise program.LeftOut(f"{tool} is not installed")
    return path


def profile(check, clock, ncu, kernel):
    """The lines of CSV about one launch of a kernel, the header first."""
    command = [ncu, "--csv", "--metrics", ",".join(METRICS), "--kernel-name", f"regex:^{kernel}$", "--launch-count",
               "1", check.program.longform, "bench", "attention", "--device", check.device, "--dtype", "bf16",
               "--heads", "12", "--head-width", "64", "--batch", "8", "--length", "4096", "--window", "256",
               "--repeats", "1"]
    code, out, err = program.run(command, clock)
    if "ERR_NVGPUCTRPERM" in out + err:
        raise program.LeftOut("Nsight Compute may not read the device's counters here (ERR_NVGPUCTRPERM)")
    if code != 0:
        raise program.Failed(f"ncu ended with {code}: {(err.strip() or out.strip())[-2000:]}")
    rows = [line for line in out.splitlines() if line.startswith('"')]
    if not any(re.search(rf"\b{kernel}\b", row) for row in rows[1:]):
        raise program.Failed(f"ncu did not measure {kernel}: {(out + err)[-500:]}")
    return rows


def nsight(check, clock, result):
    """Two kernels, forward and the gradients of keys, under Nsight Compute."""
    ncu = find("ncu")
    result["csv"] = {}
    for kernel in KERNELS:
        rows = result["csv"][kernel] = profile(check, clock, ncu, kernel)
        print("\n".join(rows), flush=True)
        result["in_short"] = ", ".join(f"{name}: {len(found) - 1} figures" for name, found in result["csv"].items())


def sanitizer(kind):
    def step(check, clock, result):
        if not check.program.tests:
            raise program.LeftOut(f"{check.program.folder} holds no longform_tests")
        tests = [check.program.tests, f"--gtest_filter={':'.join(SMALL_TESTS)}"]
        listed = program.checked([*tests, "--gtest_list_tests"], clock)
        count = sum(line.startswith(" ") for line in listed.splitlines())
        if count != len(SMALL_TESTS):
            raise program.Failed(f"the test program has {count} of the {len(SMALL_TESTS)} tests:\n{listed}")
        tool = find("compute-sanitizer")
        try:
            google_test.run([([tool, "--tool", kind, "--error-exitcode", "9", *tests], {})], check, clock, result)
        finally:
            text = google_test.output(check, 0)
            said = result["reports"] = [line for line in text.splitlines() if line.startswith("=========")][-60:]
            summary = [line.strip("= ") for line in said if "SUMMARY" in line]
            result["in_short"] = "; ".join([*summary, result.get("in_short", "nothing ran")])
        if result["ran"] != count or not summary:
            raise program.Failed(f"{result['ran']} of {count} tests ran under {kind}:\n{text[-1500:]}")
    return step
