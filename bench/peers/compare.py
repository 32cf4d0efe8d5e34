#!/usr/bin/env python3
"""Compares vitq with its peers: one command, one table. `./setup.sh peers` makes what it needs and calls it;
docs/peers.md says what is compared, and how."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import accuracy
import machine
import prepare
import rounds
import startup
import table
from catalogue import BASELINES, CONTENDERS, KINDS, MODELS, Contender
from options import REPOSITORY, UsageError, parse
from processes import ContenderError, say
from work import Work

INSTALLED = {
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
    "torch and timm": ("torch", "timm"),
    "nncf and openvino (to quantize)": ("nncf", "openvino"),
}
NOT_STARTED = ("torch-compiled", "torch-bf16")  # compiling takes minutes: start-up says nothing of them
GIBIBYTE = 1 << 30


@dataclass
class Results:
    machine: dict[str, str]
    cells: list[rounds.Cell] = field(default_factory=list)
    prepared: dict[str, dict[str, prepare.Prepared]] = field(default_factory=dict)
    starts: dict[str, dict[str, startup.StartUp]] = field(default_factory=dict)
    scores: accuracy.AccuracyTable | None = None
    sizes: dict[str, int] = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)


def chosen(options: argparse.Namespace) -> list[Contender]:
    """Those asked for that this CPU can run; vitq's come first."""
    flags = machine.cpu_flags()
    found = [CONTENDERS[name] for name in CONTENDERS if name in options.contenders and name not in options.without]
    found = [entry for entry in found if entry.kind in options.kinds and (not entry.needs or entry.needs in flags)]
    return sorted(found, key=lambda entry: not entry.is_ours)


def check_files(options: argparse.Namespace) -> None:
    library = library_of(options)
    for path in (options.program, library):
        if not path.is_file():
            raise UsageError(f"{path}: is missing, expected what `./setup.sh peers` builds")
    if options.out.suffix != ".md":
        raise UsageError(f"--out: found '{options.out}', expected a name that ends in .md")


def library_of(options: argparse.Namespace) -> Path:
    return options.program.parent / "libvitq.so"


def check_versions(options: argparse.Namespace, facts: dict[str, str]) -> None:
    """What other versions made, or was made for another CPU, must not be measured as these."""
    options.work.mkdir(parents=True, exist_ok=True)
    record = options.work / "versions.json"
    now = {name: facts[name] for name in (*machine.PACKAGES, "flags")}
    if record.exists() and json.loads(record.read_text()) != now:
        raise UsageError(f"{options.work}: was made with other versions or on another CPU; remove it or name another")
    record.write_text(json.dumps(now))


def prepare_all(
    options: argparse.Namespace, work: Work, contenders: list[Contender], results: Results
) -> list[Contender]:
    """Makes every contender's model; those that could be made."""
    threads = max(options.threads)
    made = results.prepared.setdefault(work.model.name, {})
    for contender in contenders:
        say(f"{work.model.name}: preparing {contender.name}")
        if contender.is_ours:  # vitq may have been built anew since
            (work.folder(contender) / "prepared.json").unlink(missing_ok=True)
        made[contender.name] = prepare.contender_model(work, contender, str(options.program), threads)
        if made[contender.name].error:
            say(f"{work.model.name}: {contender.name} failed: {made[contender.name].error}")
    return [contender for contender in contenders if not made[contender.name].error]


def measure_model(
    options: argparse.Namespace, name: str, contenders: list[Contender], results: Results, share_s: float | None
) -> None:
    """share_s: of the budget, for this model."""
    work, library = Work(options.work / name, MODELS[name]), library_of(options)
    prepare.seeded_weights(work, str(options.program))
    prepare.seeded_pictures(work)
    say(f"{name}: exporting, and PyTorch's answers")
    prepare.export(work)
    reference = prepare.reference(work, max(options.threads), library)
    ready = prepare_all(options, work, contenders, results)
    made = results.prepared[name]
    count = len(reference)
    limits = rounds.Limits(options.rounds, options.turn, int(options.memory * GIBIBYTE), count)
    plan = [
        (kind, threads, batch) for kind in options.kinds for threads in options.threads for batch in options.batches
    ]
    spent = 0.0
    for index, (kind, threads, batch) in enumerate(plan):
        entries = [contender for contender in ready if contender.kind == kind]
        if not entries:
            continue
        say(f"{name}: {kind}, {table.plural(threads, 'thread')}, batch {batch}")
        cell = rounds.Cell(name, kind, threads, batch)
        cell.errors.update(
            {
                entry.name: made[entry.name].error
                for entry in contenders
                if entry.kind == kind and made[entry.name].error
            }
        )
        results.cells.append(cell)
        start = time.monotonic()
        allowed = float("inf") if share_s is None else max(0.0, share_s - spent) / (len(plan) - index)
        rounds.Measurement(work, cell, limits, library, reference).run(entries, start + allowed)
        spent += time.monotonic() - start if share_s is not None else 0.0
        write(options, results)
    if options.startup_rounds:
        say(f"{name}: start-up")
        started = [contender for contender in ready if contender.name not in NOT_STARTED]
        results.starts[name] = startup.measure(
            work, started, str(options.program), library, max(options.threads), options.startup_rounds
        )
        write(options, results)


