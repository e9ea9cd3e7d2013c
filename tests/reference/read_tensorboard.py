"""Reads the event files of a folder with TensorBoard's own reader and prints their scalars as JSON.

    python3 tests/reference/read_tensorboard.py FOLDER

Prints [{"step": 1, "tag": "loss", "value": 2.5, "wall_time": ...}, ...], tag by tag in the order written. Exits
with 0; 1 if the folder holds no scalars; 77, the code of a skipped test, where TensorBoard is not installed.
"""

import json
import pathlib
import sys

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    print(f"read_tensorboard: skipped, {error}: pip install tensorboard", file=sys.stderr)
    sys.exit(77)


def scalars(folder):
    """Every scalar event under `folder`, none dropped by sampling."""
    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    records = [
        {"step": event.step, "tag": tag, "value": event.value, "wall_time": event.wall_time}
        for tag in sorted(tags["scalars"])
        for event in accumulator.Scalars(tag)
    ]
    for tag in sorted(tags["tensors"]):  # scalars written as summary-plugin tensors
        for event in accumulator.Tensors(tag):
            value = event.tensor_proto.float_val[0] if event.tensor_proto.float_val else None
            records.append({"step": event.step, "tag": tag, "value": value, "wall_time": event.wall_time})
    return records


def main():
    if len(sys.argv) != 2:
        print("usage: read_tensorboard.py FOLDER", file=sys.stderr)
        return 2
    if not pathlib.Path(sys.argv[1]).is_dir():
        print(f"read_tensorboard: {sys.argv[1]}: no such folder", file=sys.stderr)
        return 1
    records = scalars(sys.argv[1])
    print(json.dumps(records))
    if not records:
        print(f"read_tensorboard: no scalars found in {sys.argv[1]}", file=sys.stderr)
    return 0 if records else 1


if __name__ == "__main__":
    sys.exit(main())
