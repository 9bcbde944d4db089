"""Runs what the pages of README and docs show: commands and their output, recipes, files, Python.

A page is one story: its blocks run one after another in one new folder.

- ``console``: a line with ``$ `` is a command for bash, what follows is its output. Figures with a decimal point may
  differ, runs of spaces and of dashes are one, ``...`` stands for anything. Shown is stdout, or stderr before stdout. A
  command must succeed unless the next one is ``echo $?``.
- ``toml``: a recipe that loads, or with ``title="pyproject.toml"`` any TOML. ``python``: is executed, unless it has a
  title. ``title="PATH"``: the block is first written there.
- ``<!-- given: training_set.npz my_cells -->`` at the top of a page: what its reader has (``GIVEN``).
- ``<!-- rehearse -->`` before a block: ``cellcls run`` gets ``--rehearse``, Python ``pretrained=False``, and answers
  are not compared, as the real run needs what a test has not. ``<!-- not run: REASON -->``: only parsed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import tomli
from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from cellcls.recipe import load
from cellcls.registry import load_registry

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "recipes").glob("*.md")),
    *sorted((ROOT / "plugins").glob("*/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
PAGES = [page for page in PAGES if not {"reference", "changes"} & set(page.relative_to(ROOT).parts)]
"""The pages people write, and the generated one of the recipes; those of the reference and fragments have no blocks."""

CHECKOUT = ("recipes", "plugins")
GIVEN = (*CHECKOUT, "training_set.npz", "my_cells", "smear.png", "more_images")
"""What a page may take for granted: parts of the checkout, and rendered cells in place of real ones."""

_HAS = re.compile(r"<!-- given: ([^>]+) -->")
_INFO = re.compile(r'(?P<language>\w+)(?:[ ]+title="(?P<title>[^"]+)")?[ ]*$\n', re.MULTILINE)
_MARK = re.compile(r"<!-- (rehearse|not run: [^>]+) -->\n+$")
_FIGURE = re.compile(r"\d[\d,]*\.\d+")


@attrs.frozen
class Block:
    """A fenced block of a page."""

    language: str
    title: str | None
    text: str
    mark: str
    """``""``, ``rehearse`` or ``not run: REASON``."""

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """The commands of a console block, each with the output shown below it."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.rstrip().splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            elif found and found[-1][0].endswith("\\") and not found[-1][1]:
                found[-1] = (f"{found[-1][0]}\n{line}", [])
            else:
                found[-1][1].append(line)
        return found

    @property
    def commands_of_console(self) -> list[tuple[str, list[str]]]:
        """Its commands if it is a console block, else none."""
        return self.commands if self.language == "console" else []


def regions(document: Document) -> Iterable[Region]:
    """Yield the blocks of a page, to be evaluated."""
    for lexed in RawFencedCodeBlockLexer(_INFO)(document):
        mark = _MARK.search(document.text[: lexed.start])
        lexemes = lexed.lexemes
        block = Block(lexemes["language"], lexemes["title"], str(lexemes["source"].text), mark[1] if mark else "")
        yield Region(lexed.start, lexed.end, parsed=block, evaluator=evaluate)


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    document = Document(page.read_text(encoding="utf-8"), str(page))
    return [region.parsed for region in regions(document)]


def evaluate(example: Example) -> str | None:
    """Run a block; the text says what differs from the page (None: nothing)."""
    block: Block = example.parsed
    story: Story = example.namespace["story"]
    if block.mark.startswith("not run"):
        return None
    story.give(_HAS.search(example.document.text))
    if block.title:
        target = story.folder / block.title
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(block.text, encoding="utf-8")
    if block.language == "console":
        return story.type(block)
    if block.language == "toml":
        story.load(block)
    elif block.language == "python" and not block.title:
        story.execute(block.text.replace("pretrained=True", f"pretrained={block.mark != 'rehearse'}"))
    return None


