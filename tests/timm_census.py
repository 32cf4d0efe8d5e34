#!/usr/bin/env python3
"""Counts which of timm's published ViTs vitq opens, for docs/models.md.

    python3 -m venv VENV && VENV/bin/pip install torch==2.13.0 torchvision==0.28.0 timm==1.0.31
    VENV/bin/python tests/timm_census.py build/release/vitq

For every tag with weights of the classes below it makes the folder that the hub would have, without its values: a
safetensors file of the model's own names and shapes (a sparse file of zeros) and a config.json as timm writes it, and
asks `vitq info`. Nothing is downloaded. timm's config.json of today tells the arguments that the model was made of; those
on the hub mostly do not, so each is asked both ways: what opens one way only would be told by nothing but an argument,
and is listed. Of what opens, heads, epsilon, activation, pool, a Swin V2's windows and all of the preprocessing are compared
with timm's.

It is for people; no build and no test runs it.
"""

import argparse
import collections
import json
import math
import pathlib
import re
import struct
import subprocess
import tempfile

import timm
import torch
from timm.models._hub import save_config_for_hf

CLASSES = {
    "VisionTransformer": "VisionTransformer",
    "VisionTransformerDistilled": "VisionTransformer of deit.py",
    "Eva": "Eva",
    "Beit": "Beit",
    "SwinTransformer": "SwinTransformer",
    "SwinTransformerV2": "SwinTransformerV2",
}
MODULES = ("vision_transformer", "deit", "eva", "beit", "swin_transformer", "swin_transformer_v2")
POOLS = {"avg": "mean", "token": "class token", "map": "attention", "avgmax": "mean and maximum"}
RESIZE_MODES = {"center": "shortest", "squash": "squash", "border": "border"}
ACTIVATIONS = {
    "GELU": "gelu",
    "GELUTanh": "gelu_tanh",
    "QuickGELU": "quick_gelu",
    "SiLU": "silu",
}


def write_model(folder, model, with_arguments):
    """The model's names and shapes over zeros that take no space, and its configuration."""
    header, end = {}, 0
    for name, tensor in model.state_dict().items():
        size = 4 * tensor.numel()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    save_config_for_hf(model, str(folder / "config.json"))
    if not with_arguments:
        config = json.loads((folder / "config.json").read_text())
        config.pop("model_args", None)
        (folder / "config.json").write_text(json.dumps(config))


def ask(vitq, folder):
    """What `vitq info` says: ({fact: value}, None), or (None, why not)."""
    result = subprocess.run([vitq, "info", str(folder)], capture_output=True, text=True)
    if result.returncode != 0:
        return None, result.stderr.strip()
    facts = {}
    for line in result.stdout.splitlines():
        key, _, value = line.partition(" ")
        facts.setdefault(key, value.strip())
    refusal = "none that vitq knows: "
    if facts["model"].startswith(refusal):
        return None, facts["model"].removeprefix(refusal).replace(str(folder) + "/", "")
    return facts, None


def activation_of(module):
    """The name of the MLPs' activation as vitq has it."""
    for name, child in module.named_modules():
        if name.endswith("mlp.act"):
            return ACTIVATIONS.get(type(child).__name__, type(child).__name__)
    return "none"


def expected(model):
    """What timm computes with, under vitq's words."""
    blocks = getattr(model, "blocks", None)
    first = blocks[0] if blocks is not None else model.layers[0].blocks[0]
    cfg = model.pretrained_cfg
    facts = {
        "eps": f"{first.norm1.eps:g}",
        "activation": activation_of(first),
        "mean": ",".join(f"{value:.6g}" for value in cfg["mean"]),
        "std": ",".join(f"{value:.6g}" for value in cfg["std"]),
        "image_size": str(cfg["input_size"][-1]),
        "resize": str(math.floor(cfg["input_size"][-1] / cfg["crop_pct"])),
        "resize_mode": RESIZE_MODES[cfg["crop_mode"]],
        "interpolation": cfg["interpolation"],
        "pool": model.global_pool,
    }
    if blocks is not None:
        facts["heads"] = str(first.attn.num_heads)
    if type(model).__name__ == "SwinTransformerV2":
        trained = [stage.blocks[0].attn.pretrained_window_size[0] for stage in model.layers]
        facts["window"] = str(first.window_size[0])
        facts["trained_windows"] = ",".join(map(str, trained)) if any(trained) else "none"
    return facts


def numbers(text):
    return [f"{float(word):.5g}" for word in text.split(",") if word != "nothing"]


def differences(facts, model):
    said = {key: value.rsplit(" (", 1)[0] for key, value in facts.items()}
    for key, value in expected(model).items():
        found = said.get(key, "nothing")
        if key == "pool":
            value, found = POOLS.get(value, value), POOLS.get(found, found)
        if key in ("eps", "mean", "std") and numbers(found) == numbers(value):
            continue
        if found != value:
            yield f"{key} is {found}, timm has {value}"


def reason_of(text):
    """The refusal without what differs between models of one kind: files, architectures' names and shapes."""
    text = re.sub(r"^(vitq: )?(error: )?(\S+\.(safetensors|json): )?", "", text)
    text = re.sub(r"^architecture is \S+, ", "", text)
    text = re.sub(r"blocks\.\d+", "blocks.#", text)
    return re.sub(r"\[[\d, ]+\]|\(and \d+ more\)", "[...]", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("vitq", help="the program to ask")
    parser.add_argument("--filter", default="*", help="tags like this alone, with wildcards")
    options = parser.parse_args()
    tags = [tag for tag in timm.list_models(options.filter, pretrained=True)]
    seen, opened = collections.Counter(), collections.Counter()
    refused = collections.defaultdict(list)
    one_way, wrong, unbuilt = [], [], []
    for tag in tags:
        if timm.models._registry._model_to_module[tag.split(".")[0]] not in MODULES:
            continue
        try:
            with torch.device("meta"):
                model = timm.create_model(tag)
        except Exception as error:  # a model that timm itself cannot make without values
            unbuilt.append(f"{tag}: {type(error).__name__}: {error}")
            continue
        kind = CLASSES.get(type(model).__name__)
        if kind is None:
            continue
        seen[kind] += 1
        answers = []
        for with_arguments in (False, True):
            with tempfile.TemporaryDirectory() as name:
                folder = pathlib.Path(name)
                write_model(folder, model, with_arguments)
                answers.append(ask(options.vitq, folder))
        (facts, why), (_, other_why) = answers
        if (why is None) != (other_why is None):
            one_way.append(f"{tag}: {why or 'opens'}; with arguments: {other_why or 'opens'}")
        if why is not None:
            refused[kind, reason_of(why)].append(tag)
            continue
        opened[kind] += 1
        wrong += [f"{tag}: {text}" for text in differences(facts, model)]
    for kind in CLASSES.values():
        print(f"{kind}: {opened[kind]} of {seen[kind]}")
    for (kind, why), names in sorted(refused.items()):
        print(f"\n{kind}, {len(names)} refused: {why}\n  " + ", ".join(names))
    for title, lines in (("opened, but not as timm's", wrong), ("told by arguments alone", one_way), ("not made", unbuilt)):
        print(f"\n{title}: {len(lines)}")
        for line in lines:
            print("  " + line)


if __name__ == "__main__":
    main()
