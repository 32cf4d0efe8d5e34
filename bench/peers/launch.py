"""Runs a command and writes what it took: launch.py REPORT COMMAND...

A process inherits the peak of memory of the one that started it, so that this one is small: it imports nothing else.
"""

import os
import sys
import time

start = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - start
with open(sys.argv[1], "w") as report:
    print(seconds, usage.ru_maxrss * 1024, file=report)
code = os.waitstatus_to_exitcode(status)
sys.exit(code if code >= 0 else 128 - code)
