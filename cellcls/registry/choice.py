"""Selection of plugins by environment variables."""

from __future__ import annotations

import os
from collections.abc import Sequence

import attrs

from cellcls.api.hooks import PROJECT
from cellcls.registry.registry import PluginRecord

ONLY, BLOCK = "CELLCLS_PLUGINS", "CELLCLS_BLOCK"
"""Environment variables with names separated by commas: the only plugins to load (empty: none), and those to block."""


def apply_environment(records: Sequence[PluginRecord]) -> list[PluginRecord]:
    """Return the records, with plugins that the environment excludes marked as blocked; cellcls itself never is.

    Warns of names that are not those of installed plugins.
    """
    if ONLY not in os.environ and BLOCK not in os.environ:
        return list(records)
    only = _names(os.environ[ONLY]) if ONLY in os.environ else None
    block = _names(os.environ.get(BLOCK, ""))
    known = set[str]().union(*map(_names_of, records))
    for variable, names in ((ONLY, only or set()), (BLOCK, block)):
        for name in sorted(names - known):
            _warn(f"{variable} names `{name}`, which is not an installed plugin")
    return [_blocked(record, only, block) for record in records]


def _blocked(record: PluginRecord, only: set[str] | None, block: set[str]) -> PluginRecord:
    names = _names_of(record)
    if record.distribution == PROJECT:
        return record
    if names & block:
        return attrs.evolve(record, failure=f"blocked by {BLOCK}", blocked=True)
    if only is not None and not names & only:
        return attrs.evolve(record, failure=f"not among {ONLY}", blocked=True)
    return record


def _names_of(record: PluginRecord) -> set[str]:
    return _names(f"{record.name},{record.distribution}")


def _names(text: str) -> set[str]:
    from packaging.utils import canonicalize_name

    return {canonicalize_name(name.strip()) for name in text.split(",") if name.strip()}


def _warn(text: str) -> None:
    import logging  # not at module level, to keep the start fast

    logging.getLogger(__name__).warning(text)
