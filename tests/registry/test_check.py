"""``list-plugins --check``: each plugin in a process of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from support.broken_plugins import FURTHER, SORTS, Sort, cellcls, listed, put, works, works_with

from cellcls.registry.check import check_plugin

ALL = {**SORTS, **FURTHER}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    folder = tmp_path_factory.mktemp("checked")
    for name, sort in ALL.items():
        put(folder / "site", name, sort)
    put(folder / "site", "sound", Sort(works("sound"), False, ""))
    done = cellcls(folder / "site", "list-plugins", "--check", "--json", cwd=folder, cache=folder / "cache")
    assert done.returncode == 1
    return listed(done)


@pytest.mark.parametrize("name", ALL)
def test_each_is_named_with_its_reason(name: str, checked: Mapping[str, Any]) -> None:
    sort, found = ALL[name], checked[name]
    if sort.fails:
        assert sort.said in found["failure"]
        assert found["offers"] == []
        assert len(found["failure"]) < 400
    else:
        assert found["failure"] is None
        assert any(sort.said in warning for warning in found["warnings"]), found["warnings"]
        assert len(found["offers"]) == 1


def test_a_sound_plugin_passes(checked: Mapping[str, Any]) -> None:
    assert (checked["sound"]["failure"], checked["sound"]["warnings"]) == (None, [])


def test_a_heavy_plugin_is_accused_of_nothing_else(checked: Mapping[str, Any]) -> None:
    """Not of a seed: torch starts with a random one."""
    warnings = [warning for warning in checked["heavy_import"]["warnings"] if "s to import, for every" not in warning]
    assert len(warnings) == 1
    found = re.fullmatch(
        r"imports torch at module level, which costs every command ([\d,]+) ms: .* `build`", warnings[0]
    )
    assert found
    assert int(found[1].replace(",", "")) > 50


def test_it_passes_where_nothing_fails(tmp_path: Path) -> None:
    put(tmp_path / "site", "sound", works_with(""))
    done = cellcls(tmp_path / "site", "list-plugins", "--check", cwd=tmp_path, cache=tmp_path / "cache")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_plugin_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "site", "hangs", works_with("import time; time.sleep(600)"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (point,) = metadata.entry_points(group="cellcls", name="hangs")
    assert check_plugin(point, seconds=1.0).failure == "import took longer than 1 seconds"
