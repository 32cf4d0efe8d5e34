"""From nothing to the first answer: whole processes, in turns, and the most memory they had."""

import json
import statistics
import sys
from dataclasses import dataclass, field
from pathlib import Path

from catalogue import Contender
from engines import Setting
from prepare import spec_of
from processes import HERE, ContenderError, environment_of, run_to_end
from work import Work


@dataclass
class StartUp:
    seconds: list[float] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    error: str = ""

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)


def command_of(work: Work, contender: Contender, program: str, library: Path, threads: int) -> list[str]:
    """vitq as people start it, with a PNG file of the model's size; the others in Python, with the floats of it."""
    if contender.is_ours and work.model.has_classes:
        picture = sorted(work.check_pictures.iterdir())[0]
        command = [
            program,
            "run",
            "--image",
            str(picture),
            "--model",
            str(work.artifact(contender)),
            "--resize",
            "none",
        ]
        command += ["--threads", str(threads), "--quiet"]
        return command + (["--precision", "bf16"] if contender.kind == "bf16" else [])
    answers = work.folder(contender) / "first.npy"
    spec = spec_of(work, contender, Setting(threads, 1), library, answers, limit=1)
    return [sys.executable, str(HERE / "worker.py"), json.dumps(spec | {"once": True})]


def measure(
    work: Work, contenders: list[Contender], program: str, library: Path, threads: int, rounds: int
) -> dict[str, StartUp]:
    found = {contender.name: StartUp() for contender in contenders}
    # The first round brings files into the page cache and does not count.
    for number in range(rounds + 1):
        for contender in contenders:
            entry = found[contender.name]
            if entry.error:
                continue
            command = command_of(work, contender, program, library, threads)
            log = work.folder(contender) / "startup.log"
            try:
                done = run_to_end(command, environment_of(contender.engine, work.root), log)
            except ContenderError as error:
                entry.error = str(error)
                continue
            if number > 0:
                entry.seconds.append(done.seconds)
                entry.peak_bytes.append(done.peak_bytes)
    return found
