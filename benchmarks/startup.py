"""How long a command takes to start, as a whole process, once what is known of plugins is cached.

    python benchmarks/startup.py [REPEATS]

Prints the median, quickest and slowest of 20 calls of each command beside its limit, with every installed plugin, and
fails where torch gets imported. Ends with 1 when a median passes its limit. On a machine that does other things the
time on the processor, printed too, says more.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

COMMANDS = {"--help": 0.3, "list-plugins": 0.4}
"""Seconds each may take."""
_CHECK = (
    "import sys; from cellcls.cli import main\n"
    "try: main(sys.argv[1:])\n"
    "finally: sys.exit('torch was imported') if 'torch' in sys.modules else None"
)


def seconds(command: str) -> tuple[float, float]:
    """Return the time of one process, and its time on the processor."""
    started, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-m", "cellcls", command], check=True, stdout=subprocess.DEVNULL)
    taken, after = time.perf_counter() - started, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return taken, used


def main(repeats: int) -> int:
    """Measure and print; return the exit code."""
    failed = False
    for command, limit in COMMANDS.items():
        warm = [sys.executable, "-c", _CHECK, command]  # fills the cache too
        if subprocess.run(warm, stdout=subprocess.DEVNULL).returncode:
            return 1
        taken, used = zip(*(seconds(command) for _ in range(repeats)), strict=True)
        median = statistics.median(taken)
        failed |= median > limit
        print(
            f"cellcls {command:<13} median {median:.2f} s of {repeats}, {min(taken):.2f} to {max(taken):.2f} s, "
            f"limit {limit} s; on the processor {statistics.median(used):.2f} s"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
