"""The tutorials as notebooks: the same blocks as the page, and they run."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from docs_notebooks import notebook
from nbclient import NotebookClient
from support.environments import new_environment
from support.pages import ROOT, Block, blocks

TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))


def _runs(block: Block) -> bool:
    return not block.mark.startswith("not run")


def _code(page: Path) -> list[str]:
    return [cell.source for cell in notebook(page).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_notebook_has_the_pages_blocks(page: Path):
    cells = [cell for cell in _code(page) if not cell.startswith("%mkdir")]
    shown = [block for block in blocks(page) if _runs(block)]
    assert len(cells) == len(shown)
    for cell, block in zip(cells, shown, strict=True):
        if block.title:
            assert cell == f"%%writefile {block.title}\n{block.text.rstrip()}"
        elif block.language == "python":
            assert cell == block.text.rstrip()
        else:
            assert cell.startswith("%%bash -e\n")
            commands = [command for command, _ in block.commands if command != "echo $?"]
            assert cell.replace(" || echo $?", "").partition("\n")[2] == "\n".join(commands)
            assert cell.count("echo $?") == len(block.commands) - len(commands)
    nbformat.validate(notebook(page))


def test_what_is_not_run_stays_text():
    page = ROOT / "docs/tutorials/train-on-gpus.md"
    hidden = [block for block in blocks(page) if not _runs(block)]
    assert hidden
    text = "\n".join(cell.source for cell in notebook(page).cells if cell.cell_type == "markdown")
    assert all(block.text in text for block in hidden)
    assert "<!--" not in text


@pytest.mark.parametrize(
    "page",
    [
        page if page.stem == "write-a-plugin" else pytest.param(page, marks=pytest.mark.slow, id=page.stem)
        for page in TUTORIALS
    ],
    ids=lambda page: page.stem,
)
def test_a_notebook_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In an empty folder, with an environment that is the reader's own."""
    binaries = new_environment(tmp_path / "environment", with_cellcls=True)
    monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "work").mkdir()
    made = notebook(page)
    NotebookClient(made, timeout=250, resources={"metadata": {"path": str(tmp_path / "work")}}).execute()
    said = [output for cell in made.cells for output in cell.get("outputs", [])]
    assert said
    if page.stem == "write-a-plugin":
        text = "".join(output.get("text", "") for output in said)
        assert "2 passed" in text
        assert "report: runs/faded-1/report.html" in text
        assert text.rstrip().endswith("78")
