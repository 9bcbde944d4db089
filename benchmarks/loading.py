"""Anonymous memory and time of opening, hashing, cleaning and splitting an npz file.

    python benchmarks/loading.py [training_set.npz]

Without a file, the challenge's is made from the real cells in $CELLCLS_TEST_DATA (380 MB, 10 s). Anonymous memory is
RssAnon of /proc/self/status (Linux), sampled every 2 ms, above what the imports take; the limit is 150 MB. Ends with 1
when it is passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

# Imported here, as a run has them all: memory is counted above the imports.
from cellcls.api import Input
from cellcls.builtin.cleaners import DropDuplicates, DropOutliers, rules  # noqa: F401
from cellcls.builtin.datasets import Npz, npz  # noqa: F401
from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.split import split
from cellcls.ops.storage.hashing import content_hashes, data_hash

LIMIT_MB = 150


def anonymous_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


class Peak:
    """The highest anonymous memory since it was started."""

    def __init__(self) -> None:
        self.start = self.highest = anonymous_mb()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        while not self._stop.wait(0.002):
            self.highest = max(self.highest, anonymous_mb())

    def above(self) -> float:
        """Stop and return it, in MB above the start."""
        self._stop.set()
        self._thread.join()
        return max(self.highest, anonymous_mb()) - self.start


@contextmanager
def timed(name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    print(f"{name:10} {time.perf_counter() - start:6.2f} s   {anonymous_mb():6.0f} MB anonymous")


@contextmanager
def challenge_file() -> Iterator[Path]:
    if len(sys.argv) > 1:
        yield Path(sys.argv[1])
        return
    data = Path(os.environ["CELLCLS_TEST_DATA"]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training_set.npz"
        maker = data.parent / "tools" / "make_challenge_npz.py"
        subprocess.run([sys.executable, maker, path, "--pack", data / "pbc96_train.zip"], check=True)
        yield path


def measure(path: Path, cache: Path) -> float:
    peak = Peak()
    start = time.perf_counter()
    with timed("open"):
        source = Npz(file=path).build(path=path, input=Input(size=96), cache=cache)
    with timed("hash"):
        hashes = content_hashes(source.read, len(source))
        data_hash(hashes, source.labels, source.class_names)
    with timed("clean"):
        groups = group_by_hash(hashes)
        kept = np.ones(len(source), dtype=bool)
        for cleaner in (DropOutliers(), DropDuplicates()):
            decisions = cleaner.build(source=source, groups=groups, kept=kept.copy())
            kept[[decision.index for decision in decisions]] = False
    with timed("split"):
        parts = split(groups, source.labels, kept, source.class_names, val=0.1, test=0.1, seed=42)
    counts = ", ".join(f"{part} {len(indices):,}" for part, indices in parts.items())
    print(f"{'together':10} {time.perf_counter() - start:6.2f} s   {len(source):,} images: {counts}")
    return peak.above()


def main() -> int:
    with challenge_file() as path, tempfile.TemporaryDirectory() as cache:
        above = measure(path, Path(cache))
    print(f"anonymous memory above the imports: {above:.0f} MB at most, limit {LIMIT_MB} MB")
    return int(above > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
