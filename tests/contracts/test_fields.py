"""Outside the components nothing knows a setting by name that only some components of a kind have."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest

import cellcls
from cellcls.api import KINDS, Component
from cellcls.ops.classes import PARTS
from cellcls.recipe import File, fields_of
from cellcls.registry import load_registry

PACKAGE = Path(cellcls.__file__).parent
FILES = [
    file
    for file in sorted(PACKAGE.rglob("*.py"))
    if not {"builtin", "template"} & set(file.relative_to(PACKAGE).parts[:2])
]


def sections(target: Any) -> Iterator[type[Any]]:
    """Yield the sections of a recipe that a type holds, and those in them."""
    if isinstance(target, type) and attrs.has(target):
        if not issubclass(target, Component):
            yield target
            yield from (inner for field in fields_of(target).values() for inner in sections(field.type))
    else:
        yield from (inner for arm in get_args(target) for inner in sections(arm))


def own_settings() -> set[str]:
    """Return the settings that a component declares and neither a kind nor a section of a recipe."""
    declared = {name for cls in load_registry() for name in fields_of(cls)}
    sections_of_recipes = {section for field in fields_of(File).values() for section in sections(field.type)}
    common = {name for cls in (*KINDS.values(), File, *sections_of_recipes) for name in fields_of(cls)}
    return declared - common - set(PARTS)


OWN = own_settings()


def known_by_name(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and name of each setting that the code asks for, compares or changes by its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            texts = node.args[1:2] if called in ("getattr", "hasattr", "setattr") else []
            named = [word.arg for word in node.keywords] if _makes(node.func) else []
        else:
            texts = _compared(node) if isinstance(node, ast.Compare) else []
            named = []
        named += [text.value for text in texts if isinstance(text, ast.Constant)]
        yield from ((node.lineno, name) for name in named if name in OWN)  # type: ignore[attr-defined]


def _compared(node: ast.Compare) -> list[ast.expr]:
    """Return what is compared with a name, or looked for among the fields of a class."""
    sides = [node.left, *node.comparators]
    return sides if any(re.search(r"\bname$|fields|settings", ast.unparse(side)) for side in sides) else []


def _makes(function: ast.expr) -> bool:
    """Tell whether a call changes a component, or makes one of a class that is not known before it runs."""
    return isinstance(function, ast.Call) or ast.unparse(function) in ("changed", "cls")


def test_the_settings_of_components_are_known_here() -> None:
    assert {"file", "model", "pretrained", "on_bad_image", "against"} <= OWN
    assert not {"freeze", "epochs", "p", "lr", "seed", "keras_layers"} & OWN
    assert len(FILES) > 150


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ('getattr(recipe.dataset, "file", None)', "file"),
        ('if hasattr(dataset, "on_bad_image"): pass', "on_bad_image"),
        ("changed(dataset, on_bad_image='skip')", "on_bad_image"),
        ('cast("Any", cls)(file=path)', "file"),
        ("cls(file=path)", "file"),
        ('"model" in fields', "model"),
        ('{name for name in settings if name == "file"}', "file"),
        ('getattr(image, "n_frames")', None),
        ('getattr(stage, "freeze")', None),
        ("changed(recipe, seed=seed)", None),
        ('unit == "share"', None),
        ("print(text, file=stream)", None),
    ],
)
def test_this_finds_them(code: str, name: str | None) -> None:
    assert list(known_by_name(ast.parse(code))) == ([(1, name)] if name else [])


def test_no_setting_of_a_component_is_known_by_its_name() -> None:
    found = [
        f"{file.relative_to(PACKAGE)}:{line}: `{name}` is a setting of some components: ask a method of their kind"
        for file in FILES
        for line, name in known_by_name(ast.parse(file.read_text()))
    ]
    assert not found, "\n".join(found)