class Story:
    """What happens on one page: a folder, where its shell stands and the names its Python knows."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="page-")).resolve()
        self.here = self.folder
        self.last = 0
        self.names: dict[str, Any] = {"__name__": "page"}
        self._where = Path(f"{self.folder}-here")
        self._binaries: Path | None = None
        self._given = False

    def close(self) -> None:
        """Remove all that was made."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(f"{self.folder}-env", ignore_errors=True)
        self._where.unlink(missing_ok=True)

    def give(self, named: re.Match[str] | None) -> None:
        """Put what the page takes for granted into its folder, once."""
        if named and not self._given:
            self._given = True
            for name in named[1].split():
                _give(name, self.folder / name)

    def type(self, block: Block) -> str | None:
        """Type the commands of a block; return what differs from what the page shows."""
        followers = [command for command, _ in block.commands[1:]] + [""]
        for (command, shown), after in zip(block.commands, followers, strict=True):
            if block.mark == "rehearse":
                command = re.sub(r"^cellcls run (?!--resume)", "cellcls run --rehearse ", command)
            done = self._bash(command)
            said = f"$ {command}\n{done.stderr}{done.stdout}"
            if done.returncode != 0 and after != "echo $?":
                return f"exit code {done.returncode}:\n{said}"
            got = (done.stdout, done.stderr + done.stdout)
            if shown and block.mark != "rehearse" and not any(_alike(shown, text) for text in got):
                return "\n".join(["the page shows", *shown, "where this came out:", said])
        return None

    def load(self, block: Block) -> None:
        """Load a recipe."""
        if block.title and Path(block.title).name == "pyproject.toml":
            tomli.loads(block.text)
            return
        path = self.folder / (block.title or "page.toml")
        path.write_text(block.text, encoding="utf-8")
        wanted = set(tomli.loads(block.text).get("requires", []))
        if wanted <= set(load_registry().distributions()):
            assert load(path, load_registry())

    def execute(self, text: str) -> None:
        """Execute Python where the page's shell stands."""
        with contextlib.chdir(self.here), contextlib.redirect_stdout(None):
            exec(compile(text, "page", "exec"), self.names)

    def _bash(self, command: str) -> subprocess.CompletedProcess[str]:
        if self._binaries is None and re.search(r"\bpip\b", command):
            from support.environments import new_environment

            self._binaries = new_environment(Path(f"{self.folder}-env"), with_cellcls=True)
        script = f"(exit {self.last})\n{command}\nstatus=$?\npwd > '{self._where}'\nexit $status\n"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.here, env=self._environment(), capture_output=True, text=True, check=False
        )
        self.here, self.last = Path(self._where.read_text().rstrip("\n")), done.returncode
        return done

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join(
            str(folder) for folder in (self._binaries, Path(sys.executable).parent, os.environ["PATH"]) if folder
        )
        return {**os.environ, "PATH": path, "NO_COLOR": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}


def _give(name: str, target: Path) -> None:
    import numpy as np
    from PIL import Image

    from cellcls.ops.classes import CLASSES
    from cellcls.ops.rendering.cells import render

    if name in CHECKOUT:
        shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    elif name == "training_set.npz":
        labels = np.repeat(np.arange(len(CLASSES)), 10)
        images = np.stack([render(int(label), number).image for number, label in enumerate(labels)])
        np.savez(target, images=images, labels=labels)
    elif name == "smear.png":
        Image.fromarray(render(6, 0).image).save(target)
    else:
        assert name in GIVEN
        for label, class_name in enumerate(CLASSES):
            folder = target / class_name if name == "my_cells" else target
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(render(label, 99).image).save(folder / f"{class_name}.png")


def _alike(shown: list[str], got: str) -> bool:
    anything = r"(?:[^\n]*\n)*"
    lines = [plain for plain in map(_plain, shown) if plain]
    pattern = "".join(anything if line == "..." else rf"{_line(line)}\n" for line in lines)
    said = "".join(f"{plain}\n" for plain in map(_plain, got.splitlines()) if plain)
    return re.fullmatch(pattern, said) is not None


def _line(shown: str) -> str:
    return "[^\n]*".join(map(re.escape, shown.split("...")))


def _plain(line: str) -> str:
    return re.sub(r"[─-]{2,}", "─", re.sub(r"\s+", " ", _FIGURE.sub("#.#", line))).strip()


def sybil() -> Sybil:
    """Return what finds and runs the pages."""

    def begin(namespace: dict[str, Any]) -> None:
        namespace["story"] = Story()

    def end(namespace: dict[str, Any]) -> None:
        namespace["story"].close()

    kept = {str(page.relative_to(ROOT)) for page in PAGES}
    return Sybil(parsers=[regions], path=str(ROOT), patterns=sorted(kept), setup=begin, teardown=end)
