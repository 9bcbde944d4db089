"""``cellcls list-plugins``: what is installed, what it offers, what failed and why."""

from __future__ import annotations

import rich_click as click

from cellcls.cli.output import json_option, print_json, table
from cellcls.registry import PluginRecord, load_registry


@click.command("list-plugins")
@json_option
def list_plugins(as_json: bool) -> None:
    """List the installed plugins, what each offers, why one failed, and what one does that it should not."""
    plugins = load_registry().plugins
    if as_json:
        print_json([_record(one) for one in plugins])
        return
    for one in plugins:
        _show(one)


def _record(one: PluginRecord) -> dict[str, object]:
    return {
        "plugin": one.name,
        "distribution": one.distribution,
        "version": one.version,
        "origin": one.origin,
        "offers": one.offers(),
        "failure": one.failure,
        "blocked": one.blocked,
        "warnings": list(one.warnings),
    }


def _show(one: PluginRecord) -> None:
    heading = f"{one.name}  ({one.distribution} {one.version}, {one.origin})"
    if one.blocked:
        print(f"{heading}\n  not loaded: {one.failure}\n")
    elif one.failure:
        print(f"{heading}\n  FAILED: {one.failure}\n  mend it, or: pip uninstall {one.distribution}\n")
    else:
        offered: dict[str, list[str]] = {}
        for cls in one.components:
            offered.setdefault(cls.kind, []).append(cls.component_name)
        rows = [{"kind": kind, "offers": ", ".join(names)} for kind, names in offered.items()]
        table(heading, rows)
        for warning in one.warnings:
            print(f"  warning: {warning}")
        if one.warnings:
            print(f"  it works; tell its authors, or: pip uninstall {one.distribution}\n")
