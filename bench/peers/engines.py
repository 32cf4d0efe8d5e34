"""Each engine as a function from pictures to answers. An engine is imported only where it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from catalogue import Contender
from work import Work

Engine = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Setting:
    """How a contender is asked. throughput: OpenVINO's hint, with single pictures in flight instead of a batch."""

    threads: int
    batch: int
    throughput: bool = False


def open_vitq(work: Work, contender: Contender, setting: Setting, library: Path) -> Engine:
    from vitq_library import Session

    return Session(library, work.artifact(contender), contender.kind == "bf16", setting.threads)


def open_onnxruntime(work: Work, contender: Contender, setting: Setting) -> Engine:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setting.threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # With a fixed batch all arithmetic on shapes is folded away.
    options.add_free_dimension_override_by_name("batch", setting.batch)
    session = onnxruntime.InferenceSession(str(work.artifact(contender)), options, providers=["CPUExecutionProvider"])
    return lambda pictures: session.run(None, {"pictures": pictures})[0]


def open_openvino(work: Work, contender: Contender, setting: Setting) -> Engine:
    import openvino as ov

    core = ov.Core()
    model = core.read_model(str(work.artifact(contender)))
    model.reshape([1 if setting.throughput else setting.batch, 3, work.model.side, work.model.side])
    config: dict[str, Any] = {
        "PERFORMANCE_HINT": "THROUGHPUT" if setting.throughput else "LATENCY",
        "INFERENCE_NUM_THREADS": setting.threads,
    }
    # For integers the hint stays OpenVINO's own: it decides what the rest is computed in.
    hints = {"fp32": "f32", "bf16": "bf16"}
    if contender.kind in hints:
        config["INFERENCE_PRECISION_HINT"] = hints[contender.kind]
    compiled = core.compile_model(model, "CPU", config)
    if setting.throughput:
        return in_flight(ov.AsyncInferQueue(compiled))
    request = compiled.create_infer_request()
    return lambda pictures: request.infer({0: pictures}, share_inputs=True)[0]


def in_flight(queue: Any) -> Engine:  # noqa: ANN401  OpenVINO is imported only where it runs
    """Single pictures, as many at once as the compiled model asks for; queue: an AsyncInferQueue."""
    answers: dict[int, np.ndarray] = {}
    queue.set_callback(lambda request, index: answers.update({index: request.get_output_tensor().data[0].copy()}))

    def run(pictures: np.ndarray) -> np.ndarray:
        for index in range(len(pictures)):
            queue.start_async({0: pictures[index : index + 1]}, index)
        queue.wait_all()
        return np.stack([answers[index] for index in range(len(pictures))])

    return run


def open_torch(work: Work, contender: Contender, setting: Setting) -> Engine:
    import torch

    from torch_model import open_model

    torch.set_num_threads(setting.threads)
    module: Any = open_model(work.model, work.artifact(contender))
    dtype = torch.bfloat16 if contender.kind == "bf16" else torch.float32
    module = module.to(dtype)
    if contender.name == "torch-dynamic":
        from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

        module = quantize_dynamic(module, {torch.nn.Linear: per_channel_dynamic_qconfig})
    elif contender.name != "torch-fp32":
        import torch._inductor.config

        torch._inductor.config.freezing = True  # weights become constants, packed for the CPU
        module = torch.compile(module)

    def run(pictures: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return module(torch.from_numpy(pictures).to(dtype)).float().numpy()

    return run


def open_engine(work: Work, contender: Contender, setting: Setting, library: Path) -> Engine:
    if contender.is_ours:
        return open_vitq(work, contender, setting, library)
    opener = {"onnxruntime": open_onnxruntime, "openvino": open_openvino, "torch": open_torch}[contender.engine]
    return opener(work, contender, setting)
