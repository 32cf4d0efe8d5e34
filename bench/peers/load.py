"""How busy others kept the machine."""

import os
import time
from pathlib import Path


def busy_seconds() -> float:
    """Of all CPUs together since the start, with what a hypervisor gave to others ("steal")."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class LoadMeter:
    """From its making to the question."""

    def __init__(self) -> None:
        self._busy = busy_seconds()
        self._own = self._self_seconds()
        self._start = time.monotonic()

    def others(self, workers_s: float) -> float:
        """CPUs that others used; workers_s: seconds of our own processes meanwhile."""
        elapsed = time.monotonic() - self._start
        own = workers_s + self._self_seconds() - self._own
        return max(0.0, (busy_seconds() - self._busy - own) / elapsed) if elapsed > 0 else 0.0

    @staticmethod
    def _self_seconds() -> float:
        times = os.times()
        return times.user + times.system
