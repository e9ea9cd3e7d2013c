"""Steps: the table of window attention in bf16, and the same sizes by other libraries."""

import importlib.util

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


def table(check, clock, result):
    limits = check.result_of("environment").get("ceilings")
    result["rows"] = []
    print(f"{'':<13}{'length':>7}{'keys':>6} {'forward':>20} {'of bound':>9} {'backward':>20} {'of bound':>9}")
    for name, options in ROWS:
        options = tiny(options) if check.rehearses else options
        command = [check.program.longform, "bench", "attention", "--device", check.device, "--dtype", "bf16",
                   *options, "--repeats", check.size(3, 1), "--json"]
        for row in program.json_of(command, clock):
            line = f"{name:<13}{row['length']:>7}{row['window'] * (1 if '--causal' in options else 2) + 1:>6}"
            for way in ("forward", "backward"):
                share = "n/a"
                if limits:
                    bound, what = bound_ms(row, options, limits, way == "backward")
                    row.update({f"{way}_bound_ms": bound, f"{way}_bound": what,
                                f"{way}_share": bound / row[f"{way}_ms"]})
                    share = f"{100 * row[f'{way}_share']:.0f} %{'t' if what == 'tensor cores' else 'm'}"
                line += f" {row[f'{way}_ms']:>9.3f} ms {row[f'{way}_tflops']:>6.3g} T {share:>9}"
            print(line, flush=True)
            result["rows"].append({"name": name, "options": options, **row})
            first = result["rows"][0]
            result["in_short"] = (f"{len(result['rows'])} rows; the first: forward {first['forward_tflops']:.3g},"
                                  f" backward {first['backward_tflops']:.3g} TFLOP/s")


def peers(check, clock, result):
    if importlib.util.find_spec("torch") is None:
        raise program.LeftOut("this Python has no PyTorch")
    rows = check.result_of("attention").get("rows", [])
    ours = next((row for row in rows if row["name"] == "windows"), None)
    result["ours"] = ours
    result["peers"] = {}
    command = [check.python, program.ROOT / "bench" / "peers" / "gpu_attention.py"]
    command += check.size([], ["--device", "cpu", "--tokens", 64, "--side", 8, "--batch", 1, "--heads", 2,
                               "--repeats", 1])

    def keep(line):
        name = line.pop("peer")
        result["peers"][name] = line
        if "failed" in line:
            print(f"{name:<16} did not run: {line['failed'].splitlines()[0][:120] if line['failed'] else ''}")
            return
        text = f"{name:<16} forward {line['forward_ms']:>9.3f} ms, backward {line['backward_ms']:>9.3f} ms"
        if ours and not check.rehearses:
            ratios = [line[f"{way}_ms"] / ours[f"{way}_ms"] for way in ("forward", "backward")]
            line["times_ours"] = ratios
            text += f": {ratios[0]:.2f} and {ratios[1]:.2f} times ours"
        print(text, flush=True)

    program.json_lines(command, clock, keep)
    ran = [name for name, line in result["peers"].items() if "failed" not in line]
    result["in_short"] = f"ran: {', '.join(ran) or 'none'}"
    if not ran:
        raise program.Failed("no peer ran")
