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
    """Tests that every component must pass. A subclass sets ``plugin`` or ``components``.

    ``plugin``: the module with the hook. ``components``: component classes, instead of a plugin. ``examples``: settings
    by ``"kind name"``, at least those without a default; or a function that creates the files they need in an empty
    folder and returns the settings. ``quick_run``: changes to the tiny recipe of ``test_it_resumes``, as TOML data.
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
        """Parametrize each test over the components."""
        if "cls" in metafunc.fixturenames:
            offered = self.offered()
            metafunc.parametrize(
                "cls", offered, ids=[f"{component.kind}-{component.component_name}" for component in offered]
            )

    def example(self, cls: type[Component], folder: Path) -> Component:
        """Return a component with its settings in ``examples``, and defaults for the others."""
        given = self.examples.get(f"{cls.kind} {cls.component_name}", {})
        if callable(given):
            folder.mkdir(parents=True, exist_ok=True)
            given = given(folder)
        kind = {name: value for name, value in checks_of(cls).example.items() if name in fields_of(cls)}
        return example(cls, {**kind, **given})

    def test_it_is_described(self, cls: type[Component]) -> None:
        """It has a docstring and a help text for each setting; all names are snake_case."""
        doc = vars(cls).get("__doc__") or ""  # not that of the kind
        assert len(doc.split()) >= 3, f"{cls.__name__} has no docstring of at least three words"
        for name, field in fields_of(cls).items():
            assert len(field.param.help) > 10, f"the setting `{name}` has no help: param(help=...)"
        for name in (cls.component_name, *fields_of(cls)):
            assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name), f"`{name}` is not snake_case"
        assert "use" not in fields_of(cls), "no setting may be called `use`, which names the component"

    def test_it_builds_with_what_its_kind_supplies(self, cls: type[Component]) -> None:
        """``build`` takes all arguments that the engine passes to its kind, and requires no others."""
        kind: Any = cls.__mro__[[base.__dict__.get("kind") for base in cls.__mro__].index(cls.kind)]
        if hasattr(kind, "build"):
            assert getattr(cls, "build") is not kind.build, f"{cls.__name__} has no build(...)"  # noqa: B009
            supplied = set(inspect.signature(kind.build).parameters)
            wanted = inspect.signature(getattr(cls, "build")).parameters  # noqa: B009
            needed = {name for name, parameter in wanted.items() if parameter.default is parameter.empty}
            assert needed <= supplied, f"build requires {needed - supplied}, which the engine does not pass"
            assert supplied <= set(wanted), f"build does not take {supplied - set(wanted)}"

    def test_its_module_imports_nothing_heavy(self, cls: type[Component]) -> None:
        """Listing plugins stays quick: heavy modules such as torch are imported in ``build``, not with the module."""
        heavy = heavy_imports(cls.__module__)
        assert not heavy, f"importing {cls.__module__} imports {', '.join(heavy)}: move that into build"

    def test_a_recipe_gives_it_back(self, cls: type[Component], tmp_path: Path) -> None:
        """Its settings stay the same when written to a recipe and read again."""
        data = to_data(self.example(cls, tmp_path / "made"))
        recipe = read_recipe(checks_of(cls).into(dict(TINY), data), tmp_path / "written.toml", cls)
        file = tmp_path / "again.toml"
        write_text(file, dump(recipe))
        (again,) = load(file, registry_with(cls))
        assert again.recipe == recipe, f"the recipe differs after it was written and read again: {data}"

    def test_it_works_the_same_twice(self, cls: type[Component], tmp_path: Path) -> None:
        """It does what its kind requires, and the same seed gives exactly the same result."""
        component = self.example(cls, tmp_path / "made")
        first, second = (_seeded(checks_of(cls).works, component, tmp_path / name) for name in ("one", "two"))
        assert _same(first, second), "the same seed gives a different result"

    def test_it_trains(self, cls: type[Component], tmp_path: Path) -> None:
        """A training step has the effect that its kind requires."""
        trains = checks_of(cls).trains
        if trains is None:
            pytest.skip(f"the kind {cls.kind} has no training step")
        _seeded(trains, self.example(cls, tmp_path / "made"), tmp_path)

    def test_it_survives_its_extremes(self, cls: type[Component], tmp_path: Path) -> None:
        """With each setting at an end of its range it works, or raises a ``CellclsError`` with a message (its
        constructor and ``build`` may also raise ``ValueError``)."""
        usual = self.example(cls, tmp_path / "made")
        for name, value in extremes(cls):
            try:
                with _refusing():
                    component = type(usual)(**{**_settings(usual), name: value})
                _build_refusing(component)
                _seeded(checks_of(cls).works, component, tmp_path / f"{name}-{value}")
            except CellclsError as refused:
                assert str(refused), f"{name} = {value!r} raises an error without a message"  # noqa: PT017
            except Exception as error:
                raise AssertionError(f"with {name} = {value!r}: {type(error).__name__}: {error}") from error

    def test_it_resumes(self, cls: type[Component], tmp_path: Path) -> None:
        """A tiny run with it that is stopped and resumed equals one that was not stopped."""
        component = self.example(cls, tmp_path / "made")
        instead = checks_of(cls).instead
        if instead is not None:
            _seeded(instead, component, tmp_path)
            return
        data = to_data(component)
        recipe = {**checks_of(cls).into(dict(TINY), data), **self.quick_run}
        whole = run_recipe(recipe, tmp_path / "whole", cls)
        if (whole / "history.jsonl").read_text().count("\n") > 1:
            run_recipe(recipe, tmp_path / "stopped", cls, stop_after=3)
            assert not (tmp_path / "stopped" / "metrics.json").exists(), "the run ended before it was stopped"
        assert_equal_runs(whole, run_recipe(recipe, tmp_path / "stopped", cls))


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn a ``ValueError`` into a ``CellclsError``."""
    try:
        yield
    except ValueError as error:
        raise CellclsError(str(error)) from error


def _build_refusing(component: Component) -> None:
    """Let a component's ``build`` raise ``ValueError``."""
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


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)


@cache
def heavy_imports(module: str) -> list[str]:
    """Return the heavy libraries that importing a module imports."""
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
    """Return an environment for a child process with the same module search path."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
