#!/usr/bin/env python3
"""Writes tests/references/*.safetensors: what timm on PyTorch computes, for tests/torch_reference_test.cpp.

    python3 -m venv VENV && VENV/bin/pip install torch==2.13.0 torchvision==0.28.0 timm==1.0.31 safetensors
    VENV/bin/python tests/make_torch_references.py

Made with Python 3.11, PyTorch 2.13.0 (CPU), timm 1.0.31, in float32, attention by its plain formula. The build never
runs this script: the files are committed, so that a fresh clone compares itself with PyTorch.

Small models (vit, deit_distilled, swin) take two files each:
  NAME.safetensors          the weights under timm's names, F16 (the model computes with exactly these values in
                            float32), and the metadata that vitq needs: a checkpoint like any other
  NAME.outputs.safetensors  pictures U8 [2, size, size, 3]; for both pictures the output of every block and of the final
                            norm [2, tokens, dim], `embedding` (forward_head with pre_logits) and `logits`

Long sequences (vit_1370_tokens, vit_4097_tokens) take one file, NAME.outputs.safetensors. Their weights and the input
follow weights/seeded.h, seed 0. Of the tokens only `rows` are stored: every 97th and the last.
"""

import math
import pathlib

import numpy
import timm.layers
import torch
from safetensors.torch import save_file
from timm.models.deit import VisionTransformerDistilled
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer

FOLDER = pathlib.Path(__file__).resolve().parent / "references"
CLASSES = 10


def seeded(name, count, seed=0):
    """`count` values in [-1, 1) that depend on the name and the seed: v of weights/seeded.h."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    with numpy.errstate(over="ignore"):  # 64-bit arithmetic that wraps
        steps = numpy.arange(1, count + 1, dtype=numpy.uint64)
        z = numpy.uint64(state ^ seed) + steps * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ z >> numpy.uint64(30)) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ z >> numpy.uint64(27)) * numpy.uint64(0x94D049BB133111EB)
        z ^= z >> numpy.uint64(31)
    return (z >> numpy.uint64(40)).astype(numpy.float64) * 2.0**-23 - 1.0


def seeded_weight(name, shape):
    """The tensor `name` as fill_seeded (weights/seeded.h) makes it."""
    v = seeded(name, math.prod(shape))
    if name.endswith("relative_position_bias_table"):
        values = v
    elif name in ("cls_token", "dist_token", "pos_embed"):
        values = 0.5 * v
    elif name.split(".")[-1] == "bias":
        values = 0.1 * v
    elif len(shape) == 1:
        values = 1 + 0.2 * v
    else:
        values = math.sqrt(3 / math.prod(shape[1:])) * v
    return torch.from_numpy(values.astype(numpy.float32)).reshape(shape)


def weights_of(model, dtype):
    """Seeded values, rounded to `dtype`, for everything that a checkpoint of the model holds."""
    names = [name for name in model.state_dict() if not name.endswith(("relative_position_index", "attn_mask"))]
    return {name: seeded_weight(name, tuple(model.state_dict()[name].shape)).to(dtype) for name in names}


def outputs_of(model, weights, images):
    """Every block's output and the final norm's as [pictures, tokens, dim], the embedding and the logits."""
    missing = model.load_state_dict({name: value.float() for name, value in weights.items()}, strict=False)
    assert not missing.unexpected_keys and all("index" in key or "mask" in key for key in missing.missing_keys)
    outputs = {}
    for name, module in model.named_modules():
        if name == "norm" or name.split(".")[-2:-1] == ["blocks"]:
            module.register_forward_hook(
                lambda _module, _input, out, name=name: outputs.update({name: out.flatten(1, -2)}))
    with torch.inference_mode():
        features = model.eval().forward_features(images)
        outputs["embedding"] = model.forward_head(features, pre_logits=True)
        outputs["logits"] = model.forward_head(features)
    return {name: value.contiguous() for name, value in outputs.items()}


def write_small(name, model, size, metadata):
    weights = weights_of(model, torch.float16)
    pictures = torch.from_numpy(((seeded("input", 2 * size * size * 3) + 1) * 127.5).round().astype(numpy.uint8))
    pictures = pictures.reshape(2, size, size, 3)
    images = (pictures.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    usual = {"model": name, "format": "vitq", "image_size": str(size), "resize": "0", "mean": "0.5,0.5,0.5", "std": "0.5,0.5,0.5"}
    save_file(weights, FOLDER / f"{name}.safetensors", metadata=usual | metadata)
    save_file({"pictures": pictures} | outputs_of(model, weights, images), FOLDER / f"{name}.outputs.safetensors")


def write_long(size):
    model = VisionTransformer(img_size=size, patch_size=4, embed_dim=32, depth=2, num_heads=2, mlp_ratio=2,
                              num_classes=CLASSES)
    tokens = (size // 4)**2 + 1
    image = torch.from_numpy((2 * seeded("input", 3 * size * size)).astype(numpy.float32)).reshape(1, 3, size, size)
    outputs = outputs_of(model, weights_of(model, torch.float32), image)
    rows = [*range(0, tokens - 1, 97), tokens - 1]
    stored = {name: outputs[name][:, rows].contiguous() for name in ("blocks.0", "blocks.1")}
    stored |= {name: outputs[name] for name in ("embedding", "logits")}
    stored["rows"] = torch.tensor(rows, dtype=torch.int32)
    save_file(stored, FOLDER / f"vit_{tokens}_tokens.outputs.safetensors")


def main():
    # The numbers that the recipe of the seeded values gives as a check.
    assert seeded("input", 2).tolist() == [-0.8043633699417114, 0.30472075939178467]
    assert seeded("blocks.0.attn.qkv.weight", 1).tolist() == [0.46731603145599365]
    timm.layers.set_fused_attn(False)
    FOLDER.mkdir(exist_ok=True)
    patches = {"img_size": 32, "patch_size": 8, "num_classes": CLASSES}
    write_small("vit", VisionTransformer(embed_dim=32, depth=2, num_heads=2, mlp_ratio=2, **patches), 32,
                {"heads": "2"})
    write_small("deit_distilled", VisionTransformerDistilled(embed_dim=16, depth=2, num_heads=1, mlp_ratio=2, **patches),
                32, {"heads": "1"})
    # Four windows, which the second block shifts; after the merging one window fills the grid.
    write_small("swin", SwinTransformer(img_size=32, patch_size=4, window_size=4, embed_dim=16, depths=(2, 1),
                                        num_heads=(2, 2), mlp_ratio=2, num_classes=CLASSES), 32, {})
    write_long(148)
    write_long(256)


if __name__ == "__main__":
    main()
