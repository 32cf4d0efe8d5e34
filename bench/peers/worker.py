"""One contender in a process of its own. It opens its model, answers the pictures it is given, and then waits to be
told how many passes to time:

    worker.py '{"model": ..., "folder": ..., "contender": ..., "library": ..., "threads": 1, "batch": 1,
                "throughput": false, "pictures": FILE.npy, "answers": FILE.npy, "limit": N}'

Lines of standard output are JSON: {"pass_s": ...} when ready, then {"ms": [...]} for each number read from standard
input. limit: only so many of the pictures are answered. The process ends where its input does, or with "once": true
behind the answers.
"""

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from catalogue import CONTENDERS, MODELS
from engines import Engine, Setting, open_engine
from work import Work

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
THROUGHPUT_BATCHES = 4  # in flight at once for a throughput hint, so that starting and draining weigh little


def end_with_parent() -> None:
    """However the comparison ends: this process may be stopped then, and would stay so."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))


def protocol_stream() -> TextIO:
    """Standard output for this file alone: packages that print are sent to standard error."""
    stream = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return stream


def batches(pictures: np.ndarray, batch: int) -> list[np.ndarray]:
    """All pictures; the last batch is filled up from the front."""
    rows = -(-len(pictures) // batch) * batch
    order = [index % len(pictures) for index in range(rows)]
    return [np.ascontiguousarray(pictures[order[at : at + batch]]) for at in range(0, rows, batch)]


def milliseconds(engine: Engine, pictures: np.ndarray) -> float:
    start = time.perf_counter()
    engine(pictures)
    return 1e3 * (time.perf_counter() - start)


def main() -> None:
    end_with_parent()
    stream = protocol_stream()
    spec: dict[str, Any] = json.loads(sys.argv[1])
    work, contender = Work(Path(spec["folder"]), MODELS[spec["model"]]), CONTENDERS[spec["contender"]]
    setting = Setting(spec["threads"], spec["batch"], spec["throughput"])
    engine = open_engine(work, contender, setting, Path(spec["library"]))
    pictures = np.load(spec["pictures"], mmap_mode="r")[: spec["limit"] or None]
    asked = batches(pictures, setting.batch)
    answers = np.concatenate([engine(batch) for batch in asked])[: len(pictures)]
    np.save(spec["answers"], np.asarray(answers, dtype=np.float32))
    if spec.get("once"):
        return
    repeats = THROUGHPUT_BATCHES if setting.throughput else 1
    timed = np.concatenate([asked[0]] * repeats)
    milliseconds(engine, timed)
    print(json.dumps({"pass_s": milliseconds(engine, timed) / 1e3}), file=stream)
    for line in sys.stdin:
        milliseconds(engine, timed)  # what the others left in the caches is gone after it
        print(json.dumps({"ms": [milliseconds(engine, timed) / repeats for _ in range(int(line))]}), file=stream)


if __name__ == "__main__":
    main()
