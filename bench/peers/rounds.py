"""Times contenders in turns: all are started, warmed up and stopped; in each round each runs alone for some passes, in
an order that moves on from round to round."""

import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from catalogue import BASELINES, Contender
from engines import Setting
from load import LoadMeter
from prepare import Agreement, compare, spec_of
from processes import ContenderError, Worker, environment_of
from work import Work

LEAST_ROUNDS = 3
MOST_PASSES = 50
THROUGHPUT = " streams"  # behind the name of a contender that runs with a throughput hint


@dataclass(frozen=True)
class Limits:
    rounds: int
    turn_s: float  # of passes in each contender's turn, where that is more than one pass
    memory_bytes: int  # of all processes that wait at the same time
    check_count: int


@dataclass
class Round:
    """Medians and all passes, in ms, by the name of the entry."""

    ms: dict[str, float]
    passes: dict[str, list[float]]
    others: float  # CPUs that other processes used


@dataclass
class Heat:
    """Rounds of entries whose processes fitted into memory together. The baseline is in each."""

    entries: list[str]
    rounds: list[Round] = field(default_factory=list)


@dataclass
class Cell:
    """One model, kind, number of threads and batch."""

    model: str
    kind: str
    threads: int
    batch: int
    heats: list[Heat] = field(default_factory=list)
    agreements: dict[str, Agreement] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def baseline(self) -> str:
        return BASELINES[self.kind]

    def times(self, entry: str) -> list[float]:
        return [turn.ms[entry] for heat in self.heats if entry in heat.entries for turn in heat.rounds]

    def ratios(self, entry: str) -> list[float]:
        """This entry's time divided by the baseline's, round by round."""
        return [
            turn.ms[entry] / turn.ms[self.baseline]
            for heat in self.heats
            if entry in heat.entries and self.baseline in heat.entries
            for turn in heat.rounds
        ]

    def counts(self, entry: str) -> bool:
        """Whether it ran and answered right."""
        return bool(self.times(entry)) and entry in self.agreements and self.agreements[entry].holds(self.kind)

    def entries(self) -> list[str]:
        seen = dict.fromkeys(entry for heat in self.heats for entry in heat.entries)
        return list(seen | dict.fromkeys(self.errors))

    def others(self) -> list[float]:
        return [turn.others for heat in self.heats for turn in heat.rounds]


class Measurement:
    """Fills a cell."""

    def __init__(self, work: Work, cell: Cell, limits: Limits, library: Path, reference: np.ndarray) -> None:
        self._work = work
        self._cell = cell
        self._limits = limits
        self._library = library
        self._reference = reference

    def run(self, contenders: list[Contender], deadline: float) -> None:
        """The baseline comes first in `contenders`, if it is among them."""
        waiting = self._entries(contenders)
        baseline = waiting[0] if waiting and waiting[0][0] == self._cell.baseline else None
        while waiting:
            with ExitStack() as stack:
                workers: dict[str, Worker] = {}
                if baseline is not None and waiting[0] is not baseline:
                    self._start(*baseline, workers, stack)
                while waiting and self._start(*waiting[0], workers, stack):
                    waiting.pop(0)
                # The share of later heats is what is left after this one.
                share = len(workers) / max(1, len(workers) + len(waiting))
                self._rounds(workers, time.monotonic() + share * max(0.0, deadline - time.monotonic()))

    def _entries(self, contenders: list[Contender]) -> list[tuple[str, Contender, Setting]]:
        setting = Setting(self._cell.threads, self._cell.batch)
        entries = [(contender.name, contender, setting) for contender in contenders]
        if self._cell.batch > 1:
            streams = Setting(self._cell.threads, self._cell.batch, throughput=True)
            entries += [
                (contender.name + THROUGHPUT, contender, streams)
                for contender in contenders
                if contender.engine == "openvino"
            ]
        return entries

    def _start(
        self, entry: str, contender: Contender, setting: Setting, workers: dict[str, Worker], stack: ExitStack
    ) -> bool:
        """False: it has to wait for the next heat, for memory. What cannot run is noted, and done with."""
        with tempfile.TemporaryDirectory() as folder:
            answers = Path(folder) / "answers.npy"
            count = self._limits.check_count
            spec = spec_of(self._work, contender, setting, self._library, answers, count)
            log = self._work.folder(contender) / "worker.log"
            try:
                worker = Worker(spec, environment_of(contender.engine, self._work.root), log)
            except ContenderError as error:
                self._cell.errors[entry] = str(error)
                return True
            agreement = compare(np.load(answers), self._reference[:count])
        taken = worker.resident_bytes() + sum(other.resident_bytes() for other in workers.values())
        is_alone = all(other == self._cell.baseline for other in workers)
        if taken > self._limits.memory_bytes and not is_alone:
            worker.close()
            return False
        stack.callback(worker.close)
        workers[entry] = worker
        self._cell.agreements[entry] = agreement
        return True

    def _rounds(self, workers: dict[str, Worker], deadline: float) -> None:
        heat = Heat(list(workers))
        self._cell.heats.append(heat)
        for number in range(self._limits.rounds if workers else 0):
            if number >= LEAST_ROUNDS and time.monotonic() > deadline:
                break
            start = number % len(heat.entries)
            order = heat.entries[start:] + heat.entries[:start]
            try:
                heat.rounds.append(self._round(order, workers))
            except ContenderError as error:
                # Which one failed is in the message; without it the rounds would not be comparable.
                failed, _, text = str(error).partition("\n")
                self._cell.errors[failed] = text
                heat.entries.remove(failed)
                for turn in heat.rounds:
                    turn.ms.pop(failed, None)
                if not heat.entries:
                    break

    def _round(self, order: list[str], workers: dict[str, Worker]) -> Round:
        passes: dict[str, list[float]] = {}
        before = sum(worker.cpu_s for worker in workers.values())
        meter = LoadMeter()
        for entry in order:
            count = max(1, min(MOST_PASSES, round(self._limits.turn_s / workers[entry].pass_s)))
            try:
                passes[entry] = workers[entry].run(count)
            except ContenderError as error:
                raise ContenderError(f"{entry}\n{error}") from None
        own = sum(worker.cpu_s for worker in workers.values()) - before
        medians = {entry: statistics.median(values) for entry, values in passes.items()}
        return Round(medians, passes, meter.others(own))


def as_record(cell: Cell) -> dict[str, object]:
    """For the file of raw figures."""
    return asdict(cell)
