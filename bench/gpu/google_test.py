"""The test program in one or more processes, and what it says of its tests: also where it did not come to its end."""

import re
import subprocess
import time

import program

MARK = re.compile(r"\[ +(RUN|OK|SKIPPED|FAILED) +\] (\S+)")


class Account:
    """The tests that a process began, from what it printed."""

    def __init__(self, text, silent=0):
        self.silent = silent  # seconds since it last said something
        self.ran, self.skipped, self.failed, self.unfinished = 0, 0, [], None
        said = []
        for line in text.splitlines():
            mark = MARK.search(line)
            name = mark[2].rstrip(",") if mark else None
            if mark and mark[1] == "RUN":
                self.unfinished, said = name, []
            elif mark and name == self.unfinished:
                self.ran += mark[1] != "SKIPPED"
                self.skipped += mark[1] == "SKIPPED"
                if mark[1] == "FAILED":
                    self.failed.append(f"{name}: {' '.join(said)[:300]}")
                self.unfinished = None
            else:
                said.append(line)
        self.tail = text.strip()[-800:]


def log(check, n):
    """Where the n-th process prints."""
    return check.folder / f"tests-{n}.txt"


def output(check, n):
    path = log(check, n)
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def account(check, n):
    path = log(check, n)
    return Account(output(check, n), time.time() - path.stat().st_mtime if path.exists() else 0)


def run(commands, check, clock, result):
    """Runs the commands, [(command, environment)], side by side. What they say is kept in `result` however they end:
    the counts, which tests failed or crashed, and which were being run when the time was over."""
    processes = []
    try:
        for n, (command, environment) in enumerate(commands):
            with open(log(check, n), "w", encoding="utf-8") as file:
                processes.append(program.start(command, environment, cwd=check.folder, stdout=file,
                                               stderr=subprocess.STDOUT))
        for process in processes:
            process.wait(timeout=clock.left())
    except (subprocess.TimeoutExpired, program.OutOfTime):
        pass
    finally:
        codes, accounts = [process.poll() for process in processes], [account(check, n) for n in range(len(commands))]
        for process in processes:
            program.stop(process)
    judge(accounts, codes, result)


def judge(accounts, codes, result):
    """Puts the counts into `result`; raises where a test failed or crashed or the time was over."""
    failed = [name for account in accounts for name in account.failed]
    failed += [f"{account.unfinished}: the process ended with {code} in it" for account, code in zip(accounts, codes)
               if code is not None and account.unfinished]
    late = sorted(((account.silent, account.unfinished or "no test") for account, code in zip(accounts, codes)
                   if code is None), reverse=True)
    late = [f"{name} ({seconds:.0f} s)" for seconds, name in late]
    ran, skipped = sum(account.ran for account in accounts), sum(account.skipped for account in accounts)
    result.update(ran=ran, skipped=skipped, failed=failed, unfinished=late, processes=len(accounts),
                  in_short=f"{ran} tests ran, {skipped} skipped, {len(failed)} failed")
    if late:
        result["in_short"] += f", cut in {', '.join(late)}"
    print(result["in_short"], flush=True)
    if failed or any(codes):
        said = "\n".join(failed) or "\n".join(account.tail for account in accounts)
        raise program.Failed(f"test processes ended with {codes}\n{said[:4000]}")
    if late:
        raise program.OutOfTime(f"cut in {', '.join(late)}")
