"""What is compared: models, and the contenders that run them."""

from dataclasses import dataclass

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class Model:
    """A name of `vitq models` and timm's architecture of the same tensors; no outputs: embeddings."""

    name: str
    architecture: str
    outputs: int = 1000
    has_classes: bool = True
    side: int = 224
    colours: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET


MODELS = {
    model.name: model
    for model in (
        Model("deit_t", "deit_tiny_patch16_224"),
        Model("deit_s", "deit_small_patch16_224"),
        Model("deit_b", "deit_base_patch16_224"),
        Model("swin_t", "swin_tiny_patch4_window7_224"),
        Model("vit_l", "vit_large_patch16_224", colours=HALVES),
        Model("clip_b32", "vit_base_patch32_clip_quickgelu_224", outputs=512, has_classes=False, colours=CLIP),
        Model("dinov2_s", "vit_small_patch14_dinov2", outputs=0, has_classes=False, side=518),
    )
}


@dataclass(frozen=True)
class Contender:
    """An engine with one way to prepare a model for it. Only contenders of one kind are compared with each other."""

    name: str
    engine: str  # vitq, onnxruntime, openvino or torch
    kind: str  # fp32, bf16 or int8
    recipe: str  # for the table
    needs: str = ""  # a flag of the CPU without which it is left out
    is_usual: bool = True  # else only where it is asked for by name

    @property
    def is_ours(self) -> bool:
        return self.engine == "vitq"


KINDS = ("fp32", "bf16", "int8")
# What a ratio is measured against.
BASELINES = {"fp32": "vitq-fp32", "bf16": "vitq-bf16", "int8": "vitq-w8a8"}
# bf16 products without AVX512_BF16 or AMX are emulated by some engines and refused by others.
BF16_FLAG = "avx512_bf16"

CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender("vitq-fp32", "vitq", "fp32", "float32"),
        Contender("ort-fp32", "onnxruntime", "fp32", "float32, all graph optimizations"),
        Contender("ort-fp32-fused", "onnxruntime", "fp32", "float32, onnxruntime.transformers' optimizer before"),
        Contender("ov-fp32", "openvino", "fp32", "float32, INFERENCE_PRECISION_HINT f32"),
        Contender("torch-fp32", "torch", "fp32", "float32, eager, timm's fused attention"),
        Contender("torch-compiled", "torch", "fp32", "float32, torch.compile (inductor, freezing)"),
        Contender("vitq-bf16", "vitq", "bf16", "bf16 products", BF16_FLAG),
        Contender("ov-bf16", "openvino", "bf16", "INFERENCE_PRECISION_HINT bf16", BF16_FLAG),
        Contender("torch-bf16", "torch", "bf16", "model and pictures in bf16, torch.compile", BF16_FLAG),
        Contender("vitq-w8a8", "vitq", "int8", "vitq quantize --preset w8a8"),
        Contender("vitq-w4a8", "vitq", "int8", "vitq quantize --preset w4a8"),
        Contender("ort-dynamic", "onnxruntime", "int8", "quantize_dynamic, per channel"),
        Contender("ort-dynamic-fused", "onnxruntime", "int8", "transformers' optimizer, then quantize_dynamic"),
        Contender("ort-static-minmax", "onnxruntime", "int8", "static QDQ of MatMul, Gemm, Conv; MinMax"),
        Contender("ort-static-percentile", "onnxruntime", "int8", "static QDQ of MatMul, Gemm, Conv; Percentile"),
        Contender("ort-static-entropy", "onnxruntime", "int8", "static QDQ of MatMul, Gemm, Conv; Entropy"),
        Contender("ort-static-all", "onnxruntime", "int8", "static QDQ of all operators; MinMax"),
        Contender("ov-int8", "openvino", "int8", "NNCF, model_type TRANSFORMER (SmoothQuant, fast bias correction)"),
        Contender("ov-int8-nosmooth", "openvino", "int8", "NNCF, TRANSFORMER, without SmoothQuant"),
        # Minutes for the smallest model, and no gain was seen.
        Contender(
            "ov-int8-bias", "openvino", "int8", "NNCF, TRANSFORMER, no SmoothQuant, full bias correction", "", False
        ),
        Contender("torch-dynamic", "torch", "int8", "torch.ao quantize_dynamic of Linear, per channel"),
    )
}

# Least cosine of the answers to each checked picture with those of PyTorch in float32. Below it times do not count.
LEAST_COSINE = {"fp32": 0.9999, "bf16": 0.99, "int8": 0.95}
