"""One folder a class: listing, naming, decoding once into a cache."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from cellcls.api import BadImage
from cellcls.builtin.datasets.arrays import ArraySource
from cellcls.errors import DataError
from cellcls.ops.cache import cache_key, cached_array
from cellcls.ops.classes import CLASSES, canonical
from cellcls.ops.decode import EXTENSIONS, Fit, decode_files, fit
from cellcls.ops.files import write_json
from cellcls.ops.hashing import content_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_VERSION = 3
"""Of what lies in the cache."""
_LAYOUT = "a folder a class with its pictures (JPEG, PNG, WebP, BMP, TIFF), or such folders in train, val and test"


@attrs.frozen
class _Picture:
    path: Path
    name: str
    class_name: str
    part: str | None


class _FolderSource(ArraySource):
    """Decoded pictures; ``rows`` (N,) are the places in ``images`` of those that could be read."""

    def __init__(
        self, images: NDArray[np.uint8], rows: NDArray[np.intp], pictures: list[_Picture], record: dict[str, Any]
    ) -> None:
        class_names = _order({picture.class_name for picture in pictures})
        pictures = [pictures[row] for row in rows]
        labels = np.array([class_names.index(picture.class_name) for picture in pictures], dtype=np.int64)
        parts = np.array([picture.part for picture in pictures], dtype=np.str_) if pictures[0].part else None
        super().__init__([images], labels, class_names, parts)
        self.names = [picture.name for picture in pictures]
        self.sizes = np.array(record["sizes"], dtype=np.int64)[rows]
        self.hashes = [record["hashes"][row] for row in rows]
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
    images, record = _decode_once(path, pictures, size, interpolation, how, cache, skip_bad=skip_bad)
    bad = {int(row): str(reason) for row, reason in record["bad"].items()}
    rows = np.array([row for row in range(len(pictures)) if row not in bad], dtype=np.intp)
    if not len(rows):
        raise DataError(f"{path}: none of its pictures can be read", *list(bad.values())[:5])
    source = _FolderSource(images, rows, pictures, record)
    source.bad_images = tuple(BadImage(pictures[row].name, reason) for row, reason in bad.items())
    return source


def _decode_once(
    path: Path, pictures: list[_Picture], size: int, interpolation: str, how: Fit, cache: Path, *, skip_bad: bool
) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Return the decoded pictures (n, size, size, 3) and a record: ``sizes`` and ``hashes`` of the pictures as they lie
    in their files, and why those could not be read that are ``bad`` (black, of size 0)."""
    stats = [picture.path.stat() for picture in pictures]
    files = [(picture.name, stat.st_size, stat.st_mtime_ns) for picture, stat in zip(pictures, stats, strict=True)]
    npy = cache / f"folder-{cache_key(_VERSION, path.resolve(), files, size, interpolation, how)}.npy"
    record = npy.with_suffix(".json")

    if not record.exists():
        npy.unlink(missing_ok=True)

    def decoded() -> Iterator[NDArray[np.uint8]]:
        bad: dict[int, str] = {}
        sizes: list[tuple[int, ...]] = []
        hashes: list[str] = []
        done = decode_files(
            [picture.path for picture in pictures],
            lambda image: (fit(image, size, interpolation, how), image.shape[:2], content_hash(image)),
        )
        for row, made in enumerate(done):
            if isinstance(made, DataError):
                bad[row] = made.message
                _refuse_unless(skip_bad, made.message)
                made = np.zeros((size, size, 3), dtype=np.uint8), (0, 0), ""
            sizes.append(made[1])
            hashes.append(made[2])
            yield made[0]
        write_json(
            record, {"bad": bad, "sizes": sizes, "hashes": hashes}
        )  # before the array gets its name: none is ever without it

    images = cached_array(npy, (len(pictures), size, size, 3), np.dtype(np.uint8), decoded)
    found: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    for reason in found["bad"].values():
        _refuse_unless(skip_bad, reason)
    return images, found


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
    if not pictures:  # a folder of pictures without classes can still be looked at
        pictures = [_Picture(file, file.name, canonical(path.name), None) for file in sorted(_pictures_in(path))]
    if not pictures:
        raise DataError(f"{path}: no pictures in it, and no class folders that hold some", f"expected: {_LAYOUT}")
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
