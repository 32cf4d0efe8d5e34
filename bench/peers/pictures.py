"""Pictures of just the size a model takes, as PNG files for vitq and as the same floats for everybody."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from catalogue import Model

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
KEPT = 0.9  # of the resized picture's sides, timm's default


def listed(folder: Path) -> list[Path]:
    """The pictures of a folder by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def seeded(side: int, seed: int) -> Image.Image:
    """Soft blotches with a little noise: closer to a photograph's values than noise alone, and the same everywhere."""
    random = np.random.Generator(np.random.PCG64(seed))
    image = np.zeros((side, side, 3))
    for cells, weight in ((3, 1.0), (9, 0.6), (27, 0.35)):
        blotches = Image.fromarray(random.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        image += weight * np.asarray(blotches.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float64)
    image = image / 1.95 + random.normal(0, 6, image.shape)
    return Image.fromarray(np.clip(image, 0, 255).astype(np.uint8))


def cropped(path: Path, side: int, resize: bool) -> Image.Image:
    """The centre, behind the usual resize of the short side, or of the picture as it is."""
    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGB")
    if resize:
        factor = int(side / KEPT) / min(picture.size)
        size = (max(side, int(picture.width * factor)), max(side, int(picture.height * factor)))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    if min(picture.size) < side:
        raise RuntimeError(f"{path}: has {picture.width}x{picture.height} pixels, expected at least {side} each way")
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def save_all(pictures: Iterable[Image.Image], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(pictures):
        picture.save(folder / f"{index:04}.png")


def floats(folder: Path, model: Model) -> np.ndarray:
    """[pictures, 3, side, side], normalised as the model wants it, computed as vitq does: in float32."""
    mean, deviation = (np.asarray(values, dtype=np.float32) for values in model.colours)
    rows = []
    for path in listed(folder):
        with Image.open(path) as picture:
            values = np.asarray(picture, dtype=np.float32) / np.float32(255)
        rows.append(((values - mean) / deviation).transpose(2, 0, 1))
    return np.ascontiguousarray(np.stack(rows), dtype=np.float32)
