"""Everything a comparison needs on disk: weights, pictures, the ONNX file, PyTorch's answers, each contender's model.
What is there is not made again."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

import pictures
from catalogue import CONTENDERS, LEAST_COSINE, Contender
from engines import Setting
from processes import HERE, ContenderError, environment, environment_of, run_to_end
from work import Work

CALIBRATION_COUNT = 32
CHECK_COUNT = 8


@dataclass
class Prepared:
    """How a contender's model was made, or why not."""

    seconds: float = 0.0
    process_seconds: float = 0.0
    peak_bytes: int = 0
    notes: list[str] = field(default_factory=list)
    error: str = ""


def save_array(path: Path, array: np.ndarray) -> None:
    """The file appears whole or not at all."""
    part = path.with_suffix(".part.npy")
    np.save(part, array)
    part.rename(path)


def seeded_weights(work: Work, program: str) -> None:
    if not work.weights.exists():
        work.root.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [program, "seed", "--model", work.model.name, "--out", str(work.weights)],
            check=True,
            stdout=subprocess.DEVNULL,
        )


def seeded_pictures(work: Work) -> None:
    side = work.model.side
    if not work.calibration.exists():
        pictures.save_all((pictures.seeded(side, seed) for seed in range(CALIBRATION_COUNT)), work.calibration_pictures)
        save_array(work.calibration, pictures.floats(work.calibration_pictures, work.model))
    if not work.check.exists():
        seeds = range(1000, 1000 + CHECK_COUNT)
        pictures.save_all((pictures.seeded(side, seed) for seed in seeds), work.check_pictures)
        save_array(work.check, pictures.floats(work.check_pictures, work.model))


def photographs(work: Work, calibration: Iterable[Path], check: Iterable[Path], resize: bool) -> None:
    side = work.model.side
    for paths, folder, out in (
        (calibration, work.calibration_pictures, work.calibration),
        (check, work.check_pictures, work.check),
    ):
        if not out.exists():
            pictures.save_all((pictures.cropped(path, side, resize) for path in paths), folder)
            save_array(out, pictures.floats(folder, work.model))


def export(work: Work) -> None:
    """Raises ContenderError."""
    if work.onnx.exists():
        return
    script = (
        "import sys; from pathlib import Path; from catalogue import MODELS; from torch_model import export_onnx; "
        "export_onnx(MODELS[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3]))"
    )
    part = work.onnx.with_suffix(".part")
    command = [sys.executable, "-c", script, work.model.name, str(work.weights), str(part)]
    run_to_end(command, environment(work.root) | {"PYTHONPATH": str(HERE)}, work.root / "export.log")
    part.rename(work.onnx)


def spec_of(
    work: Work, contender: Contender, setting: Setting, library: Path, answers: Path, limit: int = 0
) -> dict[str, object]:
    """What worker.py wants to be told."""
    return {
        "model": work.model.name,
        "folder": str(work.root),
        "contender": contender.name,
        "library": str(library),
        **asdict(setting),
        "pictures": str(work.check),
        "answers": str(answers),
        "limit": limit,
    }


def answers_of(work: Work, contender: Contender, setting: Setting, library: Path) -> np.ndarray:
    """A contender's answers to all check pictures, by a process of its own. Raises ContenderError."""
    out = work.folder(contender) / f"answers-{setting.batch}.npy"
    command = [sys.executable, str(HERE / "worker.py")]
    command.append(json.dumps(spec_of(work, contender, setting, library, out) | {"once": True}))
    run_to_end(command, environment_of(contender.engine, work.root), work.folder(contender) / "answers.log")
    return np.load(out)


def reference(work: Work, threads: int, library: Path) -> np.ndarray:
    """PyTorch's answers in float32 to the check pictures. Raises ContenderError."""
    if not work.reference.exists():
        setting = Setting(threads, CHECK_COUNT)
        save_array(work.reference, answers_of(work, CONTENDERS["torch-fp32"], setting, library))
    return np.load(work.reference)


def contender_model(work: Work, contender: Contender, program: str, threads: int) -> Prepared:
    """Makes what a contender opens, in a process of its own, unless an earlier run did."""
    record = work.folder(contender) / "prepared.json"
    if record.exists():
        earlier = Prepared(**json.loads(record.read_text()))
        if not earlier.error:
            return earlier
    command = [sys.executable, str(HERE / "recipes.py"), work.model.name, str(work.root), contender.name]
    command += [program, str(threads)]
    work.folder(contender).mkdir(parents=True, exist_ok=True)
    artifact = work.artifact(contender)
    if artifact.parent == work.folder(contender):
        artifact.unlink(missing_ok=True)
    try:
        done = run_to_end(command, environment(work.root), work.folder(contender) / "recipe.log")
        result = json.loads(done.out.splitlines()[-1])
        prepared = Prepared(result["seconds"], done.seconds, done.peak_bytes, result["notes"])
    except ContenderError as error:
        prepared = Prepared(error=str(error))
    record.write_text(json.dumps(asdict(prepared)))
    return prepared


@dataclass(frozen=True)
class Agreement:
    """Of answers with PyTorch's in float32."""

    least_cosine: float
    largest_difference: float
    same_top1: float

    def holds(self, kind: str) -> bool:
        return self.least_cosine >= LEAST_COSINE[kind]


def compare(answers: np.ndarray, expected: np.ndarray) -> Agreement:
    if answers.shape != expected.shape or not np.isfinite(answers).all():
        return Agreement(-1.0, float("inf"), 0.0)
    a, b = answers.astype(np.float64), expected.astype(np.float64)
    cosines = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    same = (a.argmax(axis=1) == b.argmax(axis=1)).mean()
    return Agreement(float(cosines.min()), float(np.abs(a - b).max()), float(same))
