"""What the contenders' answers are worth: real weights and labelled pictures, the same floats for all."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import pictures
import prepare
from catalogue import MODELS, Contender
from engines import Setting
from prepare import CALIBRATION_COUNT
from processes import ContenderError, say
from work import Work

BATCH = 8


@dataclass(frozen=True)
class Labelled:
    """A folder as shared/assets: deit_t.safetensors, imagenet_val/eval with its labels.csv, imagenet_val/calib."""

    root: Path
    resize: bool  # False: the pictures are cropped as they are stored

    @property
    def weights(self) -> Path:
        return self.root / "deit_t.safetensors"

    @property
    def pictures(self) -> Path:
        return self.root / "imagenet_val" / "eval"

    @property
    def calibration(self) -> Path:
        return self.root / "imagenet_val" / "calib"

    @property
    def labels(self) -> Path:
        return self.root / "imagenet_val" / "labels.csv"

    def missing(self) -> Path | None:
        wanted = (self.weights, self.pictures, self.calibration, self.labels)
        return next((path for path in wanted if not path.exists()), None)


@dataclass
class Accuracy:
    """Against PyTorch's float32 on the same pictures; KL in nats."""

    top1: float = 0.0
    agreement: float = 0.0
    kl: float = 0.0
    error: str = ""


def log_softmax(logits: np.ndarray) -> np.ndarray:
    values = logits.astype(np.float64)
    values -= values.max(axis=1, keepdims=True)
    return values - np.log(np.exp(values).sum(axis=1, keepdims=True))


def score(answers: np.ndarray, expected: np.ndarray, labels: np.ndarray) -> Accuracy:
    p, q = log_softmax(expected), log_softmax(answers)
    best = answers.argmax(axis=1)
    return Accuracy(
        top1=float((best == labels).mean()),
        agreement=float((best == expected.argmax(axis=1)).mean()),
        kl=float((np.exp(p) * (p - q)).sum(axis=1).mean()),
    )


def read_labels(path: Path, names: list[str]) -> np.ndarray:
    with open(path, newline="") as file:
        labels = {row["file"]: int(row["label"]) for row in csv.DictReader(file)}
    unknown = [name for name in names if name not in labels]
    if unknown:
        raise RuntimeError(f"{path}: has no label of {unknown[0]}")
    return np.array([labels[name] for name in names])


def prepare_pictures(work: Work, labelled: Labelled, limit: int) -> np.ndarray:
    """Everything up to the contenders; the labels."""
    work.root.mkdir(parents=True, exist_ok=True)
    if not work.weights.exists():
        work.weights.symlink_to(labelled.weights.resolve())
    shown = pictures.listed(labelled.pictures)[: limit or None]
    prepare.photographs(work, pictures.listed(labelled.calibration)[:CALIBRATION_COUNT], shown, labelled.resize)
    return read_labels(labelled.labels, [path.name for path in shown])


@dataclass
class AccuracyTable:
    pictures: int
    rows: dict[str, Accuracy]
    prepared: dict[str, prepare.Prepared]


def measure(
    folder: Path, labelled: Labelled, contenders: list[Contender], program: str, library: Path, threads: int, limit: int
) -> AccuracyTable:
    work = Work(folder, MODELS["deit_t"])
    labels = prepare_pictures(work, labelled, limit)
    prepare.export(work)
    expected = prepare.reference(work, threads, library)
    table = AccuracyTable(len(labels), {}, {})
    for contender in contenders:
        say(f"accuracy: {contender.name}")
        prepared = prepare.contender_model(work, contender, program, threads)
        table.prepared[contender.name] = prepared
        try:
            if prepared.error:
                raise ContenderError(prepared.error)
            answers = prepare.answers_of(work, contender, Setting(threads, BATCH), library)
            table.rows[contender.name] = score(answers, expected, labels)
        except ContenderError as error:
            table.rows[contender.name] = Accuracy(error=str(error))
    return table
