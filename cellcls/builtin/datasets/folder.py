"""Data sets with one folder per class."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.api import BadImage, Source
from cellcls.errors import DataError
from cellcls.ops.classes import CLASSES, canonical, clash
from cellcls.ops.storage.decode import EXTENSIONS, Fit
from cellcls.ops.storage.files import printable
from cellcls.ops.storage.image_cache import DecodedImages, decode_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_LAYOUT = "one folder of images per class (JPEG, PNG, WebP, BMP, TIFF), or such folders in train, val and test"


@attrs.frozen
class _ImageFile:
    path: Path
    name: str
    class_name: str
    part: str | None


class _FolderSource(Source):
    """The readable images of a folder."""

    def __init__(self, decoded: DecodedImages, images: list[_ImageFile], skipped_files: tuple[BadImage, ...]) -> None:
        self.class_names = _order({image.class_name for image in images})
        self.bad_images = tuple(BadImage(images[row].name, reason) for row, reason in decoded.bad.items())
        self.skipped_files = skipped_files
        images = [images[row] for row in decoded.rows]
        self.labels = np.array([self.class_names.index(image.class_name) for image in images], dtype=np.int64)
        self.parts = np.array([image.part for image in images], dtype=np.str_) if images[0].part else None
        self.names = [image.name for image in images]
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
        return (
            len({canonical(place.name) for place, _ in _class_folders(path) if any(map(_is_image, place.iterdir()))})
            > 1
        )
    except OSError:
        return False


def open_folder(path: Path, size: int, interpolation: str, how: Fit, cache: Path, *, skip_bad: bool) -> Source:
    """Open a folder of class folders, with images resized to ``size`` x ``size``.

    ``skip_bad``: skip unreadable images and list them in ``bad_images``; otherwise the first is an error. Raises
    ``DataError``.
    """
    images, skipped_files = _list(path)
    decoded = decode_once(
        path,
        [image.path for image in images],
        size=size,
        interpolation=interpolation,
        how=how,
        cache=cache,
        skip_bad=skip_bad,
    )
    return _FolderSource(decoded, images, skipped_files)


def _list(path: Path) -> tuple[list[_ImageFile], tuple[BadImage, ...]]:
    """Return the images, sorted by part, class and file name, and the skipped files. Raises ``DataError`` if there are
    no images."""
    try:
        images, skipped = _find_images(path)
    except OSError as error:
        raise DataError(f"{printable(path)}: cannot be read: {error.strerror}", "check its permissions") from error
    if not images:
        raise DataError(
            f"{printable(path)}: contains no images and no class folders with images", f"expected: {_LAYOUT}"
        )
    return images, tuple(BadImage(_name(file, path), reason) for file, reason in sorted(skipped.items()))


def _find_images(path: Path) -> tuple[list[_ImageFile], dict[Path, str]]:
    images: list[_ImageFile] = []
    places = _class_folders(path)
    _refuse_clash(path, places)
    skipped = {
        file: "beside the class folders"
        for around in {path, *(place.parent for place, _ in places)}
        for file in _visible(around)
        if not file.is_dir()
    }
    for place, part in places:
        found, other = _images_in(place, path, part)
        if not found:
            _log.warning("%s: no images in it; skipped", printable(place))
            skipped[place] = "a folder without images"
        images += found
        skipped |= other
    if images:
        return images, skipped
    return _images_in(path, path, None)  # images without classes can still be audited


def _images_in(place: Path, root: Path, part: str | None) -> tuple[list[_ImageFile], dict[Path, str]]:
    """Return the images of a class folder, and its other files with the reason why they are skipped."""
    images, skipped = [], {}
    class_name = canonical(printable(place.name or place.resolve().name))
    for file in sorted(_visible(place)):
        if _is_image(file):
            images.append(_ImageFile(file, _name(file, root), class_name, part))
        elif file.is_dir():
            skipped[file] = "a folder inside a class folder"
        else:
            skipped[file] = f"no image by its name ({printable(file.suffix)})"
    return images, skipped


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


def _name(file: Path, root: Path) -> str:
    return printable(file.relative_to(root).as_posix())


def _class_folders(path: Path) -> list[tuple[Path, str | None]]:
    folders = _folders_in(path)
    if folders and all(folder.name.lower() in _PARTS for folder in folders):
        return [(place, _PARTS[folder.name.lower()]) for folder in folders for place in _folders_in(folder)]
    return [(place, None) for place in folders]


def _folders_in(path: Path) -> list[Path]:
    return sorted(place for place in _visible(path) if place.is_dir())


def _visible(folder: Path) -> Iterator[Path]:
    return (file for file in folder.iterdir() if not file.name.startswith("."))


def _is_image(file: Path) -> bool:
    """Return, by its name, whether a file is an image, or a broken link to one."""
    return file.suffix.lower() in EXTENSIONS and (file.is_file() or (file.is_symlink() and not file.exists()))


def _order(names: set[str]) -> tuple[str, ...]:
    """Return class names in the order of the eight blood cells if all are among them, else sorted."""
    return tuple(name for name in CLASSES if name in names) if names <= set(CLASSES) else tuple(sorted(names))
