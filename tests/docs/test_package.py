"""What is shipped: archives with what they should hold, which run in a new environment, and the repository's papers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
from collections import Counter
from pathlib import Path

import pytest
import tomli
import yaml
from changelog import page
from support.environments import install, new_environment
from support.pages import ROOT

QUICK = ("--set", "dataset.images_per_class=20", "--set", "stages.0.epochs=1", "--set", "input.size=32")


def _build(source: Path, *options: str) -> Path:
    """Build a source archive, and from it the wheel; return their folder."""
    done = subprocess.run(
        [sys.executable, "-m", "build", *options, "--outdir", source.parent / "dist", source],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return source.parent / "dist"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("package") / "source"  # hatchling leaves nothing behind in the checkout
    left = shutil.ignore_patterns("__pycache__", "*.egg-info", "reference", "pictures")
    for name in ("cellcls", "recipes", "plugins", "tests", "docs"):
        shutil.copytree(ROOT / name, source / name, ignore=left)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    return _build(source, "--no-isolation")


@pytest.fixture(scope="module")
def binaries(built: Path) -> Path:
    """A new environment with nothing of cellcls but the wheel."""
    made = new_environment(built.parent / "env", with_cellcls=False)
    install(made, next(built.glob("*.whl")))
    return made


def _run(binaries: Path, folder: Path, *words: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CELLCLS_CACHE": str(folder / "cache"), "PYTHONPATH": ""}
    done = subprocess.run(
        [binaries / "cellcls", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_source_archive_holds_the_package_and_nothing_else(built: Path):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = [Path(name).relative_to(Path(name).parts[0]) for name in archive.getnames()]
    tops = Counter(name.parts[0] for name in names)
    assert set(tops) - {".gitignore"} == {"cellcls", "recipes", "README.md", "LICENSE", "pyproject.toml", "PKG-INFO"}
    assert tops["recipes"] == len(list((ROOT / "recipes").iterdir()))


def test_the_wheel_brings_its_recipes_and_runs_the_quickstart(binaries: Path, tmp_path: Path):
    listed = _run(binaries, tmp_path, "recipes", "ls")
    assert all(path.stem in listed for path in (ROOT / "recipes").glob("*.toml"))
    assert str(ROOT) not in listed
    assert _run(binaries, tmp_path, "recipes", "cp", "quickstart").strip() == "quickstart.toml"
    assert "report: runs/quickstart-1/report.html" in _run(binaries, tmp_path, "run", "quickstart.toml", *QUICK)
    assert (tmp_path / "runs/quickstart-1/report.html").exists()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_install_from_nothing(tmp_path: Path):
    """What is committed, built in isolation, installed by plain pip with all it needs from the registry, runs."""
    (tmp_path / "source").mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "x"], cwd=tmp_path / "source", input=archive, check=True)
    wheel = next(_build(tmp_path / "source").glob("*.whl"))
    venv.create(tmp_path / "env", with_pip=True)
    binaries = tmp_path / "env/bin"
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([binaries / "python", "-m", "pip", "install", "--quiet", wheel], check=True, env=plain)
    assert _run(binaries, tmp_path, "recipes", "cp", "quickstart").strip() == "quickstart.toml"
    assert "report: runs/quickstart-1/report.html" in _run(
        binaries, tmp_path, "run", "quickstart.toml", "--set", "stages.0.epochs=1"
    )


def test_the_changelog_is_made_from_its_fragments():
    subprocess.run([sys.executable, ROOT / "tools/changelog.py", "--check"], check=True)


@pytest.mark.parametrize("text", ["- one\n- two", "* one", "# A heading", "", "one\n\ntwo"])
def test_a_fragment_that_is_no_paragraph_is_refused(text: str, tmp_path: Path):
    (tmp_path / "1-mine.md").write_text(text)
    with pytest.raises(ValueError, match=r"1-mine\.md: a fragment is one paragraph"):
        page(tmp_path)


def test_a_fragment_becomes_an_item(tmp_path: Path):
    (tmp_path / "10-later.md").write_text("Later.\n")
    (tmp_path / "9-first.md").write_text("First,\nand more.\n")
    assert page(tmp_path).endswith("\n\n- First,\n  and more.\n- Later.\n")


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CITATION.cff", "LICENSE", ".pre-commit-config.yaml"])
def test_the_repository_has_its_papers(name: str):
    assert (ROOT / name).stat().st_size > 100


def test_the_citation_has_its_shape():
    """As the schema 1.2.0 of the Citation File Format has it."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert cited["cff-version"] == "1.2.0"
    assert (cited["type"], cited["version"], cited["license"]) == ("software", project["version"], project["license"])
    assert cited["message"]
    assert cited["title"]
    assert all(author.keys() <= {"name", "family-names", "given-names"} for author in cited["authors"])
    assert len(cited["references"]) >= 2
    known = {"type", "scope", "title", "authors", "journal", "volume", "start", "year", "doi"}
    for one in cited["references"]:
        assert one.keys() == known, one["title"]
        assert one["type"] == "article"
        assert isinstance(one["year"], int)
        assert re.fullmatch(r"10\.\d{4,9}(\.\d+)*/[-._;()/:A-Za-z0-9]+", one["doi"])
        assert all(author.keys() == {"family-names", "given-names"} for author in one["authors"])
