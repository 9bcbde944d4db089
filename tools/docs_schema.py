"""Write the JSON Schema of recipes, with which an editor completes and checks them while they are typed.

python tools/docs_schema.py recipe.schema.json
"""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from cellcls.api import KINDS, Component
from cellcls.recipe import Field, File, fields_of, to_data
from cellcls.recipe.structure import is_kind
from cellcls.registry import Registry, load_registry

Schema = dict[str, Any]

_PLAIN = {bool: "boolean", int: "integer", float: "number", str: "string", Path: "string"}
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def schema(registry: Registry) -> Schema:
    """Return the schema of a recipe's file, of the components of ``registry``.

    Nothing is required, as a file with a ``base`` and a variant say only what differs; a table without ``use`` may say
    whatever one of its kind's components takes.
    """
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "cellcls recipe",
        **_section(File),
        "definitions": {kind: _kind(kind, registry) for kind in KINDS},
    }


def _kind(kind: str, registry: Registry) -> Schema:
    """Return the schema of a table that names a component of ``kind`` with ``use``."""
    classes = [cls for name in registry.names(kind) if (cls := registry.find(kind, name))]
    named = [_component(cls) for cls in classes]
    either: Schema = {}
    for one in named:
        either.update({key: {} for key in one["properties"] if key != "use"})
    whole = any(one["additionalProperties"] is not False for one in named)
    unnamed = {"type": "object", "properties": either, "additionalProperties": whole}
    return {"anyOf": [*named, unnamed]}


def _component(cls: type[Component]) -> Schema:
    made = _section(cls)
    about = " ".join((cls.__doc__ or "").split())
    use = {"const": cls.component_name, "description": about}
    return {**made, "properties": {"use": use, **made["properties"]}, "required": ["use"]}


def _section(cls: type[Any]) -> Schema:
    fields = fields_of(cls)
    rest = next((field for field in fields.values() if field.param.rest), None)
    return {
        "type": "object",
        "properties": {name: _setting(field) for name, field in fields.items() if field is not rest},
        "additionalProperties": _type(get_args(rest.type)[1], {}) if rest else False,
    }


def _setting(field: Field) -> Schema:
    bounds = {_BOUNDS[name]: bound for name, bound in field.param.bounds}
    made = {"description": field.param.help, **_type(field.type, bounds)}
    if "$ref" in made:  # draft 7 reads nothing beside a reference
        return {"description": field.param.help, "allOf": [{"$ref": made["$ref"]}]}
    default = field.default_data if field.default_data is not None else to_data(field.default)
    return made if field.required or default in (None, "") else {**made, "default": default}


def _type(target: Any, bounds: Schema) -> Schema:
    origin, arms = get_origin(target), [arm for arm in get_args(target) if arm is not types.NoneType]
    if origin in (Union, types.UnionType):
        return _type(arms[0], bounds) if len(arms) == 1 else {"anyOf": [_type(arm, bounds) for arm in arms]}
    if origin is Literal:
        return {"enum": arms}
    if origin is tuple:
        count = {} if arms[-1] is Ellipsis else {"minItems": len(arms), "maxItems": len(arms)}
        return {"type": "array", "items": _type(arms[0], bounds), **count}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _type(arms[1], bounds)}
    if is_kind(target):
        return {"$ref": f"#/definitions/{target.kind}"}
    if attrs.has(target):
        return _section(target)
    name = _PLAIN.get(target)
    if name is None:
        return {}
    return {"type": name, **(bounds if name in ("integer", "number") else {})}


def main() -> None:
    """Write the schema."""
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(schema(load_registry()), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
