"""Sixteen sorts of broken plugins: all are survived, those that end the process at the next start; the rest works."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.broken_plugins import FURTHER, SORTS, Sort, cellcls, listed, put, works, works_with

ENDING = ("crash", "exits_hard")
ALL = {**SORTS, **FURTHER}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    for name, sort in ALL.items():
        put(folder / "site", name, sort)
    put(folder / "site", "sound", Sort(works("sound"), False, ""))
    (folder / "work").mkdir()
    return folder


@pytest.fixture(scope="module")
def second_start(place: Path) -> subprocess.CompletedProcess[str]:
    """What is listed after each plugin that ends the process has ended one."""
    for _ in ENDING:
        assert cellcls(place / "site", "list-plugins", cwd=place / "work", cache=place / "cache").stdout == ""
    return cellcls(place / "site", "list-plugins", "--json", cwd=place / "work", cache=place / "cache")


@pytest.fixture(scope="module")
def plugins(second_start: subprocess.CompletedProcess[str]) -> Mapping[str, Any]:
    assert second_start.returncode == 0
    return listed(second_start)


def test_there_are_sixteen_sorts() -> None:
    assert len(SORTS) == 16


@pytest.mark.parametrize("name", ALL)
def test_a_broken_plugin_is_survived_and_named_with_its_reason(name: str, plugins: Mapping[str, Any]) -> None:
    sort, found = ALL[name], plugins[name]
    if not sort.fails:
        assert found["failure"] is None
        assert len(found["offers"]) == 1
        return
    assert found["offers"] == []
    assert len(found["failure"]) < 400
    assert ("importing it ended the process the last time" if name in ENDING else sort.said) in found["failure"]


def test_time_and_heavy_imports_are_listed(plugins: Mapping[str, Any]) -> None:
    assert plugins["slow_import"]["seconds"] >= 7
    assert plugins["slow_import"]["heavy"] == []
    assert any("s to import, for every command" in warning for warning in plugins["slow_import"]["warnings"])
    assert "torch" in plugins["heavy_import"]["heavy"]
    assert any("torch at module level" in warning for warning in plugins["heavy_import"]["warnings"])


def test_the_rest_works(plugins: Mapping[str, Any]) -> None:
    assert plugins["sound"]["failure"] is None
    assert plugins["sound"]["warnings"] == []
    assert plugins["sound"]["offers"] == ["head sound"]
    assert "head linear" in plugins["builtin"]["offers"]


def test_a_changed_working_folder_is_changed_back(plugins: Mapping[str, Any]) -> None:
    assert plugins["moves"]["warnings"] == ["changes the working folder when it is imported; it was changed back"]


def test_what_plugins_print_goes_to_stderr(second_start: subprocess.CompletedProcess[str]) -> None:
    assert "hello" in second_start.stderr
    assert "below" in second_start.stderr


def test_the_package_to_remove_is_named(place: Path, plugins: Mapping[str, Any]) -> None:
    done = cellcls(place / "site", "list-plugins", cwd=place / "work", cache=place / "cache")
    assert done.returncode == 0
    assert done.stdout.startswith("builtin")
    for plugin in plugins.values():
        bad = plugin["failure"] or plugin["warnings"]
        assert (f"pip uninstall {plugin['distribution']}\n" in f"{done.stdout}\n") == bool(bad)
    assert "Traceback" not in done.stdout + done.stderr


def test_a_recipe_that_requires_a_broken_plugin_says_why(place: Path, plugins: Mapping[str, Any]) -> None:
    (place / "work" / "recipe.toml").write_text('requires = ["cellcls.CRASH"]\n')
    done = cellcls(place / "site", "check", "recipe.toml", cwd=place / "work", cache=place / "cache")
    assert done.returncode == 69
    assert "cellcls.CRASH is installed but does not load: importing it ended the process" in done.stderr
    assert plugins


def test_ctrl_c_during_an_import_names_the_plugin(tmp_path: Path) -> None:
    put(tmp_path / "site", "interrupts", works_with("raise KeyboardInterrupt"))
    for _ in range(2):  # it leaves no marker
        done = cellcls(tmp_path / "site", "list-plugins", cwd=tmp_path, cache=tmp_path / "cache")
        assert done.returncode == 130
        assert "to skip it: CELLCLS_BLOCK=interrupts" in done.stderr


def test_the_environment_chooses_plugins(tmp_path: Path) -> None:
    for name in ("one", "two"):
        put(tmp_path / "site", name, Sort(works(name), False, ""))

    def names(**chosen: str) -> tuple[dict[str, Any], str]:
        done = cellcls(tmp_path / "site", "list-plugins", "--json", cwd=tmp_path, cache=tmp_path / "cache", **chosen)
        return listed(done), done.stderr

    none, _ = names(CELLCLS_PLUGINS="")
    assert [name for name, plugin in none.items() if plugin["offers"]] == ["builtin"]
    assert none["one"]["blocked"]
    assert none["one"]["failure"] == "not among CELLCLS_PLUGINS"
    some, _ = names(CELLCLS_PLUGINS="cellcls_two")
    assert [name for name, plugin in some.items() if plugin["offers"]] == ["builtin", "two"]
    blocked, said = names(CELLCLS_BLOCK="one, nobody")
    assert blocked["one"]["failure"] == "blocked by CELLCLS_BLOCK"
    assert blocked["two"]["offers"] == ["head two"]
    assert "CELLCLS_BLOCK names `nobody`, which is not an installed plugin" in said
    own, _ = names(CELLCLS_BLOCK="cellcls")
    assert own["builtin"]["offers"]
