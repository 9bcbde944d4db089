"""Discovery: each entry point of the group ``cellcls`` is probed, loaded, asked and checked by itself, so that a broken
plugin is named with its reason and stops nothing else."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import metadata

import attrs

from cellcls.api import KINDS, Component
from cellcls.api.hooks import PROJECT
from cellcls.registry.hook import Refused, offered_by
from cellcls.registry.probe import Probe, probe
from cellcls.registry.registry import PluginRecord, Registry

_log = logging.getLogger(__name__)
ONLY, BLOCK = "CELLCLS_PLUGINS", "CELLCLS_BLOCK"
"""Variables of the environment: the only plugins to load (none, if empty), and plugins not to load; names by comma."""


def load_registry(entry_points: Iterable[metadata.EntryPoint] | None = None) -> Registry:
    """Load every plugin (None: all installed ones that the environment lets; cellcls's own first, then by name) into a
    new registry. An installed plugin is imported only where its probe did not fail."""
    found = metadata.entry_points(group=PROJECT) if entry_points is None else entry_points
    ordered = sorted(found, key=lambda point: (_distribution(point)[0] != PROJECT, point.name))
    blocked = _blocked(ordered) if entry_points is None else [None] * len(ordered)
    probes = _probed(ordered, blocked)
    taken: dict[str, dict[str, type[Component]]] = {kind: {} for kind in KINDS}
    owners: dict[type[Component], str] = {}
    records = []
    for point, why_blocked, seen in zip(ordered, blocked, probes, strict=True):
        distribution, version = _distribution(point)
        record = PluginRecord(
            name=point.name,
            distribution=distribution,
            version=version,
            origin=point.value,
            failure=why_blocked or seen.failure,
            blocked=why_blocked is not None,
            warnings=seen.warnings,
        )
        if record.failure is None:
            try:
                offered = _loaded(point)
                _refuse_taken(offered, taken, owners)
            except Refused as reason:
                record = attrs.evolve(record, failure=str(reason))
            else:
                record = attrs.evolve(record, components=tuple(offered))
        for cls in record.components:
            taken[cls.kind][cls.component_name] = cls
            owners[cls] = distribution
        records.append(record)
    return Registry(components=taken, plugins=tuple(records))


def _distribution(point: metadata.EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown", "")


def _is_own(point: metadata.EntryPoint) -> bool:
    return _distribution(point)[0] == PROJECT


def _probed(points: Sequence[metadata.EntryPoint], blocked: Sequence[str | None]) -> list[Probe]:
    """Return what is known of each plugin; nothing of cellcls's own, of blocked ones and of those not installed."""
    asked = [bool(point.dist) and not _is_own(point) and not why for point, why in zip(points, blocked, strict=True)]
    made = iter(probe([point for point, ask in zip(points, asked, strict=True) if ask]))
    return [next(made) if ask else Probe() for ask in asked]


def _loaded(point: metadata.EntryPoint) -> list[type[Component]]:
    if _is_own(point):
        return offered_by(point)
    with _stdout_to_stderr():
        return offered_by(point)


@contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """What a plugin writes to stdout must not stand in the middle of an answer in JSON: it goes to stderr, from Python
    and from below it."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # a process without a stdout
        kept = None
    try:
        if kept is not None:
            os.dup2(2, 1)
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


def _blocked(points: Sequence[metadata.EntryPoint]) -> list[str | None]:
    """Say of each plugin why the environment keeps it out (None: it does not); warns of names that no plugin has."""
    only = os.environ.get(ONLY)
    block = _names(os.environ.get(BLOCK, ""))
    reasons: list[str | None] = []
    known: set[str] = set()
    for point in points:
        own = {_plain(point.name), _plain(_distribution(point)[0])}
        known |= own
        if _is_own(point):
            reasons.append(None)
        elif own & block:
            reasons.append(f"blocked by {BLOCK}")
        else:
            kept = only is None or own & _names(only)
            reasons.append(None if kept else f"not among {ONLY}")
    for variable, names in ((ONLY, _names(only or "")), (BLOCK, block)):
        for name in sorted(names - known):
            _log.warning("%s names `%s`, which is no installed plugin", variable, name)
    return reasons


def _names(text: str) -> set[str]:
    return {_plain(name.strip()) for name in text.split(",") if name.strip()}


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _refuse_taken(
    offered: Sequence[type[Component]],
    taken: dict[str, dict[str, type[Component]]],
    owners: dict[type[Component], str],
) -> None:
    own: set[tuple[str, str]] = set()
    for cls in offered:
        key = (cls.kind, cls.component_name)
        other = taken[cls.kind].get(cls.component_name)
        if other or key in own:
            owner = owners[other] if other else "this plugin itself"
            raise Refused(f"the {cls.kind} name `{cls.component_name}` is already taken by {owner}")
        own.add(key)
