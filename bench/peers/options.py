"""The command line of the comparison."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from catalogue import CONTENDERS, KINDS, MODELS
from rounds import LEAST_ROUNDS

REPOSITORY = Path(__file__).resolve().parents[2]
DESCRIPTION = """Compares vitq with its peers: one command, one table. docs/peers.md says what is compared, and how."""


class UsageError(Exception):
    """A command line or a folder that cannot be used, in one line."""


def words(known: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        found = [word for word in text.split(",") if word]
        unknown = [word for word in found if word not in known]
        if unknown or not found:
            raise argparse.ArgumentTypeError(f"found '{text}', expected some of {', '.join(known)}")
        return list(dict.fromkeys(found))

    return read


def whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"found '{text}', expected a whole number from {least} to {most}")
        return int(text)

    return read


def wholes(least: int, most: int) -> Callable[[str], list[int]]:
    return lambda text: sorted({whole(least, most)(word) for word in text.split(",")})


def positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"found '{text}', expected a number above 0")
    return value


class Parser(argparse.ArgumentParser):
    """Whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"peers: {message}\n")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="./setup.sh peers", description=DESCRIPTION, allow_abbrev=False)
    add = parser.add_argument
    add("--models", metavar="LIST", type=words(list(MODELS)), default=list(MODELS), help="some of " + ", ".join(MODELS))
    add(
        "--contenders",
        metavar="LIST",
        type=words(list(CONTENDERS)),
        default=[name for name in CONTENDERS if CONTENDERS[name].is_usual],
        help="some of " + ", ".join(CONTENDERS),
    )
    add(
        "--without",
        metavar="LIST",
        type=words(list(CONTENDERS)),
        default=[],
        help="contenders to leave out, such as torch-compiled, which compiles for minutes",
    )
    add("--kinds", metavar="LIST", type=words(KINDS), default=list(KINDS), help="some of " + ", ".join(KINDS))
    add("--threads", metavar="LIST", type=wholes(1, 1024), default=[1, 2], help="default 1,2")
    add("--batches", metavar="LIST", type=wholes(1, 256), default=[1, 8], help="default 1,8")
    add("--rounds", metavar="N", type=whole(1, 1000), default=7, help="most rounds of each row; default 7")
    add(
        "--turn",
        type=positive,
        default=0.3,
        metavar="S",
        help="seconds of passes in each turn, at least one pass; default 0.3",
    )
    add(
        "--budget",
        type=positive,
        metavar="MINUTES",
        help=f"for all rounds together: fewer rounds, but at least {LEAST_ROUNDS}; preparing is not counted",
    )
    add(
        "--memory",
        type=positive,
        default=8.0,
        metavar="GB",
        help="of all processes that wait together; more contenders take turns in several heats; default 8",
    )
    add(
        "--startup-rounds",
        metavar="N",
        type=whole(0, 100),
        default=3,
        help="processes started of each contender; default 3",
    )
    add(
        "--accuracy-from",
        type=Path,
        metavar="DIR",
        help="deit_t.safetensors and imagenet_val (eval, calib, labels.csv); default: assets of $VITQ_SHARED",
    )
    add(
        "--accuracy-resize",
        action="store_true",
        help="resize the labelled pictures as usual; else they are only cropped",
    )
    add("--accuracy-limit", type=whole(0, 1000000), default=0, metavar="N", help="only the first N labelled pictures")
    add("--no-accuracy", action="store_true", help="leave the accuracy out")
    add("--work", type=Path, default=REPOSITORY / "build" / "peers", help="where everything lies; default build/peers")
    add(
        "--out",
        type=Path,
        metavar="FILE.md",
        help="the table; FILE.json beside it has all rounds; default: WORK/table.md",
    )
    add("--program", type=Path, default=REPOSITORY / "build" / "release" / "vitq", help="default build/release/vitq")
    options = parser.parse_args(arguments)
    options.work, options.program = options.work.resolve(), options.program.resolve()
    options.out = options.out or options.work / "table.md"
    return options
