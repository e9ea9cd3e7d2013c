"""Steps: the table of window attention in bf16, and the same sizes by other libraries."""

import program

# (name, options of `longform bench attention`); --window counts the keys on one side. 12 heads of 64 are a layer of
# RoBERTa-base, and every row has 32,768 tokens or more in all, to fill the device.
LAYER = ["--heads", "12", "--head-width", "64"]
ROWS = [
    ("windows", [*LAYER, "--batch", "8", "--length", "4096", "--window", "256,128,64,32,16"]),
    ("causal", [*LAYER, "--batch", "8", "--length", "4096", "--window", "512,1024", "--causal"]),
    ("relative", [*LAYER, "--batch", "8", "--length", "4096", "--window", "512,1024", "--causal", "--relative"]),
    ("dropout", [*LAYER, "--batch", "8", "--length", "4096", "--window", "256", "--dropout", "0.1"]),
    ("1 global", [*LAYER, "--batch", "8", "--length", "4096", "--window", "256", "--global", "1"]),
    ("16 global", [*LAYER, "--batch", "8", "--length", "4096", "--window", "256", "--global", "16"]),
    ("64 global", [*LAYER, "--batch", "8", "--length", "4096", "--window", "256", "--global", "64"]),
    ("dilation 2", [*LAYER, "--batch", "8", "--length", "4096", "--window", "256", "--dilation", "2"]),
    ("width 32", ["--heads", "24", "--head-width", "32", "--batch", "8", "--length", "4096", "--window", "256"]),
    ("width 96", ["--heads", "8", "--head-width", "96", "--batch", "8", "--length", "4096", "--window", "256"]),
    ("width 128", ["--heads", "6", "--head-width", "128", "--batch", "8", "--length", "4096", "--window", "256"]),
    ("length 16k", [*LAYER, "--batch", "2", "--length", "16384", "--window", "256"]),
    ("length 32k", [*LAYER, "--batch", "1", "--length", "32768", "--window", "256"]),
    ("length 64k", [*LAYER, "--batch", "1", "--length", "65536", "--window", "256"]),
    ("rel. stage 5", ["--heads", "8", "--head-width", "64", "--batch", "1", "--length", "23040", "--window", "8192",
                      "--causal", "--relative"]),
]
PEERS_ROW = [*LAYER, "--batch", "8", "--length", "4096", "--window", "256"]
TINY = {"--batch": "1", "--length": "64", "--heads": "1", "--head-width": "32", "--global": "2"}


def tiny(options):
    """The same row at a size that the host executor runs in a blink."""
    small = [TINY.get(options[i - 1], value) if i else value for i, value in enumerate(options)]
    if "--window" in small:
        at = small.index("--window") + 1
        small[at] = ",".join(str(8 + n) for n in range(len(small[at].split(","))))
    return small


def bound_ms(row, options, limits, backward):
    """The time that the measured ceilings allow, and which of the two it is: products or copies."""
    number = {name: int(options[options.index(name) + 1]) for name in ("--batch", "--heads", "--head-width")}
    tensor_bytes = 2 * number["--batch"] * row["length"] * number["--heads"] * number["--head-width"]
    name = "backward" if backward else "forward"
    products = row[f"{name}_tflops"] * row[f"{name}_ms"] / limits["product_tflops"]
    copies = (8 if backward else 4) * tensor_bytes / limits["copy_gb_per_second"] / 1e6
    return max((products, "tensor cores"), (copies, "memory"))


def show(name, options, row, limits):
    """Prints a row of the table; what the ceilings allow, where they are known, is added to it."""
    line = f"{name:<13}{row['length']:>7}{row['window'] * (1 if '--causal' in options else 2) + 1:>6}"
    for way in ("forward", "backward"):
        share = "n/a"
        if limits:
            bound, what = bound_ms(row, options, limits, way == "backward")
            row.update({f"{way}_bound_ms": bound, f"{way}_bound": what, f"{way}_share": bound / row[f"{way}_ms"]})
            share = f"{100 * row[f'{way}_share']:.0f} %{'t' if what == 'tensor cores' else 'm'}"
        line += f" {row[f'{way}_ms']:>9.3f} ms {row[f'{way}_tflops']:>6.3g} T {share:>9}"
    print(line, flush=True)


