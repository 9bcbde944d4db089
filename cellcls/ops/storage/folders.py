"""Finds the images in a folder and the folders below it, and says why any other file is not one of them."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

import attrs

from cellcls.ops.storage.decode import EXTENSIONS
from cellcls.ops.storage.files import printable

_SYSTEM = frozenset(
    {
        "__macosx",  # macOS, in zip files
        "icon\r",
        "thumbs.db",  # Windows
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "@eadir",  # Synology and QNAP
        "@tmp",
        "#recycle",
        "#snapshot",
        "@recycle",
        "@recently-snapshot",
        "lost+found",  # Linux
    }
)
"""Names, in lower case, of what operating systems and file servers leave beside one's files."""
_PEEKED = 10_000
"""Files after which the search for a first image ends."""

Kind = Literal["image", "skipped", "unreadable", "folder", "ignored"]


@attrs.frozen
class Scan:
    """What a folder and the folders below it contain, each sorted by path.

    Hidden files, files of the operating system, empty folders and empty files that are not images are in none of these.
    """

    images: tuple[Path, ...]
    """Files with the suffix of an image (``EXTENSIONS``), and broken links with such a suffix."""
    skipped: Mapping[Path, str]
    """Other files, with the reason why they are no images."""
    unreadable: Mapping[Path, str]
    """Folders whose content could not be listed, with the reason."""


def scan(folder: Path, *, apart: Iterable[Path] = ()) -> Scan:
    """Find the images in ``folder`` and below.

    Links to folders are followed, and each folder is listed once, under its own path if it has one in ``folder``: a
    link to a folder above ends there. ``apart``: folders that are not entered by a link.
    """
    found: dict[Kind, dict[Path, str]] = defaultdict(dict)
    for path, kind, reason in sorted(_walk(folder, apart)):
        found[kind][path] = reason
    return Scan(tuple(found["image"]), found["skipped"], found["unreadable"])


def has_images(folder: Path) -> bool:
    """Return whether ``folder`` or a folder below contains an image, looking at a limited number of files."""
    return any(kind == "image" for _, kind, _ in islice(_walk(folder), _PEEKED))


def visible(folder: Path) -> list[Path]:
    """Return the content of a folder, sorted, except for hidden files and those of the operating system.

    Raises ``OSError`` if the folder cannot be listed.
    """
    return sorted(
        path for path in folder.iterdir() if not path.name.startswith(".") and path.name.lower() not in _SYSTEM
    )


def is_image(path: Path) -> bool:
    """Return whether a file has the suffix of an image."""
    return path.suffix.lower() in EXTENSIONS


def subfolders(folder: Path) -> list[Path]:
    """Return the visible folders in a folder, sorted, except for those with the name of an image file."""
    return [path for path in visible(folder) if path.is_dir() and not is_image(path)]


def look(path: Path) -> tuple[Kind, str]:
    """Return what a visible file or folder is, and the reason if it is ``skipped``; ``ignored``: it is empty."""
    try:
        status = path.stat()
    except OSError as error:  # a broken link, a loop of links, no permission
        if is_image(path):
            return "image", ""
        return "skipped", f"cannot be opened ({error.strerror or type(error).__name__})"
    if stat.S_ISDIR(status.st_mode):
        if not is_image(path):
            return "folder", ""
        return ("skipped" if _has_content(path) else "ignored"), "a folder named like an image"
    if not stat.S_ISREG(status.st_mode):
        return "skipped", "neither a file nor a folder"
    if is_image(path):
        return "image", ""
    if not status.st_size:
        return "ignored", ""
    return "skipped", f"of another type, {printable(path.suffix.lower())}" if path.suffix else "without a suffix"


def _walk(folder: Path, apart: Iterable[Path] = ()) -> Iterator[tuple[Path, Kind, str]]:
    real = os.path.realpath(folder)
    entered = {os.path.realpath(place) for place in apart}.union(map(str, Path(real).parents)) - {real}
    waiting, linked = [folder], list[Path]()
    while waiting or linked:
        place = waiting.pop() if waiting else linked.pop(0)  # links last, so that a folder keeps its own path
        real = os.path.realpath(place)
        if real in entered:
            continue
        entered.add(real)
        try:
            inside = visible(place)
        except OSError as error:
            yield place, "unreadable", error.strerror or type(error).__name__
            continue
        for path in inside:
            kind, reason = look(path)
            if kind == "folder":
                (linked if path.is_symlink() else waiting).append(path)
            elif kind != "ignored":
                yield path, kind, reason
        linked.sort()


def _has_content(folder: Path) -> bool:
    try:
        return bool(visible(folder))
    except OSError:
        return True
