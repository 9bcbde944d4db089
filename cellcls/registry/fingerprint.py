"""What tells that a plugin is still the one that was probed: its version and the times of its files."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

_SKIPPED = {"__pycache__"}


def fingerprint(point: metadata.EntryPoint) -> str:
    """Return a hash of the plugin's version, cellcls's, Python's, and name, size and time of each of its files.

    Nothing is imported: an editable install's folder is found as the import system finds it.
    """
    distribution = [point.dist.name, point.dist.version] if point.dist else []
    told = [sys.version, sys.prefix, metadata.version("cellcls"), point.name, point.value, *distribution]
    told += [f"{path} {size} {time}" for path, size, time in _files(point.module.partition(".")[0])]
    return hashlib.blake2b("\n".join(told).encode(), digest_size=16).hexdigest()


def surroundings() -> list[list[str | int]]:
    """Return the folders that modules come from with their times: installing anything changes one. A plugin that
    failed is tried again where they differ, as what it lacked may be there now. The working folder does not count."""
    folders = sorted({Path(path).resolve() for path in sys.path if path} - {Path.cwd()})
    return [[str(folder), folder.stat().st_mtime_ns] for folder in folders if folder.is_dir()]


def _files(top: str) -> Iterator[tuple[str, int, int]]:
    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return
    if spec is None:
        return
    if not spec.submodule_search_locations:
        yield from _told(Path(spec.origin)) if spec.origin else ()
        return
    for place in spec.submodule_search_locations:
        for path in sorted(Path(place).rglob("*")):
            if path.suffix != ".pyc" and not _SKIPPED & set(path.parts):
                yield from _told(path)


def _told(path: Path) -> Iterator[tuple[str, int, int]]:
    try:
        if path.is_file():
            stat = path.stat()
            yield str(path), stat.st_size, stat.st_mtime_ns
    except OSError:  # gone meanwhile, or not to be read: then it is no part of what is compared
        return