def bench(check, clock, options, repeats):
    return program.json_of([check.program.longform, "bench", "attention", "--device", check.device, "--dtype", "bf16",
                            *options, "--repeats", repeats, "--json"], clock)


def table(check, clock, result):
    """Every row, also behind one that fails."""
    limits = check.result_of("ceilings").get("ceilings")
    result.update(rows=[], failed={}, in_short="no row")
    print(f"{'':<13}{'length':>7}{'keys':>6} {'forward':>20} {'of bound':>9} {'backward':>20} {'of bound':>9}")
    for name, options in ROWS:
        options = tiny(options) if check.rehearses else options
        try:
            for row in bench(check, clock, options, check.size(3, 1)):
                show(name, options, row, limits)
                result["rows"].append({"name": name, "options": options, **row})
        except program.Failed as error:
            result["failed"][name] = str(error)
            print(f"{name:<13} failed: {str(error).splitlines()[-1][:120]}", flush=True)
        if result["rows"]:
            first = result["rows"][0]
            result["in_short"] = (f"{len(result['rows'])} rows; the first: forward {first['forward_tflops']:.3g},"
                                  f" backward {first['backward_tflops']:.3g} TFLOP/s")
    if result["failed"]:
        result["in_short"] += f"; failed: {', '.join(result['failed'])}"
        raise program.Failed("\n".join(f"{name}: {why}" for name, why in result["failed"].items()))


class Peers:
    """The lines that bench/peers/gpu_attention.py prints, as they come, beside our own times of the same step."""

    def __init__(self, check, result):
        self.compares, self.result = not check.rehearses, result
        result["peers"] = {}

    def keep(self, line):
        if "left_out" in line:
            raise program.LeftOut(line["left_out"])
        if "conditions" in line:
            self.result["conditions"] = line
            return
        peer, way = line.pop("peer"), line.pop("way")
        self.result["peers"].setdefault(peer, {})[way] = line
        text = f"{peer:<12} {way:<8}"
        if "ms" not in line:
            print(f"{text} {line.get('wrong') or 'did not run: ' + line['failed'].strip()[:120]}", flush=True)
        else:
            text += f" {line['ms']:>9.3f} ms, error {line['max_error']:.1e}"
            if self.compares:
                line["times_ours"] = line["ms"] / self.result["ours"][f"{way}_ms"]
                text += f": {line['times_ours']:.2f} times ours"
            print(text, flush=True)
        self.result["in_short"] = f"ran: {', '.join(self.with_key('ms')) or 'none'}"
        if wrong := self.with_key("wrong"):
            self.result["in_short"] += f"; wrong: {', '.join(wrong)}"

    def with_key(self, key):
        return [f"{peer} {way}" for peer, ways in self.result["peers"].items() for way in ways if key in ways[way]]


def peers(check, clock, result):
    """Our row and the peers', one behind the other."""
    script = program.ROOT / "bench" / "peers" / "gpu_attention.py"
    tiny_sizes = ["--device", "cpu", "--tokens", 64, "--side", 8, "--batch", 1, "--heads", 2, "--repeats", 1]
    result["ours"] = bench(check, clock, check.size(PEERS_ROW, tiny(PEERS_ROW)), check.size(5, 1))[0]
    result["in_short"] = "ran: none"
    found = Peers(check, result)
    program.json_lines([check.python, script, *check.size([], tiny_sizes)], clock, found.keep)
    if wrong := found.with_key("wrong"):
        raise program.Failed(f"not the attention that was asked for: {', '.join(wrong)}")
    if not found.with_key("ms"):
        raise program.Failed("no peer ran")
