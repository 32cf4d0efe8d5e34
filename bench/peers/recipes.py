"""Makes what a contender runs, as its engine's documentation recommends. Runs in a process of its own, whose time and
memory are those of the recipe:

    recipes.py MODEL FOLDER CONTENDER VITQ THREADS

prints {"seconds": of the recipe without importing packages, "notes": [...]} as its last line.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from catalogue import CONTENDERS, MODELS, Contender
from machine import has_vnni
from work import Work

Recipe = Callable[[Work, Contender, list[str]], None]
PRODUCTS = ["MatMul", "Gemm", "Conv"]
LARGE_BYTES = 600_000_000  # of weights: the outputs of a few pictures are gigabytes


def vitq_integers(work: Work, contender: Contender, program: str, threads: str) -> None:
    mean, deviation = (",".join(str(value) for value in values) for values in work.model.colours)
    command = [program, "quantize", "--model", str(work.weights), "--images", str(work.calibration_pictures)]
    command += ["--resize", "none", "--mean", mean, "--std", deviation, "--threads", threads]
    command += ["--preset", contender.name.removeprefix("vitq-"), "--out", str(work.artifact(contender)), "--force"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def fuse_for_transformers(source: Path, out: Path) -> dict[str, int]:
    """onnxruntime.transformers' optimizer; how often it fused what."""
    from onnxruntime.transformers import optimizer

    fused = optimizer.optimize_model(str(source), model_type="vit", num_heads=0, hidden_size=0, opt_level=0)
    fused.save_model_to_file(str(out))
    return {name: count for name, count in fused.get_fused_operator_statistics().items() if count > 0}


def onnxruntime_float(work: Work, contender: Contender, notes: list[str]) -> None:
    out = work.artifact(contender)
    if contender.name.endswith("-fused"):
        notes.append(f"fused: {fuse_for_transformers(work.onnx, out)}")
    else:
        out.symlink_to(work.onnx.resolve())


def preprocess(source: Path, out: Path, notes: list[str]) -> None:
    """ONNX Runtime's own step before it quantizes."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    try:
        quant_pre_process(str(source), str(out))
    except (
        Exception
    ) as error:  # it raises nothing more special where shapes depend on the batch in ways it cannot follow
        for left in (*Path.cwd().glob("sym_shape_infer_temp*"), *Path.cwd().glob("*.data")):
            left.unlink()
        notes.append(f"quant_pre_process without symbolic shapes, as with them: {error}")
        quant_pre_process(str(source), str(out), skip_symbolic_shape=True)


def onnxruntime_dynamic(work: Work, contender: Contender, notes: list[str]) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    prepared = work.folder(contender) / "prepared.onnx"
    if contender.name.endswith("-fused"):
        notes.append(f"fused: {fuse_for_transformers(work.onnx, prepared)}")
    else:
        preprocess(work.onnx, prepared, notes)
    if not has_vnni():
        notes.append("reduce_range, as the CPU has no VNNI")
    quantize_dynamic(
        str(prepared),
        str(work.artifact(contender)),
        per_channel=True,
        reduce_range=not has_vnni(),
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gemm"],  # Conv would become ConvInteger; its one use here is small
        # Shapes and types do not pass through fused operators.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )
    prepared.unlink()


def onnxruntime_static(work: Work, contender: Contender, notes: list[str]) -> None:
    import numpy as np
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.rows = np.load(work.calibration, mmap_mode="r")
            self.set_range(0, len(self.rows))

        def __len__(self) -> int:
            return len(self.rows)

        def set_range(self, start_index: int, end_index: int) -> None:
            self.waiting = iter(self.rows[start_index:end_index])

        def get_next(self) -> dict[str, np.ndarray] | None:
            row = next(self.waiting, None)
            return None if row is None else {"pictures": np.ascontiguousarray(row[None])}

    method = contender.name.removeprefix("ort-static-")
    methods = {"percentile": CalibrationMethod.Percentile, "entropy": CalibrationMethod.Entropy}
    prepared = work.folder(contender) / "prepared.onnx"
    preprocess(work.onnx, prepared, notes)
    if not has_vnni():
        notes.append("reduce_range, as the CPU has no VNNI")
    # Histograms are taken of all products' inputs and outputs of so many pictures at once; then they are merged.

    is_large = work.model.side > 224 or work.weights.stat().st_size > LARGE_BYTES
    extra = {"CalibStridedMinMax": 1 if is_large else 8} if method in methods else {}
    quantize_static(
        str(prepared),
        str(work.artifact(contender)),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=None if method == "all" else PRODUCTS,
        per_channel=True,
        reduce_range=not has_vnni(),
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=methods.get(method, CalibrationMethod.MinMax),
        extra_options=extra,
    )
    prepared.unlink()


def openvino_float(work: Work, contender: Contender, notes: list[str]) -> None:
    import openvino as ov

    ov.save_model(ov.convert_model(str(work.onnx)), str(work.artifact(contender)), compress_to_fp16=False)


def openvino_integers(work: Work, contender: Contender, notes: list[str]) -> None:
    import nncf
    import numpy as np
    import openvino as ov
    from nncf.quantization.advanced_parameters import AdvancedSmoothQuantParameters, OverflowFix

    advanced = nncf.AdvancedQuantizationParameters()
    if contender.name != "ov-int8":
        advanced.smooth_quant_alphas = AdvancedSmoothQuantParameters(convolution=-1, matmul=-1)
    if not has_vnni():
        advanced.overflow_fix = OverflowFix.ENABLE
        notes.append("overflow_fix, as the CPU has no VNNI")
    pictures = np.load(work.calibration, mmap_mode="r")
    model = nncf.quantize(
        ov.convert_model(str(work.onnx)),
        nncf.Dataset([np.ascontiguousarray(row[None]) for row in pictures]),
        subset_size=len(pictures),
        model_type=nncf.ModelType.TRANSFORMER,
        fast_bias_correction=contender.name != "ov-int8-bias",
        advanced_parameters=advanced,
    )
    ov.save_model(model, str(work.artifact(contender)))


def recipe_of(contender: Contender) -> Recipe | None:
    """None: the engine opens the weights themselves."""
    if contender.engine == "onnxruntime":
        if contender.kind == "fp32":
            return onnxruntime_float
        return onnxruntime_dynamic if contender.name.startswith("ort-dynamic") else onnxruntime_static
    if contender.engine == "openvino":
        return openvino_integers if contender.kind == "int8" else openvino_float
    return None


def main() -> None:
    model, folder, name, program, threads = sys.argv[1:]
    work, contender = Work(Path(folder), MODELS[model]), CONTENDERS[name]
    out = work.folder(contender)
    out.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"notes": []}
    # Packages print to standard output too.
    with contextlib.redirect_stdout(sys.stderr):
        recipe = recipe_of(contender)
        if recipe is not None:
            __import__({"onnxruntime": "onnxruntime.quantization", "openvino": "nncf"}[contender.engine])
        start = time.perf_counter()
        if contender.is_ours and contender.kind == "int8":
            vitq_integers(work, contender, program, threads)
        elif recipe is not None:
            recipe(work, contender, result["notes"])
        result["seconds"] = time.perf_counter() - start
    print(json.dumps(result))


if __name__ == "__main__":
    main()
