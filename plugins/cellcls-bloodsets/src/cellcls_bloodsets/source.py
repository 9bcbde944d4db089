"""Images of a set, decoded once into a cache and read by batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cellcls.api import BadImage, Input, Source
from cellcls.ops.classes import CLASSES
from cellcls.ops.storage.files import printable
from cellcls.ops.storage.image_cache import DecodedImages, decode_once
from cellcls_bloodsets.layouts import Listed

if TYPE_CHECKING:
    from numpy.typing import NDArray


class BloodSet(Source):
    """The pictures of a list that could be read."""

    prepared = True

    def __init__(self, listed: Listed, decoded: DecodedImages) -> None:
        pictures = [listed.pictures[row] for row in decoded.rows]
        held = {picture.class_name for picture in pictures}
        self.class_names = tuple(name for name in CLASSES if name in held)
        self.labels = np.array([self.class_names.index(picture.class_name) for picture in pictures], dtype=np.int64)
        self.parts = np.array([picture.part for picture in pictures], dtype=np.str_) if pictures[0].part else None
        self.names = [_name(picture.path, listed) for picture in pictures]
        self.sizes, self.hashes = decoded.sizes, decoded.hashes
        self.bad_images = tuple(
            BadImage(_name(listed.pictures[row].path, listed), reason) for row, reason in decoded.bad.items()
        )
        self.skipped_files = tuple(
            BadImage(_name(file, listed), reason) for file, reason in sorted(listed.skipped.items())
        )
        self._decoded = decoded

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images (B, size, size, 3), RGB, 0..255, in the order of ``indices``."""
        return self._decoded.read(indices)

    def release_memory(self) -> None:
        """Free the memory that reading has left in use."""
        self._decoded.release_memory()


def _name(file: Path, listed: Listed) -> str:
    return printable(file.relative_to(listed.folder).as_posix())


def open_pictures(listed: Listed, input: Input, cache: Path, *, skip_bad: bool) -> BloodSet:
    """Decode, or open what was decoded before. Raises ``DataError``, ``WriteError``."""
    decoded = decode_once(
        listed.folder,
        [picture.path for picture in listed.pictures],
        input,
        cache=cache,
        boxes=[picture.box for picture in listed.pictures],
        skip_bad=skip_bad,
    )
    return BloodSet(listed, decoded)
