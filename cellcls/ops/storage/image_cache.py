"""Image files of any size, decoded once into a cache, along with their original sizes and content hashes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import attrs
import numpy as np

from cellcls.errors import DataError
from cellcls.ops.storage.cache import cache_key, cached, unmap
from cellcls.ops.storage.decode import Box, decode_files
from cellcls.ops.storage.files import JsonObject, printable
from cellcls.ops.storage.hashing import content_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_VERSION = 7
"""Version of the cache format."""


class Preparation(Protocol):
    """How a decoded image becomes a network's input (``cellcls.api.Input``); its ``repr`` says all of it."""

    @property
    def size(self) -> int:
        """Side of the input in pixels."""

    def prepare(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return an image (H, W, 3) as (size, size, 3)."""


@attrs.frozen(eq=False)
class DecodedImages:
    """The N readable images, resized to one size, in the order of their files."""

    rows: NDArray[np.intp]
    """(N,) index of each image's file among the requested files."""
    sizes: NDArray[np.int64]
    """(N, 2) original height and width (``Source.sizes``)."""
    hashes: tuple[str, ...]
    """(N,) content hash of the original image (``Source.hashes``), independent of the size after resizing."""
    bad: Mapping[int, str]
    """Reason by file index for each unreadable file."""
    _all: NDArray[np.uint8]

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images (B, size, size, 3), RGB, 0..255, in the order of ``indices`` (B,) in 0..N-1."""
        return np.asarray(self._all[self.rows[indices]])

    def release_memory(self) -> None:
        """Free memory held since earlier reads."""
        unmap(self._all)


def decode_once(
    folder: Path,
    files: Sequence[Path],
    input: Preparation,
    *,
    cache: Path,
    boxes: Sequence[Box | None] | None = None,
    skip_bad: bool = False,
) -> DecodedImages:
    """Decode the ``files`` of a data set, prepared by ``input``, or open the cached result.

    ``folder``: folder of the data set; ``boxes``: box to crop from each image, None for the whole image; ``skip_bad``:
    skip unreadable files, otherwise the first one is an error. Raises ``DataError``, ``WriteError``.
    """
    boxes = boxes or [None] * len(files)
    shape = (input.size, input.size, 3)
    stamps = [(printable(file), *_stamp(file), box) for file, box in zip(files, boxes, strict=True)]
    npy = cache / f"images-{cache_key(_VERSION, folder.resolve(), stamps, repr(input))}.npy"
    record: JsonObject = {}

    def decoded() -> Iterator[NDArray[np.uint8]]:
        record.update({"bad": {}, "sizes": [], "hashes": [], "assumptions": {}})
        images = decode_files(
            files,
            lambda image: (
                input.prepare(image.pixels),
                image.pixels.shape[:2],
                content_hash(image.pixels),
                image.assumptions,
            ),
            boxes=boxes,
        )
        for row, result in enumerate(images):
            if isinstance(result, DataError):
                _refuse_unless(skip_bad, result.message)
                record["bad"][row] = result.message
                result = np.zeros(shape, dtype=np.uint8), (0, 0), "", ()
            pixels, original_size, content, assumptions = result
            record["sizes"].append(original_size)
            record["hashes"].append(content)
            for assumption in assumptions:
                record["assumptions"].setdefault(assumption, []).append(row)
            yield pixels

    images = cached(npy, (len(files), *shape), np.dtype(np.uint8), decoded, lambda: record)
    noted = images.note
    for assumption, assumed in noted["assumptions"].items():
        others = f" and {len(assumed) - 1:,} more" if len(assumed) > 1 else ""
        _log.warning("%s%s: %s", printable(files[assumed[0]]), others, assumption)
    bad = {int(row): str(reason) for row, reason in noted["bad"].items()}
    for reason in bad.values():
        _refuse_unless(skip_bad, reason)
    rows = np.array([row for row in range(len(files)) if row not in bad], dtype=np.intp)
    if not len(rows):
        raise DataError(f"{printable(folder)}: none of its images can be read", *list(bad.values())[:5])
    sizes = np.array(noted["sizes"], dtype=np.int64)[rows]
    return DecodedImages(rows, sizes, tuple(noted["hashes"][row] for row in rows), bad, images.array)


def _stamp(file: Path) -> tuple[int, int]:
    """Return size and modification time of a file, (-1, -1) if it does not exist (a broken link)."""
    try:
        stat = file.stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _refuse_unless(skip_bad: bool, reason: str) -> None:
    if not skip_bad:
        raise DataError(reason, 'replace or remove the file, or skip such files: on_bad_image = "skip"')
