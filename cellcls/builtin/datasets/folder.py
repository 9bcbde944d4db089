"""Data sets with one folder per class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.api import BadImage, Input, Source
from cellcls.errors import DataError
from cellcls.ops.classes import PART_NAMES, canonical, clash, ordered
from cellcls.ops.storage.files import printable
from cellcls.ops.storage.folders import Scan, has_images, look, scan, subfolders, visible
from cellcls.ops.storage.image_cache import DecodedImages, decode_once
from cellcls.ops.storage.skipped import count_skipped, skipped_in_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LAYOUT = "one folder of images per class (JPEG, PNG, WebP, BMP, TIFF), or such folders in train, val and test"


@attrs.frozen
class _ImageFile:
    path: Path
    name: str
    class_name: str
    part: str | None


@attrs.frozen
class _Layout:
    """The folders of a data set."""

    classes: list[tuple[Path, str | None]]
    """The class folders, each with its part."""
    parts: list[Path] = attrs.field(factory=list)
    strays: list[Path] = attrs.field(factory=list)
    """Folders beside those of the parts."""


@attrs.frozen
class _Found:
    """The images of a data set and what is skipped of its folder."""

    root: Path
    images: list[_ImageFile] = attrs.field(factory=list)
    skipped: dict[Path, str] = attrs.field(factory=dict)
    unreadable: dict[Path, str] = attrs.field(factory=dict)

    def add(self, place: Path, part: str | None, inside: Scan) -> None:
        """Add the content of a class folder."""
        name = _class_name(place)
        self.images.extend(_ImageFile(file, self.name(file), name, part) for file in inside.images)
        self.skipped.update(inside.skipped)
        self.unreadable.update(inside.unreadable)

    def name(self, file: Path) -> str:
        """Return the path of a file in the folder as text."""
        return printable(file.relative_to(self.root).as_posix())

    def skipped_files(self) -> tuple[BadImage, ...]:
        """Return what is skipped, sorted by path."""
        return tuple(BadImage(self.name(file), reason) for file, reason in sorted(self.skipped.items()))


class _FolderSource(Source):
    """The readable images of a folder."""

    prepared = True

    def __init__(self, decoded: DecodedImages, found: _Found) -> None:
        images = found.images
        self.class_names = ordered({image.class_name for image in images})
        bad = {images[row].name: reason for row, reason in decoded.bad.items()}
        bad |= {found.name(folder): _unreadable(folder, why).message for folder, why in found.unreadable.items()}
        self.bad_images = tuple(BadImage(name, reason) for name, reason in bad.items())
        self.skipped_files = found.skipped_files()
        images = [images[row] for row in decoded.rows]
        self.labels = np.array([self.class_names.index(image.class_name) for image in images], dtype=np.int64)
        self.parts = np.array([image.part for image in images], dtype=np.str_) if images[0].part else None
        self.names = [image.name for image in images]
        self.columns = {"folder": [printable(image.path.parent.name) for image in images]}
        self.sizes, self.hashes = decoded.sizes, decoded.hashes
        self._decoded = decoded

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images (B, size, size, 3), RGB, 0..255, in the order of ``indices``."""
        return self._decoded.read(indices)

    def release_memory(self) -> None:
        """Free memory held since earlier reads."""
        self._decoded.release_memory()


def looks_like_classes(path: Path) -> bool:
    """Return whether ``path`` contains folders of at least two classes with images, checking only a few files."""
    try:
        names = {canonical(place.name) for place, _ in _layout(path).classes if has_images(place)}
    except OSError:
        return False
    return len(names) > 1


def open_folder(path: Path, input: Input, cache: Path, *, skip_bad: bool) -> Source:
    """Open a folder of class folders, with images prepared as the network's ``input``.

    ``skip_bad``: skip unreadable images and list them in ``bad_images``; otherwise the first is an error. Raises
    ``DataError``.
    """
    found = _find(path, skip_bad=skip_bad)
    decoded = decode_once(
        path,
        [image.path for image in found.images],
        input,
        cache=cache,
        skip_bad=skip_bad,
    )
    return _FolderSource(decoded, found)


def _find(path: Path, *, skip_bad: bool) -> _Found:
    """Return the images, sorted by part, class and file name, and what is skipped. Raises ``DataError`` if there are no
    images, or for a folder that cannot be listed unless ``skip_bad``."""
    try:
        found = _find_images(path)
    except OSError as error:
        raise _unreadable(Path(error.filename or path), error.strerror or type(error).__name__) from error
    if found.unreadable and not skip_bad:
        raise _unreadable(*next(iter(found.unreadable.items())), 'or skip such folders: on_bad_image = "skip"')
    if not found.images:
        told = skipped_in_words(count_skipped((file.name, file.reason) for file in found.skipped_files()))
        raise DataError(
            f"{printable(path)}: contains no images and no class folders with images",
            f"expected: {_LAYOUT}",
            *([told] if told else []),
        )
    return found


def _unreadable(folder: Path, reason: str, *hints: str) -> DataError:
    return DataError(f"{printable(folder)}: cannot be read: {reason}", "check its permissions", *hints)


def _find_images(path: Path) -> _Found:
    layout = _layout(path)
    _refuse_clash(path, layout.classes)
    found = _Found(path)
    for around in {path, *layout.parts}:
        found.skipped.update(_beside_classes(around))
    for stray in layout.strays:
        found.skipped.update(dict.fromkeys(scan(stray).images, "in a folder beside train, val and test"))
    folders = [path, *layout.parts, *(place for place, _ in layout.classes)]
    for place, part in layout.classes:
        inside = scan(place, apart=folders)
        if not inside.images and not inside.unreadable:
            found.skipped[place] = "a class folder without images"
        found.add(place, part, inside)
    if found.images:
        return found
    alone = _Found(path)  # images without classes can still be audited
    alone.add(path, None, scan(path))
    return alone if alone.images else found


def _beside_classes(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files beside class folders with the reason why they are skipped."""
    for path in visible(folder):
        kind, reason = look(path)
        if kind in ("image", "skipped"):
            yield path, reason if path.is_dir() else "beside the class folders"


def _class_name(place: Path) -> str:
    return canonical(printable(place.name or place.resolve().name))


def _refuse_clash(path: Path, places: list[tuple[Path, str | None]]) -> None:
    """Raise ``DataError`` if two class folders of a part have names of the same class."""
    for part in {part for _, part in places}:
        same = clash(printable(place.name) for place, own in places if own == part)
        if same:
            raise DataError(
                f"{printable(path)}: the folders {same[0]!r} and {same[1]!r} are names of one class "
                f"(`{canonical(same[0])}`)",
                "put their images into one folder, or rename one of them",
            )


def _layout(path: Path) -> _Layout:
    """Return the folders of a data set: of parts if all its folders are named so, or one of them contains folders of at
    least two classes, else of classes. Raises ``OSError``."""
    folders = subfolders(path)
    parts = [folder for folder in folders if folder.name.lower() in PART_NAMES]
    if not parts or not (len(parts) == len(folders) or any(map(_has_classes, parts))):
        return _Layout([(place, None) for place in folders])
    strays = [folder for folder in folders if folder not in parts]
    return _Layout(
        [(place, PART_NAMES[folder.name.lower()]) for folder in parts for place in subfolders(folder)], parts, strays
    )


def _has_classes(folder: Path) -> bool:
    return len([place for place in subfolders(folder) if has_images(place)]) > 1
