"""Worker processes as the comparison sees them: started, stopped while others run, told to run, and ended."""

import contextlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LONG = 1800.0  # seconds; what takes longer is given up and reported


def say(text: str) -> None:
    print(f"peers: {text}", file=sys.stderr, flush=True)


class ContenderError(Exception):
    """What a contender could not do, in one line."""


def environment(folder: Path) -> dict[str, str]:
    """vitq's program keeps idle threads from spinning by this variable; its library leaves that to its user."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "KMP_", "GOMP_"))}
    kept.update(TORCHINDUCTOR_CACHE_DIR=str(folder.resolve() / "inductor"), TORCHINDUCTOR_COMPILE_THREADS="1")
    return kept


def environment_of(engine: str, folder: Path) -> dict[str, str]:
    return environment(folder) | ({"GOMP_SPINCOUNT": "1000"} if engine == "vitq" else {})


def last_line(text: str) -> str:
    """The line of a traceback or a message that says what went wrong."""
    # A table names no folder of the machine it was made on.
    lines = [line.strip().replace(f"{HERE.parents[1]}/", "") for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line or "error" in line]
    return (errors or lines or ["no message"])[-1][:300]


@dataclass(frozen=True)
class Finished:
    """A process that ran to its end."""

    out: str
    seconds: float
    peak_bytes: int


def run_to_end(command: list[str], env: dict[str, str], log: Path) -> Finished:
    """Raises ContenderError with what the process said last."""
    log.parent.mkdir(parents=True, exist_ok=True)
    report = log.with_suffix(".usage")
    with open(log, "w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(HERE / "launch.py"), str(report), *command],
            env=env,
            cwd=log.parent,  # what a package leaves behind stays there
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
        try:
            out, _ = process.communicate(timeout=LONG)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise ContenderError(f"not done within {LONG:.0f} s") from None
            raise
    if process.returncode != 0:
        raise ContenderError(f"{last_line(log.read_text())} (exit status {process.returncode})")
    seconds, peak_bytes = report.read_text().split()
    return Finished(out, float(seconds), int(peak_bytes))


def cpu_seconds(pid: int) -> float:
    """That a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Worker:
    """A contender's process. It is stopped (SIGSTOP) except while it is at work."""

    def __init__(self, spec: dict[str, Any], env: dict[str, str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        self.cpu_s = 0.0  # used while it was measured
        with open(log, "w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "worker.py"), json.dumps(spec)],
                env=env,
                cwd=log.parent,
                # Where a shell ends before us, the kernel hangs up a group of processes of which some are stopped.
                start_new_session=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            self.pass_s: float = self._answer()["pass_s"]
            self._signal(signal.SIGSTOP)
        except BaseException:
            self.close()
            raise

    def run(self, passes: int) -> list[float]:
        """Milliseconds of each pass."""
        before = cpu_seconds(self._process.pid)
        self._signal(signal.SIGCONT)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{passes}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ContenderError(last_line(self._log.read_text())) from None
        ms = self._answer()["ms"]
        self._signal(signal.SIGSTOP)
        self.cpu_s += cpu_seconds(self._process.pid) - before
        return ms

    def resident_bytes(self) -> int:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def close(self) -> None:
        self._process.kill()  # works on a stopped process too
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._process.wait()

    def _signal(self, number: int) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(LONG):
                raise ContenderError(f"no answer within {LONG:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            raise ContenderError(f"{last_line(self._log.read_text())} (exit status {status})")
        return json.loads(line)
