"""Pictures decoded once into a cache and read by batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellcls.api import BadImage, Source
from cellcls.errors import DataError
from cellcls.ops.cache import cache_key, cached_array
from cellcls.ops.classes import CLASSES
from cellcls.ops.decode import Fit, decode_files, fit
from cellcls.ops.files import write_json
from cellcls.ops.hashing import content_hash
from cellcls_bloodsets.layouts import Box, Listed, Picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VERSION = 1
"""Of what lies in the cache."""


class Pictures(Source):
    """``images`` (n, size, size, 3) holds all, ``rows`` (N,) the places of those that could be read."""

    def __init__(self, listed: Listed, images: NDArray[np.uint8], record: dict[str, Any]) -> None:
        bad = {int(row): str(reason) for row, reason in record["bad"].items()}
        rows = np.array([row for row in range(len(listed.pictures)) if row not in bad], dtype=np.intp)
        if not len(rows):
            raise DataError(f"{listed.folder}: none of its pictures can be read", *list(bad.values())[:5])
        pictures = [listed.pictures[row] for row in rows]
        held = {picture.class_name for picture in pictures}
        self.class_names = tuple(name for name in CLASSES if name in held)
        self.labels = np.array([self.class_names.index(picture.class_name) for picture in pictures], dtype=np.int64)
        self.parts = np.array([picture.part for picture in pictures], dtype=np.str_) if pictures[0].part else None
        self.names = [_name(picture, listed) for picture in pictures]
        self.sizes = np.array(record["sizes"], dtype=np.int64)[rows]
        self.hashes = [record["hashes"][row] for row in rows]
        self.bad_images = tuple(BadImage(_name(listed.pictures[row], listed), reason) for row, reason in bad.items())
        self._images, self._rows = images, rows

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images (B, size, size, 3), RGB, 0..255, in the order of ``indices``."""
        return np.asarray(self._images[self._rows[indices]])


def _name(picture: Picture, listed: Listed) -> str:
    return picture.path.relative_to(listed.folder).as_posix()


def open_pictures(listed: Listed, size: int, interpolation: str, how: Fit, cache: Path, *, skip_bad: bool) -> Pictures:
    """Decode, or open what was decoded before. Raises ``DataError``, ``WriteError``."""
    stats = [picture.path.stat() for picture in listed.pictures]
    files = [
        (_name(picture, listed), stat.st_size, stat.st_mtime_ns, picture.box)
        for picture, stat in zip(listed.pictures, stats, strict=True)
    ]
    key = cache_key(_VERSION, listed.folder.resolve(), files, size, interpolation, how)
    npy = cache / f"bloodsets-{key}.npy"
    file = npy.with_suffix(".json")
    if not file.exists():
        npy.unlink(missing_ok=True)

    def decoded() -> Iterator[NDArray[np.uint8]]:
        record: dict[str, Any] = {"bad": {}, "sizes": [], "hashes": []}
        made = decode_files([picture.path for picture in listed.pictures], lambda image: image)
        for row, (picture, found) in enumerate(zip(listed.pictures, made, strict=True)):
            image = _cut(picture, found)
            bad = isinstance(image, DataError)
            if isinstance(image, DataError):
                _refuse_unless(skip_bad, image.message)
                record["bad"][row] = image.message
                image = np.zeros((size, size, 3), dtype=np.uint8)
            record["sizes"].append((0, 0) if bad else image.shape[:2])
            record["hashes"].append("" if bad else content_hash(image))
            yield fit(image, size, interpolation, how)
        write_json(file, record)  # before the array gets its name: none is ever without it

    images = cached_array(npy, (len(files), size, size, 3), np.dtype(np.uint8), decoded)
    record = json.loads(file.read_text(encoding="utf-8"))
    for reason in record["bad"].values():
        _refuse_unless(skip_bad, reason)
    return Pictures(listed, images, record)


def _refuse_unless(skip_bad: bool, reason: str) -> None:
    if not skip_bad:
        raise DataError(reason, 'replace or remove the file, or leave out such files: on_bad_image = "skip"')


def _cut(picture: Picture, image: NDArray[np.uint8] | DataError) -> NDArray[np.uint8] | DataError:
    """Return the part of an image (H, W, 3) that counts, as far as it lies within."""
    if picture.box is None or isinstance(image, DataError):
        return image
    left, top, right, bottom = picture.box
    cut: Box = (max(left, 0), max(top, 0), min(right, image.shape[1]), min(bottom, image.shape[0]))
    if cut[0] >= cut[2] or cut[1] >= cut[3]:
        return DataError(f"{picture.path}: the white cell's box {picture.box} lies outside of it")
    return np.ascontiguousarray(image[cut[1] : cut[3], cut[0] : cut[2]])
