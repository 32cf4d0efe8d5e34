#!/usr/bin/env python3
"""How a pass's time grows with tokens, width and batch: `vitq bench` of seeded models, as Markdown.

cost_curves.py [--program build/release/vitq] [--precision fp32,int8] [--threads 1] [--iters 5] [--most-tokens 4097]
               [--most-width 1024] [--most-batch 64]

Each row: the time, the multiply-accumulates a second, and the exponent of the time since the row above. Under each table
the exponent fitted over all rows (least squares of the logarithms). The exponents of the multiplications alone stand
beside: where the time's is above them, speed is lost; below, it is gained.
"""

import argparse
import json
import math
import subprocess
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    name: str
    width: int
    depth: int
    patch: int = 16

    def macs(self, image_size: int) -> int:
        """Of the blocks: qkv, proj and an MLP of four times the width, and the two products of attention."""
        tokens = self.tokens(image_size)
        return self.depth * (12 * tokens * self.width**2 + 2 * tokens**2 * self.width)

    def tokens(self, image_size: int) -> int:
        return (image_size // self.patch) ** 2 + 1


SMALL = Model("deit_s", 384, 12)
WIDTHS = (Model("deit_t", 192, 12), SMALL, Model("deit_b", 768, 12), Model("vit_l", 1024, 24))
SIZES = (112, 160, 224, 384, 592, 784, 1024)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
BILLION = 1e9


@dataclass(frozen=True)
class Point:
    x: float
    macs: float
    ms: float


def bench(options: argparse.Namespace, model: Model, image_size: int = 224, batch: int = 1) -> dict[str, dict]:
    """The records of `vitq bench`, by precision, and the system's."""
    command = [options.program, "bench", "--model", model.name, "--image-size", str(image_size)]
    command += ["--precision", options.precision, "--threads", str(options.threads), "--batch", str(batch)]
    command += ["--warmup", "1", "--iters", str(options.iters), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"cost_curves: {' '.join(command)}: {done.stderr.strip()}")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return {record.get("precision", "system"): record.get("system", record) for record in records}


def exponent(first: tuple[float, float], second: tuple[float, float]) -> float:
    return math.log(second[1] / first[1]) / math.log(second[0] / first[0])


def fitted(points: list[tuple[float, float]]) -> float:
    xs, ys = zip(*((math.log(x), math.log(y)) for x, y in points), strict=True)
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)


def table(of: str, precision: str, points: list[Point]) -> None:
    print(f"\n### {of}, {precision}\n")
    print("| | ms | GMAC/s | exponent: ms | MAC |\n|---|---|---|---|---|")
    for i, point in enumerate(points):
        steps = "- | -"
        if i > 0:
            last = points[i - 1]
            time, macs = (exponent((last.x, a), (point.x, b)) for a, b in ((last.ms, point.ms), (last.macs, point.macs)))
            steps = f"{time:.2f} | {macs:.2f}"
        print(f"| {point.x:g} | {point.ms:.4g} | {point.macs / BILLION / (point.ms / 1000):.1f} | {steps} |")
    if len(points) > 1:
        time, macs = (fitted([(p.x, y) for p, y in zip(points, of_all, strict=True)])
                      for of_all in ([p.ms for p in points], [p.macs for p in points]))
        print(f"\nFitted: ms {time:.2f}, MAC {macs:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/vitq")
    parser.add_argument("--precision", default="fp32,int8")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--iters", type=int, default=5)
    parser.add_argument("--most-tokens", type=int, default=4097)
    parser.add_argument("--most-width", type=int, default=1024)
    parser.add_argument("--most-batch", type=int, default=64)
    options = parser.parse_args()
    sizes = [size for size in SIZES if SMALL.tokens(size) <= options.most_tokens]
    widths = [model for model in WIDTHS if model.width <= options.most_width]
    batches = [batch for batch in BATCHES if batch <= options.most_batch]
    curves = {
        f"tokens of {SMALL.name}": [(SMALL.tokens(s), SMALL.macs(s), {"model": SMALL, "image_size": s}) for s in sizes],
        "width, a layer of 197 tokens": [(m.width, m.macs(224) / m.depth, {"model": m}) for m in widths],
        f"pictures of {WIDTHS[0].name} in a batch": [
            (b, b * WIDTHS[0].macs(224), {"model": WIDTHS[0], "batch": b}) for b in batches
        ],
    }
    for index, (of, rows) in enumerate(curves.items()):
        points: dict[str, list[Point]] = {}
        for x, macs, how in rows:
            found = bench(options, **how)
            system = found.pop("system")
            layers = how["model"].depth if of.startswith("width") else 1
            for precision, record in found.items():
                points.setdefault(precision, []).append(Point(x, macs, record["min_ms"] / layers))
        if index == 0:
            print(f"{system['cpu']}, {system['isa']}, oneDNN {system['onednn']}, {options.threads} threads; least of "
                  f"{options.iters} passes")
        for precision, of_one in points.items():
            table(of, precision, of_one)


if __name__ == "__main__":
    main()
