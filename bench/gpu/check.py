"""The check itself: steps within their time, JSON after every step, a table at the end."""

import json
import os
import pathlib
import tempfile
import time
import traceback

from program import Clock, Failed, LeftOut, NoDevice, OutOfTime


class Check:
    """What the steps share: the program, sizes, results, a folder that is removed at the end."""

    def __init__(self, program, out, seconds, caps, rehearses, python):
        self.program, self.out, self.caps = program, out, caps
        self.rehearses, self.python = rehearses, python
        self.device, self.has_device = "cuda", True  # until a step finds that there is none
        self.clock = Clock(seconds)
        self.scratch = tempfile.TemporaryDirectory(prefix="longform-gpu-check-")
        self.folder = pathlib.Path(self.scratch.name)
        self.results = {"format": 2, "date": time.strftime("%Y-%m-%d"), "rehearsal": rehearses, "steps": {}}

    def size(self, real, tiny):
        """A size on a GPU, and in a rehearsal."""
        return tiny if self.rehearses else real

    def result_of(self, step):
        return self.results["steps"].get(step, {}).get("result", {})

    def save(self):
        self.out.parent.mkdir(parents=True, exist_ok=True)
        partial = self.out.with_name(self.out.name + ".part")
        partial.write_text(json.dumps(self.results, indent=1) + "\n", encoding="utf-8")
        os.replace(partial, self.out)

    def run(self, name, step):
        """One step; what it found before it ended counts, however it ended. True if it ran to its end."""
        print(f"--- {name}", flush=True)
        began = time.monotonic()
        record = self.results["steps"][name] = {"status": "running", "result": {}}
        self.save()
        try:
            step(self, Clock(min(self.caps[name], self.clock.left())), record["result"])
            record["status"] = "ok"
        except OutOfTime as error:
            record.update(status="out of time", why=str(error) or "its time was used up")
        except LeftOut as why:
            record.update(status="left out", why=str(why))
        except Failed as error:
            record.update(status="failed", why=str(error))
            self.has_device &= not isinstance(error, NoDevice)
        except KeyboardInterrupt:
            record["status"] = "interrupted"
            raise
        except Exception:  # a fault of the check is a finding too, and no reason to lose the other steps
            record.update(status="failed", why=traceback.format_exc(limit=-3))
        finally:
            record["seconds"] = round(time.monotonic() - began, 1)
            self.save()
        print(f"{record['status']}{': ' + record['why'] if 'why' in record else ''} ({record['seconds']} s)",
              flush=True)
        return record["status"] in ("ok", "left out")

    def summary(self):
        """The table at the end: a line a step."""
        lines = [f"{'step':<14} {'status':<12} {'seconds':>8}  in short"]
        for name, record in self.results["steps"].items():
            short = record["result"].get("in_short") or record.get("why", "").strip().splitlines()[-1:]
            short = short if isinstance(short, str) else " ".join(short)
            lines.append(f"{name:<14} {record['status']:<12} {record.get('seconds', 0):>8}  {short[:160]}")
        return "\n".join(lines)
