"""Every wrong recipe of ``errors/`` beside the exact message it gives; ``REGENERATE=1`` writes the messages anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cellcls.errors import CellclsError
from cellcls.recipe import load
from cellcls.registry import Registry

ERRORS = Path(__file__).parent / "errors"
CASES = sorted(path.stem for path in ERRORS.glob("*.toml"))
COUNT = 103


def told(case: str, registry: Registry) -> str:
    """Return exit code and message of a wrong recipe; its first comments are options of the command line."""
    path = Path(f"{case}.toml")
    lines = path.read_text(errors="replace").splitlines()
    overrides = [line.removeprefix("# --set ") for line in lines if line.startswith("# --set ")]
    with pytest.raises(CellclsError) as caught:
        load(path, registry, overrides=overrides)
    return f"exit code {int(caught.value.exit_code)}\n{caught.value}\n"


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_recipe_is_told(case: str, builtins: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ERRORS)  # the message names the file as it was given
    expected = Path(f"{case}.txt")
    message = told(case, builtins)
    if os.environ.get("REGENERATE"):
        expected.write_text(message)
    assert message == expected.read_text()


def test_every_case_has_its_message_and_none_is_lost() -> None:
    assert len(CASES) == COUNT
    assert sorted(path.stem for path in ERRORS.glob("*.txt")) == CASES
