"""How long commands take to start, as ratios to what they cannot do without.

    python benchmarks/startup.py [REPEATS]

Each command and its yardstick run in turn, as whole processes, 20 times (a warm-up first); the ratio is that of the
medians. Ends with 1 where a ratio misses its goal. A machine that does other things makes the figures vary.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RECIPE = Path(__file__).parents[1] / "recipes" / "quickstart.toml"
LIGHT, TORCH = "import click, attrs, pluggy", "import torch"
GOALS = {("--help",): (LIGHT, 2.0), ("list-plugins",): (LIGHT, 2.5), ("check", str(RECIPE)): (TORCH, 1.4)}
"""The yardstick of each command, and how many times as long it may take."""


def seconds(*arguments: str) -> float:
    """Return the time of one Python process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main(repeats: int) -> int:
    """Measure and print; return the exit code."""
    missed = False
    for command, (yardstick, goal) in GOALS.items():
        processes = (("-c", "from cellcls.cli import main; main()", *command), ("-c", yardstick))
        times = [[seconds(*process) for process in processes] for _ in range(repeats + 1)][1:]
        taken, least = (statistics.median(column) for column in zip(*times, strict=True))
        missed |= taken / least > goal
        name = " ".join([command[0], *(Path(path).name for path in command[1:])])
        print(
            f"cellcls {name}: {taken:.3f} s, {taken / least:.2f} times `{yardstick}` ({least:.3f} s); goal {goal}"
            f"{' MISSED' if taken / least > goal else ''}; medians of {repeats}"
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
