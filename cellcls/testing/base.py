"""The pytest base class of a plugin's tests."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from cellcls.api import Component
from cellcls.errors import CellclsError
from cellcls.ops.storage.files import write_text
from cellcls.recipe import dump, fields_of, load, to_data
from cellcls.registry import HEAVY
from cellcls.testing.cases import example, extremes
from cellcls.testing.kinds import checks_of
from cellcls.testing.runs import TINY, assert_equal_runs, read_recipe, registry_with, run_recipe

Settings = Mapping[str, Any] | Callable[[Path], Mapping[str, Any]]


class ComponentTests:
    """What every component must pass. A subclass says which: ``plugin`` or ``components``.

    ``plugin``: the module with the hook. ``components``: classes instead. ``examples``: by ``"kind name"``, settings of
    those that have no default, or a function of an empty folder that makes the files they need and returns them.
    ``quick_run``: more of the tiny recipe that ``test_it_resumes`` runs, as TOML data.
    """

    plugin: ClassVar[str | None] = None
    components: ClassVar[Sequence[type[Component]]] = ()
    examples: ClassVar[Mapping[str, Settings]] = {}
    quick_run: ClassVar[Mapping[str, Any]] = {}

    @classmethod
    def offered(cls) -> list[type[Component]]:
        """Return the components under test."""
        if cls.plugin is None:
            return list(cls.components)
        return list(importlib.import_module(cls.plugin).cellcls_components())

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make each test one a component."""
        if "cls" in metafunc.fixturenames:
            offered = self.offered()
            metafunc.parametrize("cls", offered, ids=[f"{one.kind}-{one.component_name}" for one in offered])

    def example(self, cls: type[Component], folder: Path) -> Component:
        """Return a component with the settings that ``examples`` states for it, else its defaults."""
        given = self.examples.get(f"{cls.kind} {cls.component_name}", {})
        if callable(given):
            folder.mkdir(parents=True, exist_ok=True)
            given = given(folder)
        kind = {name: value for name, value in checks_of(cls).example.items() if name in fields_of(cls)}
        return example(cls, {**kind, **given})

    def test_it_is_described(self, cls: type[Component]) -> None:
        """It says in its docstring what it is for, and of each setting what it does; all names are snake_case."""
        own = vars(cls).get("__doc__") or ""  # not that of the kind
        assert len(own.split()) >= 3, f"{cls.__name__} has no docstring that says what it is for"
        for name, field in fields_of(cls).items():
            assert len(field.param.help) > 10, f"the setting `{name}` has no help: param(help=...)"
        for name in (cls.component_name, *fields_of(cls)):
            assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name), f"`{name}` is not snake_case"
        assert "use" not in fields_of(cls), "`use` names the component; no setting can"

    def test_it_builds_with_what_its_kind_supplies(self, cls: type[Component]) -> None:
        """``build`` takes all that the engine supplies to its kind, and asks for nothing else."""
        kind: Any = cls.__mro__[[base.__dict__.get("kind") for base in cls.__mro__].index(cls.kind)]
        if hasattr(kind, "build"):
            assert getattr(cls, "build") is not kind.build, f"{cls.__name__} has no build(...)"  # noqa: B009
            supplied = set(inspect.signature(kind.build).parameters)
            wanted = inspect.signature(getattr(cls, "build")).parameters  # noqa: B009
            needed = {name for name, one in wanted.items() if one.default is one.empty}
            assert needed <= supplied, f"build asks for {needed - supplied}, which nobody supplies"
            assert supplied <= set(wanted), f"build does not take {supplied - set(wanted)}"

    def test_its_module_imports_nothing_heavy(self, cls: type[Component]) -> None:
        """Listing plugins stays quick: torch and the like arrive in ``build``, not with the module."""
        heavy = _heavy_imports(cls.__module__)
        assert not heavy, f"importing {cls.__module__} imports {', '.join(heavy)}: move that into build"

    def test_a_recipe_gives_it_back(self, cls: type[Component], tmp_path: Path) -> None:
        """Its settings survive being written into a recipe and read again."""
        said = to_data(self.example(cls, tmp_path / "made"))
        recipe = read_recipe(checks_of(cls).into(dict(TINY), said), tmp_path / "written.toml", cls)
        file = tmp_path / "again.toml"
        write_text(file, dump(recipe))
        (again,) = load(file, registry_with(cls))
        assert again.recipe == recipe, f"written and read again it is another: {said}"

    def test_it_works_the_same_twice(self, cls: type[Component], tmp_path: Path) -> None:
        """It does what its kind promises, and after the same seed exactly the same again."""
        component = self.example(cls, tmp_path / "made")
        first, second = (_seeded(checks_of(cls).works, component, tmp_path / name) for name in ("one", "two"))
        assert _same(first, second), "the same seed gave another result"

    def test_it_trains(self, cls: type[Component], tmp_path: Path) -> None:
        """A step of training reaches what it has to."""
        trains = checks_of(cls).trains
        if trains is None:
            pytest.skip(f"the kind {cls.kind} has no step of training of its own")
        _seeded(trains, self.example(cls, tmp_path / "made"), tmp_path)

    def test_it_survives_its_extremes(self, cls: type[Component], tmp_path: Path) -> None:
        """With each setting at an end of its range it works, or says in words why it cannot: where it is made or built
        by a ``ValueError`` too, in use by a ``CellclsError`` alone."""
        usual = self.example(cls, tmp_path / "made")
        for name, value in extremes(cls):
            try:
                with _refusing():
                    component = type(usual)(**{**_settings(usual), name: value})
                _build_refusing(component)
                _seeded(checks_of(cls).works, component, tmp_path / f"{name}-{value}")
            except CellclsError as refused:
                assert str(refused), f"{name} = {value!r} is refused without a word"  # noqa: PT017
            except Exception as error:
                raise AssertionError(f"with {name} = {value!r}: {type(error).__name__}: {error}") from error

    def test_it_resumes(self, cls: type[Component], tmp_path: Path) -> None:
        """A tiny run with it that is stopped between two epochs' steps and resumed equals one that was not."""
        made = self.example(cls, tmp_path / "made")
        instead = checks_of(cls).instead
        if instead is not None:
            _seeded(instead, made, tmp_path)
            return
        said = to_data(made)
        recipe = {**checks_of(cls).into(dict(TINY), said), **self.quick_run}
        whole = run_recipe(recipe, tmp_path / "whole", cls)
        if (whole / "history.jsonl").read_text().count("\n") > 1:
            run_recipe(recipe, tmp_path / "stopped", cls, stop_after=3)
            assert not (tmp_path / "stopped" / "metrics.json").exists(), "the stopped run ended before it was stopped"
        assert_equal_runs(whole, run_recipe(recipe, tmp_path / "stopped", cls))


@contextmanager
def _refusing() -> Iterator[None]:
    """Make the refusal that a ``ValueError`` is one of cellcls's errors."""
    try:
        yield
    except ValueError as error:
        raise CellclsError(str(error)) from error


def _build_refusing(component: Component) -> None:
    """Let a component's ``build`` refuse by a ``ValueError``."""
    build = getattr(component, "build", None)
    if build is not None:
        object.__setattr__(component, "build", _refusing()(build))  # a component is frozen


def _settings(component: Component) -> dict[str, Any]:
    return {field.attribute: getattr(component, field.attribute) for field in fields_of(type(component)).values()}


def _seeded(check: Callable[[Any, Path], Any], component: Component, folder: Path) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  # a plugin may use it
    return check(component, folder)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


@cache
def _heavy_imports(module: str) -> list[str]:
    code = (
        "import importlib, json, sys\n"
        f"importlib.import_module({module!r})\n"
        f"print(json.dumps(sorted(set({sorted(HEAVY)!r}) & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=_environment())
    assert done.returncode == 0, f"{module} cannot be imported: {done.stderr}"
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def _environment() -> dict[str, str]:
    """Return the environment of a child that finds the modules this process finds."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
