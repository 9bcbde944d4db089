"""Discovery of plugins: each entry point of the group ``cellcls`` is imported and checked by itself, so that a broken
plugin is reported and does not affect the others."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from importlib import metadata

import attrs

from cellcls.api import KINDS, Component
from cellcls.api.hooks import PROJECT
from cellcls.registry.choice import BLOCK, apply_environment
from cellcls.registry.guard import guarded
from cellcls.registry.heavy import HEAVY
from cellcls.registry.hook import Offered, Refused, offered_by, refuse_unresolved
from cellcls.registry.marker import Named, ended_the_process, forgive, marked
from cellcls.registry.registry import PluginRecord, Registry
from cellcls.registry.version import refuse_other_version

_SLOW = 0.3
"""Seconds that importing a plugin may take without a warning."""
_ENDED = (
    "importing it ended the process the last time, so it was skipped; to try it again: cellcls list-plugins --check"
)


def load_registry(entry_points: Iterable[metadata.EntryPoint] | None = None, *, check: bool = False) -> Registry:
    """Import plugins and return the components they offer.

    ``entry_points``: the plugins (None: all installed ones that the environment does not exclude). That of cellcls
    comes first, then the others by name. ``check``: try each in a separate process first, and skip those that fail.
    """
    found = list(metadata.entry_points(group=PROJECT) if entry_points is None else entry_points)
    records = [_record(point) for point in found]
    if entry_points is None:
        records = apply_environment(records)
    admit = _checked if check else _left_out
    records = [
        record if record.failure or _is_own(record) else admit(point, record)
        for point, record in zip(found, records, strict=True)
    ]
    plugins = sorted(zip(found, records, strict=True), key=lambda pair: (not _is_own(pair[1]), pair[1].name))
    components: dict[str, dict[str, type[Component]]] = {kind: {} for kind in KINDS}
    loaded: list[PluginRecord] = []
    with marked() as named:
        for point, record in plugins:
            if record.failure is None:
                record = _load(point, record, Registry(components=components, plugins=tuple(loaded)), named)
            for cls in record.components:
                components[cls.kind][cls.component_name] = cls
            loaded.append(record)
    return Registry(components=components, plugins=tuple(loaded))


def _record(point: metadata.EntryPoint) -> PluginRecord:
    if point.dist is None:
        return PluginRecord(name=point.name, distribution="unknown", version="", origin=point.value)
    about = point.dist.metadata  # parsed anew at each use
    return PluginRecord(
        name=point.name,
        distribution=about["Name"],
        version=about["Version"],
        origin=point.value,
        requires=tuple(about.get_all("Requires-Dist") or ()),
    )


def _is_own(record: PluginRecord) -> bool:
    return record.distribution == PROJECT


def _left_out(point: metadata.EntryPoint, record: PluginRecord) -> PluginRecord:
    return attrs.evolve(record, failure=_ENDED) if ended_the_process(point, record.version) else record


def _checked(point: metadata.EntryPoint, record: PluginRecord) -> PluginRecord:
    from cellcls.registry.check import check_plugin

    result = check_plugin(point, record.requires)
    if result.failure is None:
        forgive(point)
    return attrs.evolve(record, failure=result.failure, warnings=result.warnings)


def _load(point: metadata.EntryPoint, record: PluginRecord, before: Registry, named: Named) -> PluginRecord:
    """Return the record with what the plugin offers, or the reason why it cannot be used."""
    modules, started = set(sys.modules), time.perf_counter()
    offered = Offered()
    failure, warnings = None, []
    try:
        if _is_own(record):
            offered = offered_by(point)
        else:
            refuse_other_version(record.requires)
            named(point, record.version)
            with guarded() as warnings:
                offered = offered_by(point)
                refuse_unresolved(offered.components)
        _refuse_taken(offered, before)
    except Refused as reason:
        failure = str(reason)
    except KeyboardInterrupt:
        import logging

        logging.getLogger(__name__).warning(
            "stopped while the plugin `%s` was imported; to skip it: %s=%s", point.name, BLOCK, point.name
        )
        raise
    seconds = time.perf_counter() - started
    heavy = tuple(sorted(HEAVY & (set(sys.modules) - modules)))
    return attrs.evolve(
        record,
        components=() if failure else tuple(offered.components),
        models=() if failure else tuple(offered.models),
        failure=failure,
        seconds=seconds,
        heavy=heavy,
        warnings=record.warnings or (*_slow(seconds, heavy), *warnings),
    )


def _slow(seconds: float, heavy: Sequence[str]) -> list[str]:
    warnings = [f"takes {seconds:.1f} s to import, for every command"] if seconds > _SLOW else []
    if heavy:
        warnings.append(f"imports {', '.join(heavy)} at module level, for every command: import it in `build`")
    return warnings


def _refuse_taken(offered: Offered, before: Registry) -> None:
    seen: set[tuple[str, str]] = set()
    for cls in offered.components:
        key = (cls.kind, cls.component_name)
        other = before.find(*key)
        if other or key in seen:
            owner = before.plugin_of(other).distribution if other else "this plugin itself"
            raise Refused(f"the {cls.kind} name `{cls.component_name}` is already taken by {owner}")
        seen.add(key)
    models = {name: plugin.distribution for name, (_, plugin) in before.models().items()}
    for model in offered.models:
        if model.name in models:
            raise Refused(f"the model name `{model.name}` is already taken by {models[model.name]}")
        models[model.name] = "this plugin itself"
