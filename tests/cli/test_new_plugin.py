"""``cellcls new-plugin``: the package it writes can be installed, passes its tests and stands in a recipe."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import attrs
import pytest
import yaml
from support.environments import install, new_environment

from cellcls.api import KINDS
from cellcls.cli.new_plugin import LICENCES, TEMPLATE, render, template_values

REPOSITORY = Path(__file__).parents[2]
ALL = [part for kind in KINDS for part in ("--kind", kind)]


def run(*command: str | Path, cwd: Path, check: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **more}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=250)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def files(folder: Path) -> dict[str, str]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(folder).as_posix(): path.read_text() for path in paths}


def test_every_kind_has_its_file() -> None:
    values = template_values("cellcls-gem", [*KINDS])
    paths = {path.as_posix() for path, _ in render(values)}
    assert {f"src/cellcls_gem/{kind}.py" for kind in KINDS} <= paths
    copier = yaml.safe_load((TEMPLATE.parent / "copier.yml").read_text())
    assert copier["kinds"]["choices"] == [*KINDS]
    assert copier["licence"]["choices"] == list(LICENCES)


@pytest.mark.timeout(250)
def test_a_component_of_every_kind_passes_its_own_tests(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli("new-plugin", "cellcls-all-things", *ALL)
    assert said.out.splitlines()[0] == "cd cellcls-all-things"
    folder = tmp_path / "cellcls-all-things"
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder, PYTHONPATH="src")
    trained = {"backbone", "head", "loss", "optimizer"}
    assert f"{7 * len(KINDS) + len(trained)} passed, {len(KINDS) - len(trained)} skipped" in done.stdout
    run(sys.executable, "-m", "mypy", "--strict", "src", cwd=folder)
    run(
        sys.executable, "-m", "ruff", "check", "--isolated", "--select=E,F,I,UP,B", "--line-length=120", ".", cwd=folder
    )
    run(sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=120", "--check", ".", cwd=folder)


@pytest.mark.parametrize("licence", LICENCES)
def test_copier_gives_the_same(licence: str, tmp_path: Path) -> None:
    copier = pytest.importorskip("copier", reason="copier is a dev dependency")
    values = template_values("cellcls-two-words", ["head", "dataset"], licence=licence, author="Ada")
    wanted = ("name", "kinds", "licence", "author", "version")
    given = {name: value for name, value in attrs.asdict(values).items() if name in wanted} | {"kinds": [*values.kinds]}
    copier.run_copy(str(TEMPLATE.parent), tmp_path / "copied", data=given, defaults=True, quiet=True, vcs_ref=None)
    copied = files(tmp_path / "copied")
    assert "name: cellcls-two-words" in copied.pop(".copier-answers.yml")
    assert copied == {path.as_posix(): text for path, text in render(values)}


def test_copier_updates_from_the_repository(tmp_path: Path) -> None:
    """Made from one version of the repository, changed by its author, brought to the next version."""
    copier = pytest.importorskip("copier", reason="copier is a dev dependency")
    template, plugin = tmp_path / "cellcls", tmp_path / "cellcls-gem"
    inside = TEMPLATE.parent.relative_to(REPOSITORY)
    shutil.copytree(TEMPLATE.parent, template / inside)
    shutil.copy(REPOSITORY / "copier.yml", template)
    commit(template, "v0.1.0")
    data = {"name": "cellcls-gem", "kinds": ["head"]}
    copier.run_copy(str(template), plugin, data=data, defaults=True, quiet=True)
    own = plugin / "src" / "cellcls_gem" / "head.py"
    own.write_text(own.read_text() + "\n# mine\n")
    commit(plugin)
    readme = template / inside / "package" / "README.md.jinja"
    readme.write_text(readme.read_text() + "\nNew in the template.\n")
    commit(template, "v0.2.0")
    copier.run_update(str(plugin), defaults=True, quiet=True, overwrite=True)
    assert (plugin / "README.md").read_text().endswith("New in the template.\n")
    assert own.read_text().endswith("# mine\n")
    assert "_commit: v0.2.0" in (plugin / ".copier-answers.yml").read_text()


def commit(folder: Path, tag: str | None = None) -> None:
    """Commit all of a folder to a git repository of its own."""
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    run("git", "init", "--quiet", cwd=folder)
    run("git", "add", "--all", cwd=folder)
    run("git", *who, "commit", "--quiet", "--message", "All of it", cwd=folder)
    if tag:
        run("git", "tag", tag, cwd=folder)


@pytest.mark.parametrize(
    "name",
    ["gem", "cellcls", "cellcls-", "Cellcls-Gem", "cellcls_gem", "cellcls-2d", "cellcls-a--b", "../cellcls-x", ""],
)
def test_a_name_that_is_none_is_refused(name: str, cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "empty" / "deeper")
    said = cli("new-plugin", name)
    assert said.code == 2
    assert "lowercase words joined by hyphens" in said.err
    assert files(tmp_path / "empty") == {}


def test_a_name_that_a_component_has_is_told(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = cli("new-plugin", "cellcls-flip", "--kind", "augmentation", "--kind", "head")
    assert said.code == 2
    assert "the augmentation `flip` already exists in cellcls" in said.err
    assert "cellcls new-plugin cellcls-my-flip" in said.err
    assert not (tmp_path / "cellcls-flip").exists()
    assert cli("new-plugin", "cellcls-flip", "--kind", "head").code == 0


def test_a_folder_that_is_there_is_left_alone(cli, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    said = cli("new-plugin", "cellcls-gem", "--out", str(tmp_path / "mine"))
    assert said.code == 2
    assert "already exists" in said.err
    assert files(tmp_path / "mine") == {"thesis.txt": "years of work"}


@pytest.mark.parametrize("kind", [*KINDS])
def test_its_metadata_is_right(kind: str, tmp_path: Path) -> None:
    told = {path.as_posix(): text for path, text in render(template_values("cellcls-gem", [kind], author="Ö. Ada"))}
    project = tomllib.loads(told["pyproject.toml"])["project"]
    assert project["entry-points"] == {"cellcls": {"gem": "cellcls_gem"}}
    assert project["authors"] == [{"name": "Ö. Ada"}]
    assert "LICENSE" not in told
    assert tomllib.loads(told["recipe.toml"])["requires"] == ["cellcls-gem"]
    for path, text in told.items():
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.timeout(280)
def test_from_nothing_to_a_run_and_back(tmp_path: Path) -> None:
    """Installed in an environment of its own, its tests pass and its recipe runs; uninstalled, the recipe says what it
    needs."""
    binaries = new_environment(tmp_path / "environment", with_cellcls=True)
    more = {"CELLCLS_CACHE": str(tmp_path / "cache"), "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    run(binaries / "cellcls", "new-plugin", "cellcls-gem", "--kind", "augmentation", "--kind", "head", cwd=tmp_path)
    folder = tmp_path / "cellcls-gem"
    install(binaries, folder)
    assert "augmentation gem" in run(binaries / "cellcls", "list-plugins", "--json", cwd=folder, **more).stdout
    assert "15 passed, 1 skipped" in run(binaries / "pytest", "-q", cwd=folder, **more).stdout
    run(binaries / "cellcls", "run", "recipe.toml", "--out", "first", cwd=folder, **more)
    assert (folder / "first" / "metrics.json").exists()
    run(binaries / "pip", "uninstall", "--yes", "cellcls-gem", cwd=folder)
    done = run(binaries / "cellcls", "run", "recipe.toml", "--out", "second", cwd=folder, check=False, **more)
    assert done.returncode == 69
    assert "recipe.toml requires `cellcls-gem`" in done.stderr
    assert "install it from the folder plugins/cellcls-gem of the cellcls repository" in done.stderr
    assert not (folder / "second").exists()
