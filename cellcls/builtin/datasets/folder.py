"""One folder a class: listing, naming, decoding once into a cache."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.api import BadImage
from cellcls.builtin.datasets.arrays import ArraySource
from cellcls.errors import DataError
from cellcls.ops.cache import cache_key, cached_array
from cellcls.ops.classes import CLASSES, canonical
from cellcls.ops.decode import EXTENSIONS, Fit, decode_files, fit
from cellcls.ops.files import write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_LAYOUT = "a folder a class with its pictures (JPEG, PNG, WebP, BMP, TIFF), or such folders in train, val and test"


@attrs.frozen
class _Picture:
    path: Path
    name: str
    class_name: str
    part: str | None


class _FolderSource(ArraySource):
    """Decoded pictures; ``rows`` (N,) are the places in ``images`` of those that could be read."""

    def __init__(self, images: NDArray[np.uint8], rows: NDArray[np.intp], pictures: list[_Picture]) -> None:
        class_names = _order({picture.class_name for picture in pictures})
        pictures = [pictures[row] for row in rows]
        labels = np.array([class_names.index(picture.class_name) for picture in pictures], dtype=np.int64)
        parts = np.array([picture.part for picture in pictures], dtype=np.str_) if pictures[0].part else None
        super().__init__([images], labels, class_names, parts)
        self.names = [picture.name for picture in pictures]
        self._rows = rows

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images (B, size, size, 3), RGB, 0..255, in the order of ``indices``."""
        return super().read(self._rows[indices])


def looks_like_classes(path: Path) -> bool:
    """Tell whether ``path`` holds folders of two classes or more with a picture in each, looking at few files."""
    try:
        return len({canonical(place.name) for place, _ in _class_folders(path) if any(_pictures_in(place))}) > 1
    except OSError:
        return False


def open_folder(path: Path, size: int, interpolation: str, how: Fit, cache: Path, *, skip_bad: bool) -> ArraySource:
    """Open a folder of class folders, its pictures brought to ``size`` x ``size``.

    ``skip_bad``: leave out pictures that cannot be read and list them in ``bad_images``; else the first is an error.
    Raises ``DataError``.
    """
    pictures = _list(path)
    images, bad = _decode_once(path, pictures, size, interpolation, how, cache, skip_bad=skip_bad)
    rows = np.array([row for row in range(len(pictures)) if row not in bad], dtype=np.intp)
    if len({pictures[row].class_name for row in rows}) < 2:
        raise DataError(f"{path}: pictures that can be read are left in one class at most", *bad.values())
    source = _FolderSource(images, rows, pictures)
    source.bad_images = tuple(BadImage(pictures[row].name, reason) for row, reason in bad.items())
    return source


def _decode_once(
    path: Path, pictures: list[_Picture], size: int, interpolation: str, how: Fit, cache: Path, *, skip_bad: bool
) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Return the decoded pictures (n, size, size, 3), and of those that could not be read (black) the reason."""
    stats = [picture.path.stat() for picture in pictures]
    files = [(picture.name, stat.st_size, stat.st_mtime_ns) for picture, stat in zip(pictures, stats, strict=True)]
    npy = cache / f"folder-{cache_key(path.resolve(), files, size, interpolation, how)}.npy"
    list_of_bad = npy.with_suffix(".json")

    if not list_of_bad.exists():
        npy.unlink(missing_ok=True)

    def decoded() -> Iterator[NDArray[np.uint8]]:
        bad: dict[int, str] = {}
        done = decode_files([picture.path for picture in pictures], lambda image: fit(image, size, interpolation, how))
        for row, image in enumerate(done):
            if isinstance(image, DataError):
                bad[row] = image.message
                _refuse_unless(skip_bad, image.message)
            yield np.zeros((size, size, 3), dtype=np.uint8) if isinstance(image, DataError) else image
        write_json(list_of_bad, bad)  # before the array gets its name, so that none is ever without its list

    images = cached_array(npy, (len(pictures), size, size, 3), np.dtype(np.uint8), decoded)
    bad = {int(row): str(reason) for row, reason in json.loads(list_of_bad.read_text(encoding="utf-8")).items()}
    for reason in bad.values():
        _refuse_unless(skip_bad, reason)
    return images, bad


def _refuse_unless(skip_bad: bool, reason: str) -> None:
    if not skip_bad:
        raise DataError(reason, 'replace or remove the file, or leave out such files: on_bad_image = "skip"')


def _list(path: Path) -> list[_Picture]:
    """Return the pictures by part, class and file name. Raises ``DataError`` where it is not laid out so."""
    pictures = []
    for place, part in _class_folders(path):
        files = sorted(_pictures_in(place))
        if not files:
            _log.warning("%s: no picture in it; left aside", place)
        class_name = canonical(place.name)
        pictures += [_Picture(file, file.relative_to(path).as_posix(), class_name, part) for file in files]
    found = sorted({picture.class_name for picture in pictures})
    if len(found) < 2:
        what = f"pictures of one class only, `{found[0]}`" if found else "no class folders with pictures in them"
        raise DataError(f"{path}: {what}; telling classes apart needs two at least", f"expected: {_LAYOUT}")
    return pictures


def _class_folders(path: Path) -> list[tuple[Path, str | None]]:
    folders = _folders_in(path)
    if folders and all(folder.name.lower() in _PARTS for folder in folders):
        return [(place, _PARTS[folder.name.lower()]) for folder in folders for place in _folders_in(folder)]
    return [(place, None) for place in folders]


def _folders_in(path: Path) -> list[Path]:
    return sorted(place for place in path.iterdir() if place.is_dir() and not place.name.startswith("."))


def _pictures_in(folder: Path) -> Iterator[Path]:
    for file in folder.iterdir():
        if file.suffix.lower() in EXTENSIONS and not file.name.startswith(".") and file.is_file():
            yield file


def _order(names: set[str]) -> tuple[str, ...]:
    """Return class names in the order of the eight where all are among them, else sorted."""
    return tuple(name for name in CLASSES if name in names) if names <= set(CLASSES) else tuple(sorted(names))
