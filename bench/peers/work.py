"""Where what is made for a model lies, so that several processes find it."""

from dataclasses import dataclass
from pathlib import Path

from catalogue import Contender, Model


@dataclass(frozen=True)
class Work:
    """A folder for one model with one set of weights."""

    root: Path
    model: Model

    @property
    def weights(self) -> Path:
        # vitq tells a file's preprocessing from its name where the file says nothing.
        return self.root / f"{self.model.name}.safetensors"

    @property
    def onnx(self) -> Path:
        return self.root / "model.onnx"

    @property
    def calibration_pictures(self) -> Path:
        return self.root / "calibration"

    @property
    def calibration(self) -> Path:
        return self.root / "calibration.npy"

    @property
    def check(self) -> Path:
        """Pictures that every contender answers: [pictures, 3, side, side]."""
        return self.root / "check.npy"

    @property
    def check_pictures(self) -> Path:
        return self.root / "check"

    @property
    def reference(self) -> Path:
        """PyTorch's answers in float32 to the check pictures."""
        return self.root / "reference.npy"

    def folder(self, contender: Contender) -> Path:
        return self.root / contender.name

    def artifact(self, contender: Contender) -> Path:
        """What the contender opens."""
        if contender.engine == "torch" or (contender.is_ours and contender.kind != "int8"):
            return self.weights
        name = {"vitq": "model.safetensors", "onnxruntime": "model.onnx", "openvino": "model.xml"}[contender.engine]
        return self.folder(contender) / name
