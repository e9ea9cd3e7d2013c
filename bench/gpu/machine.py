"""Steps: the machine; every kernel against the oracle; what the machine can do at most."""

import os
import time

import google_test
import program


def commit_of(root, clock):
    """The commit of this checkout; None in a bundle, whichever repository it is unpacked in."""
    top = program.answer(["git", "-C", root, "rev-parse", "--show-toplevel"], clock)
    if not top or os.path.realpath(top) != os.path.realpath(root):
        return None
    return program.answer(["git", "-C", root, "describe", "--always", "--dirty"], clock)


def asked(clock, what):
    return program.answer(["nvidia-smi", "--format=csv,noheader", f"--query-gpu={what}"], clock)


def environment(check, clock, result):
    found = program.json_of([check.program.longform, "env", "--json"], clock)
    result["environment"] = found
    if found["cuda"].startswith(("device cuda:", "not built in")):
        raise program.NoDevice(f"there is no device to check: {found['cuda']}")
    result["in_short"] = found["cuda"]
    print(found["cuda"], flush=True)
    result["commit"] = commit_of(program.ROOT, clock)
    result["clocks"] = asked(clock, "clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu")


def ceilings(check, clock, result):
    limits = program.json_of([check.program.longform, "bench", "device", "--device", check.device, "--json", "--mib",
                              check.size(1024, 1), "--size", check.size(8192, 16), "--repeats", check.size(5, 1)],
                             clock)
    result["ceilings"] = limits
    result["in_short"] = (f"copies {limits['copy_gb_per_second']:.0f} GB/s,"
                          f" bf16 products {limits['product_tflops']:.3g} TFLOP/s")
    print(result["in_short"])


REHEARSED_TESTS = "DeviceLayerNorm.*:DeviceSums.*"


def correctness(check, clock, result):
    """Each test compares with the f64 oracle, and the bits of a second run with those of the first. In several
    processes, for the oracle computes on the CPU; in one where the device takes no second one."""
    if not check.program.tests:
        result["in_short"] = f"NOTHING WAS CHECKED: {check.program.folder} holds no longform_tests"
        raise program.LeftOut(result["in_short"])
    exclusive = "Exclusive" in (asked(clock, "compute_mode") or "")
    shards = 1 if exclusive else check.size(min(8, os.cpu_count() or 1), 2)
    command = [check.program.tests, f"--gtest_filter={check.size('*Device*', REHEARSED_TESTS)}"]
    began = time.monotonic()
    try:
        google_test.run([(command, {"GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(shard),
                                    "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"})
                         for shard in range(shards)], check, clock, result)
    finally:
        result["tests_seconds"] = round(time.monotonic() - began, 1)
    if result["ran"] == 0:
        result["in_short"] = "NOTHING WAS CHECKED: no test of the device ran"
        raise program.Failed(result["in_short"])
