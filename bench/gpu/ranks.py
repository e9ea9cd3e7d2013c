"""Step: two ranks with a GPU each train one's run, and exchange gradients while they compute."""

import json
import shutil

import program
import training

# Four updates of four micro-batches. {model}: a shape; ranks on GPUs of one kind have the same bits.
RANKED = """\
device: {device}
threads: 1
data: {{path: {sample}}}
model: {{{model}}}
stages: {{list: [{{name: only, sequence_length: {length}, windows: {window}, learning_rate: 0.001, batch_size: 4,
  micro_batch: 1, steps: 4}}]}}
validation: {{tokens: {length}}}
evaluation: {{sequence_length: {length}, step: {length}, after_each_stage: false}}
checkpoint: {{every_steps: 4}}
log: {{every_steps: 1, tensorboard: false}}
ranks: {{reduction: {reduction}, bucket_megabytes: {bucket}}}
"""
ONE_GPU = "use the same GPU"
LEAST_HIDDEN = 0.1


def train(check, clock, ranks, reduction):
    """Trains the run of so many ranks; its folder's name."""
    sample = check.folder / "ranks.txt"
    length, characters = check.size((4096, 200_000), (32, 1000))
    sample.write_bytes(check.program.sample.read_bytes()[:characters])
    run = f"{reduction}{ranks}"
    config = check.folder / f"{run}.yaml"
    config.write_text(RANKED.format(
        device=check.size(check.device, "cpu"),  # the stand-in's ranks are threads of one process
        sample=program.quoted(sample), length=length, window=check.size(512, 8), reduction=reduction,
        model=check.size("layers: 8, width: 512, heads: 8, feed_forward: 2048",
                         "layers: 2, width: 32, heads: 1, feed_forward: 32"),
        bucket=check.size(4, 0.01)), encoding="utf-8")
    command = [check.program.longform, "train", config, "--out", check.folder / run]
    code, out, err = program.run([*command, "--ranks", ranks] if ranks > 1 else command, clock,
                                 {"ASAN_OPTIONS": "detect_leaks=0"})  # MPI keeps some memory to its end
    said = err.strip() or out.strip()
    if ranks > 1 and ONE_GPU in said:
        raise program.LeftOut("there is one GPU; two ranks need two")
    if code != 0:
        raise program.Failed(f"{ranks} ranks ended with {code}: {said[-1500:]}")
    return run


def hidden_share(check, run):
    """Of the time that exchanges took behind the first update, the share for which no update waited."""
    lines = (check.folder / run / "timing.jsonl").read_text(encoding="utf-8").splitlines()[1:]
    records = [json.loads(line) for line in lines]
    took, waited = (sum(record.get(key, 0) for record in records)
                    for key in ("exchange_seconds", "exchange_wait_seconds"))
    if took <= 0:
        raise program.Failed("no exchange was timed")
    return 1 - waited / took


def ranks(check, clock, result):
    """Two ranks train one's run, to the last bit; and exchange gradients while backward goes on."""
    if not shutil.which("mpirun"):
        raise program.LeftOut("mpirun is not installed")
    train(check, clock, 2, "ordered")
    train(check, clock, 1, "ordered")
    result["weights"] = [training.last_weights(check, f"ordered{count}") for count in (1, 2)]
    if result["weights"][0] != result["weights"][1]:
        raise program.Failed("two ranks' weights have other bits than one's")
    result["in_short"] = "two ranks have one's bits"
    result["hidden"] = hidden = hidden_share(check, train(check, clock, 2, "fast"))
    result["in_short"] += f", {100 * hidden:.0f} % of their exchanges are hidden"
    print(result["in_short"])
    if hidden < check.size(LEAST_HIDDEN, -0.9):
        raise program.Failed("exchanges do not overlap with what is computed")
