"""Sixteen sorts of broken plugins, each an installed distribution: all are named, with the way out; the rest works."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

HEAD = '''
from cellcls.api import Head, component, hookimpl

@component("{name}")
class Pool(Head):
    """Pools the map."""

    def build(self, *, channels, size, num_classes):
        import torch
        return torch.nn.LazyLinear(num_classes)
'''
HOOK = "\n@hookimpl\ndef cellcls_components():\n    return {answer}\n"


@attrs.frozen
class Sort:
    """A sort of broken plugin: what stands in its module, whether it fails, and what is said."""

    text: str
    fails: bool
    said: str
    requires: str = "cellcls>=0.1"


def works(name: str, before: str = "", after: str = "") -> str:
    return before + HEAD.format(name=name) + after + HOOK.format(answer="[Pool]")


SORTS = {
    "import_error": Sort("from cellcls.api import Nothing", True, "import failed: ImportError: cannot import name"),
    "syntax_error": Sort("def broken(:", True, "import failed: SyntaxError"),
    "sys_exit": Sort("import sys; sys.exit(3)", True, "import failed: SystemExit: 3"),
    "crash": Sort("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", True, "crashed the process (SIGSEGV)"),
    "hook_raises": Sort(HEAD.format(name="a") + HOOK.format(answer="1 / 0"), True, "failed: ZeroDivisionError"),
    "wrong_type": Sort(HEAD.format(name="a") + HOOK.format(answer="{'a': Pool}"), True, "returned dict, not a list"),
    "taken_name": Sort(works("linear"), True, "the head name `linear` is already taken by cellcls"),
    "misspelt_hook": Sort(
        HEAD.format(name="a") + HOOK.format(answer="[Pool]").replace("components", "component"), True, "unknown hook"
    ),
    "missing_package": Sort("import nowhere_to_be_found", True, "No module named 'nowhere_to_be_found'"),
    "slow_import": Sort(works("slow", "import time; time.sleep(0.5)"), False, "s to import, at every command"),
    "old_version": Sort(works("old"), True, "it was made for cellcls<0.1, and this is cellcls", "cellcls<0.1"),
    "stdout": Sort(works("prints", "import os; print('hello'); os.write(1, b'below')"), False, "writes to stdout"),
    "seeds": Sort(works("seeds", "import random, numpy; random.seed(0); numpy.random.seed(0)"), False, "seed of numpy"),
    "working_folder": Sort(works("litters", "open('litter.txt', 'w').close()"), False, "working folder when"),
    "threads": Sort(
        works("threads", "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()"),
        True,
        "which keeps every command from ending",
    ),
    "huge_traceback": Sort(
        "def deep(n):\n    return deep(n - 1) if n else 1 / 0\n"
        "try:\n    deep(900)\nexcept ZeroDivisionError as error:\n"
        "    raise RuntimeError('x' * 100_000) from error",
        True,
        "import failed: RuntimeError: xxx",
    ),
}
FURTHER = {
    "daemon_thread": Sort(
        works("daemon", "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"),
        False,
        "leaves a thread running",
    ),
    "heavy_import": Sort(works("heavy", "import torch"), False, "imports torch at its top, which costs every command"),
    "seeds_torch": Sort(works("seeds_torch", "import torch; torch.manual_seed(0)"), False, "global seed of torch when"),
    "exits_hard": Sort("import os; os._exit(0)", True, "ended the process (exit status 0)"),
    "interrupts": Sort("raise KeyboardInterrupt", True, "import failed: KeyboardInterrupt"),
}


def put(site: Path, name: str, sort: Sort, version: str = "1.0") -> None:
    """Install a distribution ``cellcls-NAME`` into ``site`` as pip does."""
    (site / f"cellcls_{name}").mkdir(parents=True, exist_ok=True)
    (site / f"cellcls_{name}" / "__init__.py").write_text(sort.text)
    info = site / f"cellcls_{name}-{version}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: cellcls-{name}\nVersion: {version}\nRequires-Dist: {sort.requires}\n"
    (info / "METADATA").write_text(metadata)
    (info / "entry_points.txt").write_text(f"[cellcls]\n{name} = cellcls_{name}\n")


def cellcls(site: Path, *args: str, cwd: Path, cache: Path, **more: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "CELLCLS_CACHE": str(cache), **more}
    command = [sys.executable, "-m", "cellcls", *args]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)


def listed(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return {one["plugin"]: one for one in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("broken")
    for name, sort in {**SORTS, **FURTHER}.items():
        put(folder / "site", name, sort)
    put(folder / "site", "sound", Sort(works("sound"), False, ""))
    (folder / "work").mkdir()
    return folder


@pytest.fixture(scope="module")
def plugins(place: Path) -> Mapping[str, Any]:
    return listed(cellcls(place / "site", "list-plugins", "--json", cwd=place / "work", cache=place / "cache"))


def test_there_are_sixteen_sorts() -> None:
    assert len(SORTS) == 16


@pytest.mark.parametrize("name", [*SORTS, *FURTHER])
def test_a_broken_plugin_is_named_with_its_reason(name: str, plugins: Mapping[str, Any]) -> None:
    sort = {**SORTS, **FURTHER}[name]
    found = plugins[name]
    if sort.fails:
        assert sort.said in found["failure"]
        assert found["offers"] == []
        assert len(found["failure"]) < 400
    else:
        assert found["failure"] is None
        assert any(sort.said in one for one in found["warnings"]), found["warnings"]
        assert len(found["offers"]) == 1


SLOW = r"takes \d+\.\d s to import, at every command"
HEAVY = r"imports torch at its top, which costs every command ([\d,]+) ms: import it in `build`"


def test_a_heavy_plugin_is_accused_of_nothing_else(plugins: Mapping[str, Any]) -> None:
    """Not of a seed: torch starts with a random one. Its own time may be below what counts as slow."""
    *slow, heavy = plugins["heavy_import"]["warnings"]
    assert all(re.fullmatch(SLOW, one) for one in slow), slow
    assert len(slow) <= 1
    found = re.fullmatch(HEAVY, heavy)
    assert found
    assert int(found[1].replace(",", "")) > 50


def test_the_rest_works(plugins: Mapping[str, Any]) -> None:
    assert plugins["sound"]["failure"] is None
    assert plugins["sound"]["warnings"] == []
    assert plugins["sound"]["offers"] == ["head sound"]
    assert "head linear" in plugins["builtin"]["offers"]


def test_the_package_to_remove_is_named(place: Path, plugins: Mapping[str, Any]) -> None:
    """A second call answers from the cache; the plugin that writes to stdout does not stand in the answer."""
    done = cellcls(place / "site", "list-plugins", cwd=place / "work", cache=place / "cache")
    assert done.returncode == 0
    assert done.stdout.startswith("builtin")
    assert "hello" in done.stderr
    assert "below" in done.stderr
    for name in [*SORTS, *FURTHER]:
        assert f"pip uninstall cellcls-{name}\n" in done.stdout
    assert "pip uninstall cellcls-sound" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert plugins


def test_a_recipe_that_requires_a_broken_plugin_says_why(place: Path, plugins: Mapping[str, Any]) -> None:
    (place / "work" / "recipe.toml").write_text('requires = ["cellcls-crash"]\n')
    done = cellcls(place / "site", "check", "recipe.toml", cwd=place / "work", cache=place / "cache")
    assert done.returncode == 69
    assert "cellcls-crash is installed but does not load: import crashed the process (SIGSEGV)" in done.stderr
    assert plugins


def test_a_plugin_is_probed_again_when_its_files_or_what_it_lacked_change(tmp_path: Path) -> None:
    site, log = tmp_path / "site", tmp_path / "log"
    note = f"open({str(log)!r}, 'a').write('x')\n"
    put(site, "noted", Sort(note + works("noted"), False, ""))
    put(site, "lacking", Sort("import filled_in_later\n" + works("lacking"), False, ""))

    def names() -> dict[str, Any]:
        return listed(cellcls(site, "list-plugins", "--json", cwd=tmp_path, cache=tmp_path / "cache"))

    assert names()["lacking"]["failure"]
    assert log.read_text() == "xx"  # the probe and the command itself
    names()
    assert log.read_text() == "xxx"  # the command alone
    (site / "filled_in_later.py").write_text("")
    assert names()["lacking"]["failure"] is None
    (site / "cellcls_noted" / "__init__.py").write_text("print('now it talks')\n" + note + works("noted"))
    assert "now it talks" in names()["noted"]["warnings"][0]
    assert log.read_text() == "x" * 6


@pytest.mark.parametrize("damage", ["", "[]", "null", '{"format": 1}', "\x00", '{"format": 1, "failure": 3}'])
def test_a_damaged_cache_is_no_problem(damage: str, tmp_path: Path) -> None:
    put(tmp_path / "site", "sys_exit", SORTS["sys_exit"])
    only = {"CELLCLS_PLUGINS": "sys_exit"}
    cellcls(tmp_path / "site", "list-plugins", cwd=tmp_path, cache=tmp_path / "cache", **only)
    (kept,) = (tmp_path / "cache" / "plugins").iterdir()
    kept.write_text(damage)
    done = cellcls(tmp_path / "site", "list-plugins", "--json", cwd=tmp_path, cache=tmp_path / "cache", **only)
    assert "SystemExit: 3" in listed(done)["sys_exit"]["failure"]
    assert json.loads(kept.read_text())["format"] == 1


def test_a_cache_that_cannot_be_written_is_no_problem(tmp_path: Path) -> None:
    put(tmp_path / "site", "sound", Sort(works("sound"), False, ""))
    (tmp_path / "file").write_text("no folder")
    done = cellcls(tmp_path / "site", "list-plugins", "--json", cwd=tmp_path, cache=tmp_path / "file")
    assert listed(done)["sound"]["failure"] is None


def test_a_plugin_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    from cellcls.registry.probe import probe

    put(tmp_path / "site", "hangs", Sort("import time; time.sleep(600)", True, ""))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("CELLCLS_CACHE", str(tmp_path / "cache"))
    (point,) = metadata.entry_points(group="cellcls", name="hangs")
    started = time.monotonic()
    (seen,) = probe([point], seconds=1.0)
    assert seen.failure == "import did not end within 1 seconds"
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    "unlucky", ["import time; time.sleep(600)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
)
def test_a_machine_that_was_busy_disables_no_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unlucky: str
) -> None:
    """Too slow under load, or killed for memory: neither need be so the next time, though the plugin is the same."""
    from importlib import metadata

    from cellcls.registry.probe import probe

    once = f"import pathlib\nif not pathlib.Path({str(tmp_path / 'calm')!r}).exists():\n    {unlucky}\n"
    put(tmp_path / "site", "busy", Sort(once + works("busy"), True, ""))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("CELLCLS_CACHE", str(tmp_path / "cache"))
    (point,) = metadata.entry_points(group="cellcls", name="busy")
    assert probe([point], seconds=2.0)[0].failure
    (tmp_path / "calm").touch()
    assert probe([point])[0].failure is None


def test_the_environment_chooses_plugins(tmp_path: Path) -> None:
    for name in ("one", "two"):
        put(tmp_path / "site", name, Sort(works(name), False, ""))

    def names(**chosen: str) -> tuple[dict[str, Any], str]:
        done = cellcls(tmp_path / "site", "list-plugins", "--json", cwd=tmp_path, cache=tmp_path / "cache", **chosen)
        return listed(done), done.stderr

    none, _ = names(CELLCLS_PLUGINS="")
    assert [name for name, one in none.items() if one["offers"]] == ["builtin"]
    assert none["one"]["blocked"]
    assert none["one"]["failure"] == "not among CELLCLS_PLUGINS"
    assert not (tmp_path / "cache").exists()  # what is kept out is not even probed
    some, _ = names(CELLCLS_PLUGINS="cellcls_two")
    assert [name for name, one in some.items() if one["offers"]] == ["builtin", "two"]
    blocked, said = names(CELLCLS_BLOCK="one, nobody")
    assert blocked["one"]["failure"] == "blocked by CELLCLS_BLOCK"
    assert blocked["two"]["offers"] == ["head two"]
    assert "CELLCLS_BLOCK names `nobody`, which is no installed plugin" in said
    own, _ = names(CELLCLS_BLOCK="cellcls")
    assert own["builtin"]["offers"]
