"""Writes tests/golden/torch_*: checkpoints as PyTorch saves them, and the values they hold.

    python3 tests/reference/make_torch_golden.py [OUTPUT_FOLDER]

Needs torch and safetensors. torch_zip.pt and torch_legacy.pt hold the same state dict in PyTorch's two
formats: every type that Longform reads and some that it does not, views, shared storages, a parameter, a scalar
and a tensor without elements. torch_training.pt is a training checkpoint around a state dict, saved with pickle
protocol 4. torch_sharded/ is a checkpoint in two shards with its index. torch_values.safetensors holds what must
be read: float16 as float32, bool as uint8, every view as a tensor of its own. Two runs write the same bytes, but
for torch_legacy.pt, in which PyTorch orders the storages by their addresses.
"""

import collections
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

RAMP = torch.arange(6).reshape(2, 3)
# Halves that a wrong conversion would miss: subnormals, the largest, infinities, both zeros.
HALVES = [0x0001, 0x03FF, 0x0400, 0x3C01, 0x7BFF, 0x7C00, 0xFC00, 0x8000, 0x0000, 0x8001, 0x3555, 0xC248]

UNSUPPORTED = ("i16", "i8", "c64", "f8")


def state_dict():
    """Returns the tensors by name."""
    grid = torch.arange(60, dtype=torch.float32).reshape(3, 4, 5) / 8 - 2
    halves = torch.tensor([h if h < 0x8000 else h - 0x10000 for h in HALVES], dtype=torch.int16)
    tensors = collections.OrderedDict(
        f32=RAMP.to(torch.float32) / 4 - 0.5,
        f64=RAMP.to(torch.float64) / 3,
        bf16=(RAMP.to(torch.float32) * 1.5).to(torch.bfloat16),
        f16=halves.view(torch.float16),
        i64=(RAMP - 3) * 10**12,
        i32=(RAMP - 3).to(torch.int32),
        u8=(RAMP * 51).to(torch.uint8),
        u16=torch.tensor([0, 13107, 65535], dtype=torch.int32).to(torch.uint16),
        bool=RAMP % 2 == 0,
        i16=RAMP.to(torch.int16),
        i8=RAMP.to(torch.int8),
        c64=RAMP.to(torch.complex64),
        f8=RAMP.to(torch.float8_e4m3fn),
        scalar=torch.tensor(2.5),
        empty=torch.zeros(3, 0, 2),
        parameter=torch.nn.Parameter(torch.linspace(-1, 1, 7)),
        grid=grid,
        tied=grid,
        permuted=grid.permute(2, 0, 1),
        strided=grid[1:, ::2, 1:4],
        row=grid[2, 3],
        element=grid[1, 2, 3],
        expanded=grid[0, 1, 2:4].expand(4, 3, 2),
        half_row=(grid.to(torch.float16))[:, 1:3].transpose(0, 2),
    )
    tensors["layer.0.näme"] = torch.ones(1)
    return tensors


def expected(tensors):
    """Returns what reading gives, by name."""
    values = {}
    for name, tensor in tensors.items():
        if name in UNSUPPORTED:
            continue
        if tensor.dtype == torch.float16:
            tensor = tensor.to(torch.float32)
        if tensor.dtype == torch.bool:
            tensor = tensor.to(torch.uint8)
        values[name] = tensor.detach().clone().contiguous()
    return values


def save_sharded(tensors, folder):
    """Saves two shards and the index as transformers does."""
    folder.mkdir(exist_ok=True)
    names = [name for name in tensors if name not in UNSUPPORTED]
    shards = {"pytorch_model-00001-of-00002.bin": names[:5], "pytorch_model-00002-of-00002.bin": names[5:]}
    weight_map = {}
    for file, members in shards.items():
        torch.save({name: tensors[name] for name in members}, folder / file)
        weight_map.update({name: file for name in members})
    total = sum(tensors[name].numel() * tensors[name].element_size() for name in names)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


def main():
    default = pathlib.Path(__file__).resolve().parent.parent / "golden"
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    tensors = state_dict()
    torch.save(tensors, folder / "torch_zip.pt")
    torch.save(tensors, folder / "torch_legacy.pt", _use_new_zipfile_serialization=False)
    training = {
        "epoch": 3,
        "loss": 1.25,
        "shape": torch.Size([2, 3]),
        "state_dict": {
            "encoder": {"weight": tensors["f32"], 0: tensors["i64"]},
            "version": 2,
            "scalar": tensors["scalar"],
        },
        "optimizer": {"state": {0: {"step": torch.tensor(7.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
    }
    torch.save(training, folder / "torch_training.pt", pickle_protocol=4)
    save_sharded(tensors, folder / "torch_sharded")
    save_file(expected(tensors), folder / "torch_values.safetensors")


if __name__ == "__main__":
    main()
