"""``cellcls list-plugins``: lists installed plugins, their components and failures."""

from __future__ import annotations

import click

from cellcls.cli.output import json_option, print_json
from cellcls.errors import ExitCode
from cellcls.ops.text import visible
from cellcls.registry import PluginRecord, load_registry


@click.command("list-plugins")
@click.option("--check", is_flag=True, help="First try each plugin in its own process; exit with 1 if one fails.")
@json_option
def list_plugins(check: bool, as_json: bool) -> ExitCode:
    """List the installed plugins: what each offers, how long it takes to import, and why it failed.

    --check also finds plugins that crash, exit, hang, fork, print, leave threads or files, or set global seeds. A
    plugin that was blocked because it ended a process is loaded again if it passes.
    """
    plugins = load_registry(check=check).plugins
    if as_json:
        print_json([_record(plugin) for plugin in plugins])
    else:
        print(visible("\n\n".join("\n".join(_lines(plugin)) for plugin in plugins), keep="\n"))
    failed = any(plugin.failure and not plugin.blocked for plugin in plugins)
    return ExitCode.CHECK_FAILED if check and failed else ExitCode.DONE


def _record(plugin: PluginRecord) -> dict[str, object]:
    return {
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "origin": plugin.origin,
        "offers": plugin.offers(),
        "failure": plugin.failure,
        "blocked": plugin.blocked,
        "warnings": list(plugin.warnings),
        "seconds": plugin.seconds,
        "heavy": list(plugin.heavy),
    }


def _lines(plugin: PluginRecord) -> list[str]:
    heading = f"{plugin.name}  ({plugin.distribution} {plugin.version}, {plugin.origin})"
    if plugin.blocked:
        return [heading, f"  not loaded: {plugin.failure}"]
    if plugin.failure:
        return [heading, f"  FAILED: {plugin.failure}", f"  fix or remove it: pip uninstall {plugin.distribution}"]
    offered: dict[str, list[str]] = {}
    for cls in plugin.components:
        offered.setdefault(cls.kind, []).append(cls.component_name)
    for model in plugin.models:
        missing = "" if model.weights.is_file() else f" (its weights are missing: {model.weights})"
        offered.setdefault("model", []).append(f"{model.name}{missing}")
    width = max(map(len, offered), default=0)
    lines = [f"{heading}  imported in {plugin.seconds:.3f} s"]
    lines += [f"  {kind:<{width}}  {', '.join(names)}" for kind, names in offered.items()]
    lines += [f"  warning: {warning}" for warning in plugin.warnings]
    if plugin.warnings:
        lines.append(f"  it works; report this to its authors, or remove it: pip uninstall {plugin.distribution}")
    return lines
