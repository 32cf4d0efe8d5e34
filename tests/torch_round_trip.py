#!/usr/bin/env python3
"""Whole models through torch.save and `vitq convert`: do all tensors come back, bit by bit?

    for m in deit_t deit_t_distilled swin_t; do build/release/vitq seed --model $m --out /tmp/$m.safetensors; done
    /usr/bin/python3 tests/torch_round_trip.py build/release/vitq /tmp/{deit_t,deit_t_distilled,swin_t}.safetensors

Not one of the tests that always run, for it needs PyTorch (Debian: python3-torch). Exits with 1 where a tensor differs.
"""

import argparse
import decimal
import functools
import pathlib
import subprocess
import sys
import tempfile
from collections import Counter, OrderedDict

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "weights"))
from safetensors_io import read_safetensors  # noqa: E402


def load(path):
    tensors, _ = read_safetensors(path)
    return OrderedDict((name, torch.as_tensor(values)) for name, values in tensors.items())


def official_swin(state):
    """timm's names as Microsoft's files have them, with the buffers that those hold too."""
    result = OrderedDict()
    for name, value in state.items():
        parts = name.replace("head.fc.", "head.").split(".")
        if "downsample" in parts:
            parts[1] = str(int(parts[1]) - 1)
        result[".".join(parts)] = value
    result["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.int64)
    result["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    return result


def mapped(state, change):
    return OrderedDict((name, change(value) if value.is_floating_point() else value) for name, value in state.items())


def in_one_storage(state):
    """Every tensor a view of one long one."""
    whole = torch.cat([value.reshape(-1) for value in state.values() if value.is_floating_point()])
    parts = iter(whole.split([value.numel() for value in state.values() if value.is_floating_point()]))
    return mapped(state, lambda value: next(parts).view(value.shape))


def parameters_with_attributes(state):
    """What PyTorch writes as _rebuild_parameter_with_state."""

    def parameter(value):
        result = torch.nn.Parameter(value, requires_grad=False)
        result.sharding = None
        result.no_weight_decay = True
        return result

    return mapped(state, parameter)


def trained(state):
    """A state dict and what training programs store beside it. os.system would be called by a loader that calls."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)

    class Hostile:
        def __reduce__(self):
            import os

            return os.system, ("touch torch_round_trip_ran_a_command",)

    return {
        "model": state,
        "scheduler": torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=9).state_dict(),
        "args": argparse.Namespace(out=pathlib.PurePosixPath("/x"), size=torch.Size([3]), device=torch.device("cpu")),
        "best": (decimal.Decimal("81.3"), Counter("aab"), {1}, b"bytes", torch.float32, 1 << 100),
        "layer": functools.partial(torch.nn.LayerNorm, eps=1e-6),
        "head": torch.nn.Linear(2, 2),
        "hostile": Hostile(),
    }


def transposed_in_memory(value):
    return value.double().t().contiguous().t() if value.dim() == 2 else value.double()


# Name, what is saved, and what float32 becomes on the way.
VARIANTS = (
    ("float32 under model", lambda state: {"model": state}, lambda value: value),
    ("float16", lambda state: mapped(state, torch.Tensor.half), lambda value: value.half().float()),
    (
        "bfloat16 under state_dict",
        lambda state: {"epoch": 3, "state_dict": mapped(state, torch.Tensor.bfloat16), "optimizer": {"lr": 1e-3}},
        lambda value: value.bfloat16().float(),
    ),
    ("float64, strided", lambda state: mapped(state, transposed_in_memory), lambda value: value),
    ("views of one storage", in_one_storage, lambda value: value),
    ("parameters with attributes", parameters_with_attributes, lambda value: value),
    ("beside what training leaves", trained, lambda value: value),
)


def differing(program, state, save, rounded, folder):
    """Names that do not come back as they should."""
    checkpoint, converted = folder / "checkpoint.pth", folder / "converted.safetensors"
    names = official_swin(state) if any("relative_position" in name for name in state) else state
    torch.save(save(names), checkpoint)
    subprocess.run([program, "convert", checkpoint, "--out", converted, "--force"], check=True, capture_output=True)
    actual = load(converted)
    expected = {name: rounded(value) for name, value in state.items()}
    return [
        name
        for name in sorted(actual.keys() | expected.keys())
        if name not in actual
        or name not in expected
        or actual[name].shape != expected[name].shape
        or not torch.equal(actual[name].view(torch.int32), expected[name].view(torch.int32))
    ]


def main():
    program, *models = sys.argv[1:]
    wrong = 0
    for model in models:
        state = load(model)
        for title, save, rounded in VARIANTS:
            with tempfile.TemporaryDirectory() as folder:
                names = differing(program, state, save, rounded, pathlib.Path(folder))
            wrong += len(names)
            wrong += pathlib.Path("torch_round_trip_ran_a_command").exists()
            print(f"{pathlib.Path(model).stem}, {title}: {len(state)} tensors, {len(names)} differ", *names[:3])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