def measure_accuracy(options: argparse.Namespace, contenders: list[Contender], results: Results) -> None:
    shared = Path(os.environ.get("VITQ_SHARED", REPOSITORY.parent / "shared"))
    labelled = accuracy.Labelled(options.accuracy_from or shared / "assets", options.accuracy_resize)
    missing = labelled.missing()
    if missing is not None:
        if options.accuracy_from:
            raise UsageError(f"{missing}: is missing, expected by --accuracy-from")
        results.notes.append(("accuracy", "left out, as no labelled pictures are here (--accuracy-from)"))
        return
    say("accuracy")
    folder = options.work / "accuracy"
    for contender in contenders:
        if contender.is_ours:
            (Work(folder, MODELS["deit_t"]).folder(contender) / "prepared.json").unlink(missing_ok=True)
    results.scores = accuracy.measure(
        folder,
        labelled,
        contenders,
        str(options.program),
        library_of(options),
        max(options.threads),
        options.accuracy_limit,
    )
    results.notes += [(f"accuracy, {name}", row.error) for name, row in results.scores.rows.items() if row.error]


def write_whole(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.rename(path)


def write(options: argparse.Namespace, results: Results) -> None:
    """The table and the raw figures so far."""
    options.out.parent.mkdir(parents=True, exist_ok=True)
    parts = [f"## {results.machine['CPU']}\n", table.head(results.machine, results.cells)]
    if results.cells:
        parts += ["### vitq and the best peer\n", table.summary(results.cells), table.explanation()]
        parts.append(table.batch_notes(results.cells))
    for name in dict.fromkeys(cell.model for cell in results.cells):
        parts.append(f"### {name}\n")
        parts += [table.model_table(name, kind, results.cells) for kind in KINDS]
    parts += [table.startup_table(results.starts), table.install_table(results.sizes)]
    if results.scores is not None:
        parts.append(table.accuracy_table(results.scores))
    parts.append(table.failures(results.cells, results.prepared, results.notes))
    write_whole(options.out, "\n".join(part for part in parts if part))
    write_whole(options.out.with_suffix(".json"), json.dumps(asdict(results), indent=1))


def installed_sizes(options: argparse.Namespace) -> dict[str, int]:
    sizes = {"vitq: program and its libraries": machine.program_bytes(str(options.program))}
    for name, packages in INSTALLED.items():
        seen: set[str] = set()
        sizes[name + " with what they need" if " " in name else name + " with what it needs"] = sum(
            machine.package_bytes(package, seen) for package in packages
        )
    return sizes


def compare(options: argparse.Namespace) -> None:
    check_files(options)
    facts = machine.describe(str(options.program))
    check_versions(options, facts)
    contenders = chosen(options)
    if not contenders:
        raise UsageError("--contenders, --kinds: none is left that this CPU can run")
    results = Results(facts, sizes=installed_sizes(options))
    for kind in {contender.kind for contender in contenders} - {
        c.kind for c in contenders if c.name == BASELINES[c.kind]
    }:
        results.notes.append((kind, f"no ratios, as {BASELINES[kind]} is not among the contenders"))
    if not options.no_accuracy:
        measure_accuracy(options, contenders, results)
    left_s = None if options.budget is None else 60 * options.budget
    for index, name in enumerate(options.models):
        start = time.monotonic()
        before = len(results.cells)
        share = None if left_s is None else left_s / (len(options.models) - index)
        try:
            measure_model(options, name, contenders, results, share)
        except (ContenderError, subprocess.CalledProcessError) as error:
            results.notes.append((name, str(error)))
        if left_s is not None and len(results.cells) > before:
            left_s = max(0.0, left_s - min(share or 0.0, time.monotonic() - start))
    write(options, results)
    print(options.out.read_text())


def stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    signal.signal(signal.SIGTERM, stop)  # so that no process is left behind, stopped for good
    try:
        compare(parse(sys.argv[1:]))
    except (UsageError, OSError, RuntimeError, ContenderError) as error:
        sys.exit(f"peers: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"peers: {error.cmd[0]} {error.cmd[1]} failed with exit status {error.returncode}")
    except KeyboardInterrupt:
        sys.exit("peers: interrupted; what was measured so far is in the table")


if __name__ == "__main__":
    main()
