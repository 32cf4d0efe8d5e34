"""The models in PyTorch: timm's architectures with the weights that vitq has."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from catalogue import Model
from torchvision_stub import import_timm

HALF = 0.5  # a power of two: nothing is rounded
SCALED = {"ls1.gamma": "attn.proj", "ls2.gamma": "mlp.fc2"}  # LayerScale, and whose outputs it multiplies


def add_layer_scale(tensors: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    """vitq's seeded weights have LayerScale multiplied in already. It is taken out, so that peers do the work that they
    have with a published checkpoint; a scale of 1 would be optimized away."""
    for name in [name for name in wanted if name.endswith(tuple(SCALED)) and name not in tensors]:
        block, layer, _ = name.rsplit(".", 2)
        for part in ("weight", "bias"):
            tensors[f"{block}.{SCALED[f'{layer}.gamma']}.{part}"] /= HALF
        tensors[name] = torch.full_like(wanted[name], HALF)


def open_model(model: Model, weights: Path, fused_attention: bool = True) -> torch.nn.Module:
    """fused_attention: one PyTorch operator, fast here; without, the products that converters know."""
    timm = import_timm()
    timm.layers.set_fused_attn(fused_attention)
    module = timm.create_model(
        model.architecture, pretrained=False, num_classes=model.outputs, exportable=not fused_attention
    )
    tensors = load_file(weights)
    add_layer_scale(tensors, module.state_dict())
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    # CLIP's projection has no bias; timm's head has one.
    for name in [name for name in missing if name == "head.bias"]:
        torch.nn.init.zeros_(module.get_parameter(name))
        missing.remove(name)
    # A Swin's indices and masks follow from its sizes.
    missing = [name for name in missing if not name.endswith(("relative_position_index", "attn_mask"))]
    if missing or unexpected:
        raise RuntimeError(f"{weights}: not the tensors of {model.architecture}: {missing + unexpected}")
    return module.eval()


def export_onnx(model: Model, weights: Path, out: Path) -> None:
    """One file for every batch. PyTorch's older exporter writes the patterns that the peers' fusions look for."""
    module = open_model(model, weights, fused_attention=False)
    pictures = torch.zeros(1, 3, model.side, model.side)
    torch.onnx.export(
        module,
        (pictures,),
        str(out),
        dynamo=False,
        opset_version=17,
        input_names=["pictures"],
        output_names=["answers"],
        dynamic_axes={"pictures": {0: "batch"}, "answers": {0: "batch"}},
    )
