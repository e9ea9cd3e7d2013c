"""Writes tests/golden/safetensors_types.safetensors with the reference implementation of the format.

    python3 tests/reference/make_safetensors_golden.py [OUTPUT_FOLDER]

Needs torch and safetensors. One tensor of every type that Longform has and some that it lacks, a scalar, one
without elements, a name that needs escaping, and a line of metadata.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file

RAMP = torch.arange(6).reshape(2, 3)

TENSORS = {
    "f32": RAMP.to(torch.float32) / 4 - 0.5,
    "f64": RAMP.to(torch.float64) / 3,
    "bf16": (RAMP.to(torch.float32) * 1.5).to(torch.bfloat16),
    "i32": (RAMP - 3).to(torch.int32),
    "i64": (RAMP - 3) * 10**12,
    "u8": (RAMP * 51).to(torch.uint8),
    "u16": torch.tensor([[0, 13107, 26214], [39321, 52428, 65535]], dtype=torch.int32).to(torch.uint16),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(3, 0, 2),
    'name "with" \\ and é': torch.ones(1),
    "f16": RAMP.to(torch.float16),
    "bool": RAMP > 2,
    "f8": RAMP.to(torch.float8_e4m3fn),
    "i8": RAMP.to(torch.int8),
    "c64": RAMP.to(torch.complex64),
}


def main():
    default = pathlib.Path(__file__).resolve().parent.parent / "golden"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    metadata = {"note": "made by the reference implementation"}  # one: their order would vary
    save_file(TENSORS, folder / "safetensors_types.safetensors", metadata=metadata)


if __name__ == "__main__":
    main()
