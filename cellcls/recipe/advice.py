"""Advice on what to write instead of a value of the wrong type."""

from __future__ import annotations

import types
from pathlib import Path as FilePath
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from cellcls.errors import suggestion
from cellcls.recipe.scan import Path


def advise(target: Any, value: Any, path: Path) -> str:
    """Return advice for ``value``, which is not of the type ``target``, or an empty string."""
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    arms = get_args(target) if get_origin(target) in (Union, types.UnionType) else (target,)
    if isinstance(value, str):
        return _instead_of_text(arms, value, key, path)
    if isinstance(value, dict):
        listed = [arm for arm in arms if get_origin(arm) is tuple and _is_table(get_args(arm)[0])]
        return f"write [[{key}]], with double brackets, before each of them" if listed and len(path) == 1 else ""
    if isinstance(value, list):
        if not any(map(_is_table, arms)):
            return ""
        return f"write [{key}], with single brackets: there can be only one" if len(path) == 1 else f"{key} = {{ ... }}"
    return "" if is_too_large(value) else _instead_of_scalar(arms, value, key)


def is_too_large(value: Any) -> bool:
    """Return whether ``value`` is an integer beyond 64 bits: TOML has none, and ``str`` rejects thousands of digits."""
    return type(value) is int and not -(2**63) <= value < 2**63


def _instead_of_text(arms: tuple[Any, ...], value: str, key: str, path: Path) -> str:
    options = [option for arm in arms if get_origin(arm) is Literal for option in get_args(arm)]
    if options:
        return suggestion(value, map(str, options)).strip()
    if (bool in arms and value in ("true", "false")) or ({int, float} & set(arms) and _is_number(value)):
        return f"without quotes: {key} = {value}"
    if any(map(_is_table, arms)) and isinstance(path[-1], str):
        return f'write {key} = {{ use = "{value}" }}' if hasattr(arms[0], "kind") else ""
    return _in_brackets(arms, f'"{value}"', key)


def _instead_of_scalar(arms: tuple[Any, ...], value: Any, key: str) -> str:
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    if str in arms or FilePath in arms:
        return f'in quotes: {key} = "{shown}"'
    if int in arms and isinstance(value, float) and value.is_integer():
        return f"without the decimal point: {key} = {value:.0f}"
    return _in_brackets(arms, shown, key)


def _in_brackets(arms: tuple[Any, ...], shown: str, key: str) -> str:
    """Advise a list of one item where a list of strings or numbers is expected."""
    lists = [get_args(arm) for arm in arms if get_origin(arm) is tuple]
    plain = any(args[-1] is Ellipsis and args[0] in (int, float, str) for args in lists)
    return f"write {key} = [{shown}]" if plain else ""


def _is_table(target: Any) -> bool:
    return isinstance(target, type) and attrs.has(target)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
