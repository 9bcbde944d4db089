"""Executions without training: what is planned, in which order it is made, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs
import pytest
from support.recipes import ONE_EPOCH, tiny
from support.runs import write_small_run

from cellcls.execution import several, single, sweep
from cellcls.execution.context import ChosenLauncher, Context, Output
from cellcls.execution.result import RunResult, result_of
from cellcls.recipe import Loaded, load
from cellcls.registry import Registry, load_registry
from cellcls.runs.folder import RunFolder
from cellcls.runs.inputs import Inputs
from cellcls.runs.options import Options

Load = Callable[..., list[Loaded]]


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of the test's own, outside any process group."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CELLCLS_CACHE", str(tmp_path / "cache"))
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def loaded(place: Path, registry: Registry) -> Load:
    """Return a function that reads the tiny recipe with lines added."""

    def read(more: str = "", name: str = "tiny") -> list[Loaded]:
        (place / f"{name}.toml").write_text(tiny(ONE_EPOCH + more))
        return load(place / f"{name}.toml", registry)

    return read


def trained(folder: Path, right: int = 5, **more: object) -> None:
    """Write what a trained run holds beside what was planned: of ten images each of val and test ``right`` were."""
    kept = {path.name: path.read_bytes() for path in folder.glob("*") if path.is_file()}
    for name in kept:
        (folder / name).unlink()
    if folder.exists():
        folder.rmdir()
    marks = [1] * right + [0] * (10 - right)
    write_small_run(folder, {"test": marks, "val": marks}, **more)
    for name, content in kept.items():
        (folder / name).write_bytes(content)
    (folder / "report.html").write_text("drawn")


@attrs.define
class Made:
    """What was made instead of training: the folders in their order."""

    runs: list[str] = attrs.field(factory=list)
    resumed: list[str] = attrs.field(factory=list)
    fails: dict[str, Exception] = attrs.field(factory=dict)
    """What to raise, by the name of a folder."""
    right: dict[str, int] = attrs.field(factory=dict)
    """How many of ten test images a run names right, by the name of its folder."""

    def make(self, _inputs: Inputs, folder: RunFolder, _context: Context) -> RunResult:
        self.runs.append(folder.path.name)
        return self.end(folder)

    def resume(self, folder: RunFolder, _context: Context) -> RunResult:
        self.resumed.append(folder.path.name)
        return self.end(folder)

    def end(self, folder: RunFolder) -> RunResult:
        if folder.path.name in self.fails:
            raise self.fails[folder.path.name]
        trained(folder.path, self.right.get(folder.path.name, 5))
        return result_of(folder)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """Train nothing: note what would be, and write small figures."""
    noted = Made()
    for module in (single, several, sweep):
        monkeypatch.setattr(module, "make_run", noted.make)
        monkeypatch.setattr(module, "resume_run", noted.resume)
    return noted


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def context(registry: Registry, said: list[str]) -> Context:
    """A context that notes what it says."""
    output = Output(say=said.append, table=lambda title, _rows: said.append(title))
    return Context(registry=registry, options=Options(device="cpu"), output=output)


class Launching:
    """A launcher that ends runs as ``codes`` says, by their names; those without a code it leaves out."""

    component_name = "noted"

    def __init__(self, codes: dict[str, int], stops: Exception | None = None) -> None:
        self.codes, self.stops = codes, stops
        self.closed = 0

    def build(self) -> Callable[[Sequence[Path]], Iterator[tuple[Path, int]]]:
        def launch(runs: Sequence[Path]) -> Iterator[tuple[Path, int]]:
            try:
                for run in reversed(runs):  # whatever ends first
                    if run.name in self.codes:
                        if not self.codes[run.name]:
                            trained(run)
                        yield run, self.codes[run.name]
                if self.stops:
                    raise self.stops
            finally:
                self.closed += 1

        return launch


@pytest.fixture
def launched() -> Callable[..., ChosenLauncher]:
    return lambda *args: ChosenLauncher(text="noted", launcher=Launching(*args))
