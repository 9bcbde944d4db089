"""Which settings of a component are files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from cellcls.api import Cleaner, Component, Dataset, component, files, param, with_files
from cellcls.errors import PluginError


@component("made")
class Made(Dataset):
    """A set without a file."""

    file: str = param(default="file", help="A text, whatever its name.")


@component("stored")
class Stored(Dataset):
    """A set with a file, and others."""

    label: str = param(default="x", help="A text.")
    where: Path | None = param(default=None, help="The file.")
    index: Path = param(default=Path("index.csv"), help="Another file.")


@component("sorting")
class Sorting(Cleaner):
    """A cleaner with files everywhere."""

    lists: tuple[Path, ...] = param(default=(), help="Files.")
    named: Mapping[str, Path] = param(factory=dict, help="Files by name.")
    sets: tuple[Dataset, ...] = param(default=(), help="Sets.")
    in_: Path | None = param(default=None, help="A word of Python's.")


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (Made(), []),
        (Stored(), [("index", "index.csv")]),
        (Stored(where=Path("a")), [("where", "a"), ("index", "index.csv")]),
        (Sorting(lists=(Path("a"), Path("b")), in_=Path("c")), [("lists", "a"), ("lists", "b"), ("in", "c")]),
        (Sorting(named={"x": Path("a")}, sets=(Made(), Stored())), [("named.x", "a"), ("sets.1.index", "index.csv")]),
    ],
    ids=lambda value: "" if isinstance(value, list) else type(value).__name__,
)
def test_a_path_is_a_file_wherever_it_stands(made: Component, named: list[tuple[str, str]]) -> None:
    assert files(made) == [(name, Path(file)) for name, file in named]
    owners: list[Component] = []

    def find(owner: Component, file: Path) -> Path:
        owners.append(owner)
        return Path("/found") / file

    found = with_files(made, find)
    assert type(found) is type(made)
    assert files(found) == [(name, Path("/found", file)) for name, file in named]
    assert len(owners) == len(named)
    assert files(made) == [(name, Path(file)) for name, file in named]


def test_a_file_is_told_with_the_component_that_names_it() -> None:
    inner = Stored()
    with_files(Sorting(sets=(inner,)), lambda owner, file: file if owner is inner else pytest.fail("another owner"))


def test_a_data_set_is_where_its_first_path_is() -> None:
    path = Path("x")
    assert Stored.at(path) == Stored(where=path)
    assert Stored(label="y").moved_to(path) == Stored(label="y", where=path)
    assert (Stored.at(path).location(), Stored().location(), Made().location()) == (path, None, None)
    for move in (Made.at, Made().moved_to):
        with pytest.raises(PluginError, match="`made` has no setting of type Path"):
            move(path)
