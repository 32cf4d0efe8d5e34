"""The comparison as Markdown."""

import statistics
from collections.abc import Callable, Iterable, Sequence

from accuracy import AccuracyTable
from catalogue import CONTENDERS, KINDS, LEAST_COSINE, MODELS
from prepare import Prepared
from rounds import THROUGHPUT, Cell
from startup import StartUp

MEBIBYTE = 1 << 20
MEGABYTE = 1e6


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def spread(values: list[float], form: Callable[[float], str]) -> str:
    """Median (least to most)."""
    return f"{form(statistics.median(values))} ({form(min(values))} to {form(max(values))})"


def ms(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def factor(value: float) -> str:
    return f"{value:.2f}"


def plural(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def head(machine: dict[str, str], cells: list[Cell]) -> str:
    others = [value for cell in cells for value in cell.others()]
    rounds = [len(heat.rounds) for cell in cells for heat in cell.heats]
    lines = [f"- {key}: {value}" for key, value in machine.items()]
    if others:
        lines.append(
            f"- CPUs that others used meanwhile: median {statistics.median(others):.2f}, "
            f"most {max(others):.2f} in a round"
        )
    if rounds:
        lines.append(f"- rounds: {min(rounds)} to {max(rounds)} for each row")
    return "\n".join(lines) + "\n"


def best_peer(cell: Cell) -> str | None:
    """The fastest that is not vitq and whose answers agree."""
    peers = [entry for entry in cell.entries() if not entry.startswith("vitq-") and cell.counts(entry)]
    peers = [entry for entry in peers if cell.ratios(entry)]
    return min(peers, key=lambda entry: statistics.median(cell.ratios(entry)), default=None)


def summary_row(cell: Cell) -> list[str] | None:
    if not cell.counts(cell.baseline):
        return None
    own = [cell.model, str(cell.threads), str(cell.batch), cell.kind]
    own.append(spread(cell.times(cell.baseline), ms))
    others = f"{statistics.median(cell.others()):.2f}"
    peer = best_peer(cell)
    if peer is None:
        return [*own, "none", "-", "-", others]
    return [*own, peer, spread(cell.times(peer), ms), spread(cell.ratios(peer), factor), others]


def summary(cells: list[Cell]) -> str:
    header = ["model", "threads", "batch", "kind", "vitq ms", "best peer", "its ms", "peer : vitq", "others' CPUs"]
    rows = [row for cell in cells if (row := summary_row(cell)) is not None]
    return markdown(header, rows)


def entry_cell(cell: Cell | None, entry: str) -> str:
    if cell is None or not (cell.times(entry) or entry in cell.errors):
        return "-"
    if entry in cell.errors:
        return "failed"
    text = spread(cell.times(entry), ms)
    if entry != cell.baseline and cell.ratios(entry):
        text += f"; {factor(statistics.median(cell.ratios(entry)))}"
    return text if cell.counts(entry) else f"~~{text}~~"


def agreement_cell(cells: list[Cell], entry: str) -> str:
    found = [cell.agreements[entry] for cell in cells if entry in cell.agreements]
    if not found:
        return "-"
    text = f"{min(agreement.least_cosine for agreement in found):.5f}"
    if MODELS[cells[0].model].has_classes:
        text += f", {100 * min(agreement.same_top1 for agreement in found):.0f} %"
    agrees = all(agreement.holds(cells[0].kind) for agreement in found)
    return text if agrees else f"**disagrees**: {text}"


def model_table(model: str, kind: str, cells: list[Cell]) -> str:
    mine = [cell for cell in cells if cell.model == model and cell.kind == kind]
    entries = list(dict.fromkeys(entry for cell in mine for entry in cell.entries()))
    if not entries:
        return ""
    header = [kind, "agrees: least cosine, top-1"]
    header += [f"{plural(cell.threads, 'thread')}, batch {cell.batch}" for cell in mine]
    rows = [
        [entry, agreement_cell(mine, entry), *(entry_cell(cell, entry) for cell in mine)]
        for entry in sorted(entries, key=lambda entry: (not entry.startswith("vitq-"), entry))
    ]
    return markdown(header, rows)


def batch_notes(cells: list[Cell]) -> str:
    """Pictures a second of the largest batch, vitq beside the best peer."""
    rows = []
    for cell in cells:
        peer = best_peer(cell)
        if cell.batch == 1 or not cell.counts(cell.baseline) or peer is None:
            continue
        rates = [1e3 * cell.batch / statistics.median(cell.times(entry)) for entry in (cell.baseline, peer)]
        rows.append([cell.model, str(cell.threads), cell.kind, f"{rates[0]:.1f}", f"{rates[1]:.1f}", peer])
    if not rows:
        return ""
    header = ["model", "threads", "kind", "vitq, pictures/s", "best peer, pictures/s", "which"]
    return "### Throughput\n\n" + markdown(header, rows)


def startup_table(found: dict[str, dict[str, StartUp]]) -> str:
    rows = []
    for model, entries in found.items():
        for name, entry in entries.items():
            if entry.error:
                rows.append([model, name, "failed", "-"])
            elif entry.seconds:
                memory = f"{statistics.median(entry.peak_bytes) / MEBIBYTE:.0f}"
                rows.append([model, name, spread(entry.seconds, factor), memory])
    if not rows:
        return ""
    return "### Start-up and memory\n\n" + markdown(["model", "contender", "seconds", "peak MiB"], rows)


def install_table(sizes: dict[str, int]) -> str:
    rows = [[name, f"{size / MEGABYTE:.0f}"] for name, size in sizes.items()]
    return "### Installed size\n\n" + markdown(["what", "MB (10^6 bytes)"], rows)


def accuracy_table(table: AccuracyTable) -> str:
    rows = []
    for name, accuracy in table.rows.items():
        prepared = table.prepared[name]
        if accuracy.error:
            rows.append([name, CONTENDERS[name].recipe, "failed", "-", "-", "-", "-"])
            continue
        made = ["-", "-"]
        if CONTENDERS[name].kind == "int8" and name != "torch-dynamic":
            made = [f"{prepared.seconds:.1f} ({prepared.process_seconds:.1f})", f"{prepared.peak_bytes / MEBIBYTE:.0f}"]
        figures = [f"{100 * accuracy.top1:.2f}", f"{100 * accuracy.agreement:.2f}", f"{accuracy.kl:.5f}"]
        rows.append([name, CONTENDERS[name].recipe, *figures, *made])
    header = ["contender", "recipe", "top-1 %", "agreement %", "KL", "calibration s (whole process)", "peak MiB"]
    return f"### Accuracy: DeiT-T, {table.pictures} labelled pictures\n\n" + markdown(header, rows)


def failures(cells: list[Cell], prepared: dict[str, dict[str, Prepared]], more: Iterable[tuple[str, str]]) -> str:
    """Every error once, and the notes of the recipes."""
    lines: dict[str, None] = {}
    for model, entries in prepared.items():
        for name, made in entries.items():
            if made.error:
                lines[f"- {model}, {name}, made: {made.error}"] = None
            for note in made.notes:
                lines[f"- {model}, {name}: {note}"] = None
    for cell in cells:
        where = f"{plural(cell.threads, 'thread')}, batch {cell.batch}"
        for entry, error in cell.errors.items():
            if entry in prepared[cell.model] and prepared[cell.model][entry].error:
                continue  # said above
            lines[f"- {cell.model}, {entry}, {where}: {error}"] = None
    for what, error in more:
        lines[f"- {what}: {error}"] = None
    return "### What failed, and notes\n\n" + "\n".join(lines) + "\n" if lines else ""


def explanation() -> str:
    least = ", ".join(f"{LEAST_COSINE[kind]} for {kind}" for kind in KINDS)
    return (
        "ms of a pass: median over the rounds of each round's median (least to most round); behind a semicolon the "
        "median of the rounds' ratios to vitq's time of the same kind. More than 1: vitq is faster. Struck out: the "
        f"answers do not agree with PyTorch's float32 (least cosine of a picture: {least}); such times are in no "
        f'comparison. "{THROUGHPUT.strip()}": OpenVINO\'s THROUGHPUT hint with single pictures in flight, ms of '
        "as many as the batch has.\n"
    )
