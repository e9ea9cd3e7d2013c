"""Steps: the machine and what it can do at most; every kernel against the oracle."""

import json
import os
import shutil
import time

import program


def environment(check, clock, result):
    found = program.json_of([check.program.longform, "env", "--json"], clock)
    result["environment"] = found
    if found["cuda"].startswith(("device cuda:", "not built in")):
        raise program.Failed(f"there is no device to check: {found['cuda']}")
    print(found["cuda"])
    query = "--query-gpu=clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu"
    for name, command in (("commit", ["git", "-C", program.ROOT, "describe", "--always", "--dirty"]),
                          ("clocks", ["nvidia-smi", "--format=csv,noheader", query])):
        if shutil.which(command[0]):
            code, out, _ = program.run(command, clock)
            result[name] = out.strip() if code == 0 else None
    limits = program.json_of([check.program.longform, "bench", "device", "--device", check.device, "--json", "--mib",
                              check.size(1024, 1), "--size", check.size(8192, 16), "--repeats", check.size(5, 1)],
                             clock)
    result["ceilings"] = limits
    result["in_short"] = (f"{found['cuda'].split(',')[0]}: copies {limits['copy_gb_per_second']:.0f} GB/s,"
                          f" bf16 products {limits['product_tflops']:.3g} TFLOP/s")
    print(result["in_short"])


REHEARSED_TESTS = "DeviceLayerNorm.*:DeviceSums.*"


class Shards:
    """The test program in several processes, for the oracle of the tests computes on the CPU."""

    def __init__(self, check, tests, count):
        self.reports = [check.folder / f"tests-{shard}.json" for shard in range(count)]
        self.processes = [
            program.start([check.program.tests, f"--gtest_filter={tests}", "--gtest_brief=1",
                           f"--gtest_output=json:{report}"],
                          {"GTEST_TOTAL_SHARDS": str(count), "GTEST_SHARD_INDEX": str(shard), "OMP_NUM_THREADS": "2",
                           "OMP_WAIT_POLICY": "passive"}, cwd=check.folder)
            for shard, report in enumerate(self.reports)]

    def wait(self, clock):
        try:
            return [process.communicate(timeout=clock.left()) for process in self.processes]
        except Exception:
            raise program.OutOfTime from None
        finally:
            for process in self.processes:
                program.stop(process)

    def counts(self):
        """(tests that ran, that were skipped, names of those that failed) of the reports there are."""
        ran, skipped, failed = 0, 0, []
        for report in self.reports:
            if not report.exists():
                continue
            for suite in json.loads(report.read_text(encoding="utf-8"))["testsuites"]:
                for test in suite["testsuite"]:
                    ran += test["result"] == "COMPLETED"
                    skipped += test["result"] == "SKIPPED"
                    if test.get("failures"):
                        failed.append(f"{suite['name']}.{test['name']}: {test['failures'][0]['failure'][:300]}")
        return ran, skipped, failed


def correctness(check, clock, result):
    if not check.program.tests:
        raise program.LeftOut(f"{check.program.folder} holds no longform_tests")
    # Each test compares with the f64 oracle, and the bits of a second run with those of the first.
    shards = Shards(check, check.size("*Device*", REHEARSED_TESTS), check.size(min(8, os.cpu_count() or 1), 2))
    began = time.monotonic()
    outputs = shards.wait(clock)
    ran, skipped, failed = shards.counts()
    result.update(ran=ran, skipped=skipped, failed=failed, tests_seconds=round(time.monotonic() - began, 1),
                  in_short=f"{ran} tests ran, {skipped} skipped, {len(failed)} failed")
    print(result["in_short"])
    codes = [process.returncode for process in shards.processes]
    if failed or any(codes):
        said = "\n".join(failed) or "\n".join((err.strip() or out.strip())[-800:] for out, err in outputs)
        raise program.Failed(f"test processes ended with {codes}\n{said[:4000]}")
    if ran == 0:
        raise program.Failed("no test of the device ran")
