#!/usr/bin/env python3
"""Writes tests/fixtures/*.pth with PyTorch itself, so that the tests read what torch.save writes without needing it.

    /usr/bin/python3 tests/make_torch_fixtures.py        (Debian: python3-torch; made with 1.13)

The values follow a formula that tests/torch_checkpoint_test.cpp knows: value(i) = (i mod 97) / 64 - 0.75, exact in every
float type.
"""

import argparse
import pathlib
from collections import OrderedDict

import torch

FOLDER = pathlib.Path(__file__).resolve().parent / "fixtures"


def values(count, dtype=torch.float32):
    return ((torch.arange(count) % 97).float() / 64 - 0.75).to(dtype)


def views(shapes):
    """float16 tensors of these shapes that follow one another in one storage."""
    sizes = [torch.Size(shape).numel() for shape in shapes.values()]
    parts = values(sum(sizes), torch.float16).split(sizes)
    return OrderedDict((name, part.view(shape)) for (name, shape), part in zip(shapes.items(), parts))


def types():
    """Every kind of tensor that a state dict may hold, wrapped the way DeiT's recipe wraps it."""
    flat = values(24)
    state = OrderedDict()
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        state[str(dtype).removeprefix("torch.")] = values(6, dtype).view(2, 3)
    state["transposed"] = flat.view(4, 6).t()
    state["stepped"] = flat[3::2]
    state["permuted"] = flat.view(2, 3, 4).permute(2, 0, 1)
    state["expanded"] = flat[5:6].expand(2, 3)
    state["scalar"] = flat[7]
    state["empty"] = torch.zeros(0, 3)
    state["parameter"] = torch.nn.Parameter(values(4).view(2, 2))
    state["attn.relative_position_index"] = torch.arange(4).view(2, 2)
    return {
        "model": state,
        "model_ema": {"float32": -values(6).view(2, 3)},
        "optimizer": {"state": {0: {"step": 1, "exp_avg": values(3)}}, "param_groups": [{"lr": 1e-3, "params": [0]}]},
        "epoch": 299,
        "args": argparse.Namespace(model="deit_tiny_patch16_224", lr=5e-4, resume=None, betas=(0.9, 0.999), dist=True),
    }


def block(name, dim):
    return {
        f"{name}.norm1.weight": (dim,),
        f"{name}.norm1.bias": (dim,),
        f"{name}.attn.qkv.weight": (3 * dim, dim),
        f"{name}.attn.qkv.bias": (3 * dim,),
        f"{name}.attn.proj.weight": (dim, dim),
        f"{name}.attn.proj.bias": (dim,),
        f"{name}.norm2.weight": (dim,),
        f"{name}.norm2.bias": (dim,),
        f"{name}.mlp.fc1.weight": (2 * dim, dim),
        f"{name}.mlp.fc1.bias": (2 * dim,),
        f"{name}.mlp.fc2.weight": (dim, 2 * dim),
        f"{name}.mlp.fc2.bias": (dim,),
    }


def swin():
    """A Swin of two stages of one block in Microsoft's names, all in one storage."""
    shapes = {
        "patch_embed.proj.weight": (4, 3, 4, 4),
        "patch_embed.proj.bias": (4,),
        "patch_embed.norm.weight": (4,),
        "patch_embed.norm.bias": (4,),
    }
    for stage, dim in enumerate((4, 8)):
        shapes |= block(f"layers.{stage}.blocks.0", dim)
        shapes[f"layers.{stage}.blocks.0.attn.relative_position_bias_table"] = (169, 1)
    shapes["layers.0.downsample.reduction.weight"] = (8, 16)
    shapes["layers.0.downsample.norm.weight"] = (16,)
    shapes["layers.0.downsample.norm.bias"] = (16,)
    shapes |= {"norm.weight": (8,), "norm.bias": (8,), "head.weight": (10, 8), "head.bias": (10,)}
    state = views(shapes)
    state["layers.0.blocks.0.attn.relative_position_index"] = torch.arange(4).view(2, 2)
    state["layers.0.blocks.0.attn_mask"] = values(4).view(1, 2, 2)
    return {"model": state}


def distilled():
    """A distilled DeiT of one block of 64 channels. Each tensor repeats one number, or the file would be large."""
    shapes = {
        "cls_token": (1, 1, 64),
        "dist_token": (1, 1, 64),
        "pos_embed": (1, 6, 64),
        "patch_embed.proj.weight": (64, 3, 16, 16),
        "patch_embed.proj.bias": (64,),
    }
    shapes |= block("blocks.0", 64)
    for name in ("norm.weight", "norm.bias", "head.bias", "head_dist.bias"):
        shapes[name] = (64,) if name.startswith("norm") else (10,)
    shapes |= {"head.weight": (10, 64), "head_dist.weight": (10, 64)}
    flat = values(len(shapes)).half()
    return {"module." + name: flat[i].expand(shape) for i, (name, shape) in enumerate(shapes.items())}


def main():
    FOLDER.mkdir(exist_ok=True)
    for make in (types, swin, distilled):
        torch.save(make(), FOLDER / f"{make.__name__}.pth")
    torch.save(types(), FOLDER / "types_protocol4.pth", pickle_protocol=4)
    torch.save({"a": values(2)}, FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
