"""Damaged and hostile files of every kind end with the package's own errors, quickly.

`make test` tries the first hundredth of each kind, the same every time. `make check-hard` tries all of them, and goes
on where it stopped. What is found becomes a small case beside the tests of its kind.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.fuzz import Kind, kinds, mutated

from cellcls.errors import CellclsError, ExitCode
from cellcls.ops.text import visible

NAMES = (
    "recipe", "image", "npz", "weights", "decisions", "table",
    "run's recipe.toml", "run's metrics.json", "run's data.json", "run's history.jsonl", "run's environment.json",
)  # fmt: skip
CLEAN = {ExitCode.USAGE, ExitCode.DATA, ExitCode.NO_INPUT, ExitCode.UNAVAILABLE, ExitCode.RECIPE}
HARD = "CELLCLS_FUZZ" in os.environ
PLACE = Path(os.environ.get("CELLCLS_FUZZ", "unused"))
"""Where a whole round keeps how far it is, and what it found."""


@pytest.fixture(scope="module")
def every_kind(shared_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Kind]:
    return kinds(shared_run, tmp_path_factory.mktemp("fuzz"))


def test_every_kind_is_tried(every_kind: Mapping[str, Kind]) -> None:
    assert tuple(every_kind) == NAMES
    assert sum(kind.count for kind in every_kind.values()) == 47_000


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_file_is_refused_or_read(
    every_kind: Mapping[str, Kind], name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kind = every_kind[name]
    caplog.set_level(logging.CRITICAL)
    for suffix, whole in kind.examples:
        path = tmp_path / f"whole{suffix}"
        path.write_bytes(whole)
        kind.open(path)  # the example itself is read
    done = PLACE / f"{name}.done"
    first = int(done.read_text()) if HARD and done.exists() else 0
    refused = 0
    for number in range(first, kind.count if HARD else kind.count // 100):
        chance = random.Random(number)
        suffix, whole = chance.choice(kind.examples)
        path = tmp_path / f"case{suffix}"
        path.write_bytes(mutated(whole, chance))
        refused += _is_refused(kind, path, name, number)
        if HARD:
            done.write_text(str(number + 1))
    assert refused or first


def _is_refused(kind: Kind, path: Path, name: str, number: int) -> bool:
    started = time.process_time()
    problem, refused = "", False
    try:
        kind.open(path)
    except CellclsError as error:
        refused = True
        if error.exit_code not in CLEAN or len(visible(str(error))) > 20_000:
            problem = f"exit code {error.exit_code}, {len(str(error))} letters"
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    if time.process_time() - started > 2:
        problem = "more than 2 s"
    if problem and HARD:
        (PLACE / f"{name} {number}{path.suffix}").write_bytes(path.read_bytes())
    assert not problem, f"{name} {number}: {problem}"
    return refused
