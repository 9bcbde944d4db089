"""Picture files of any size, decoded once into a cache, with what is known of each as it lies in its file."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from cellcls.errors import DataError
from cellcls.ops.storage.cache import cache_key, cached_array, unmap
from cellcls.ops.storage.decode import Box, Fit, decode_files, fit
from cellcls.ops.storage.files import printable, write_json
from cellcls.ops.storage.hashing import content_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_VERSION = 5
"""Of what lies in the cache."""


@attrs.frozen(eq=False)
class Pictures:
    """N pictures of one size, all that could be read, in the order of their files."""

    rows: NDArray[np.intp]
    """(N,) places of their files among those that were asked for."""
    sizes: NDArray[np.int64]
    """(N, 2) height and width in the file, as a ``Source`` has it."""
    hashes: tuple[str, ...]
    """(N,) content hash in the file, as a ``Source`` has it: it does not depend on the size they are brought to."""
    bad: Mapping[int, str]
    """Why a file could not be read, by its place."""
    _all: NDArray[np.uint8]

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the pictures (B, size, size, 3), RGB, 0..255, in the order of ``indices`` (B,) in 0..N-1."""
        return np.asarray(self._all[self.rows[indices]])

    def release_memory(self) -> None:
        """Free the memory that reading has left in use."""
        unmap(self._all)


def decode_once(
    folder: Path,
    files: Sequence[Path],
    *,
    size: int,
    interpolation: str,
    cache: Path,
    how: Fit = "crop",
    boxes: Sequence[Box | None] | None = None,
    skip_bad: bool = False,
) -> Pictures:
    """Decode the ``files`` of a set, brought to ``size`` x ``size`` pixels, or open what was decoded before.

    ``folder``: where the set lies; ``boxes``: the part of each picture that counts, None for all of it; ``skip_bad``:
    leave out what cannot be read, else the first such file is an error. Raises ``DataError``, ``WriteError``.
    """
    boxes = boxes or [None] * len(files)
    stamps = [(printable(file), *_stamp(file), box) for file, box in zip(files, boxes, strict=True)]
    npy = cache / f"pictures-{cache_key(_VERSION, folder.resolve(), stamps, size, interpolation, how)}.npy"
    kept = npy.with_suffix(".json")
    if not kept.exists():
        npy.unlink(missing_ok=True)

    def decoded() -> Iterator[NDArray[np.uint8]]:
        record: dict[str, Any] = {"bad": {}, "sizes": [], "hashes": [], "assumptions": {}}
        made = decode_files(
            files,
            lambda image: (
                fit(image.pixels, size, interpolation, how),
                image.pixels.shape[:2],
                content_hash(image.pixels),
                image.assumptions,
            ),
            boxes=boxes,
        )
        for row, one in enumerate(made):
            if isinstance(one, DataError):
                _refuse_unless(skip_bad, one.message)
                record["bad"][row] = one.message
                one = np.zeros((size, size, 3), dtype=np.uint8), (0, 0), "", ()
            record["sizes"].append(one[1])
            record["hashes"].append(one[2])
            for assumption in one[3]:
                record["assumptions"].setdefault(assumption, []).append(row)
            yield one[0]
        write_json(kept, record)  # before the array gets its name: none is ever without it

    images = cached_array(npy, (len(files), size, size, 3), np.dtype(np.uint8), decoded)
    record = json.loads(kept.read_text(encoding="utf-8"))
    for assumption, assumed in record["assumptions"].items():
        others = f" and {len(assumed) - 1:,} more" if len(assumed) > 1 else ""
        _log.warning("%s%s: %s", printable(files[assumed[0]]), others, assumption)
    bad = {int(row): str(reason) for row, reason in record["bad"].items()}
    for reason in bad.values():
        _refuse_unless(skip_bad, reason)
    rows = np.array([row for row in range(len(files)) if row not in bad], dtype=np.intp)
    if not len(rows):
        raise DataError(f"{printable(folder)}: none of its pictures can be read", *list(bad.values())[:5])
    sizes = np.array(record["sizes"], dtype=np.int64)[rows]
    return Pictures(rows, sizes, tuple(record["hashes"][row] for row in rows), bad, images)


def _stamp(file: Path) -> tuple[int, int]:
    """Return size and time of a file; of one that is not there (a broken link) what no file has."""
    try:
        stat = file.stat()
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


def _refuse_unless(skip_bad: bool, reason: str) -> None:
    if not skip_bad:
        raise DataError(reason, 'replace or remove the file, or leave out such files: on_bad_image = "skip"')
