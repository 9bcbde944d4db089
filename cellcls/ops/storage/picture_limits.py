"""Limits on image files from outside: pixels, sides, scans and pages of one, and the memory of all that are decoded."""

from __future__ import annotations

import mmap
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

MAX_PIXELS = 1 << 26
"""Pixels of an image, and of all images that are decoded at the same time."""
MAX_SIDE = 1 << 15
MAX_SCANS = 100
"""Scans of a JPEG, as in libtiff: each is a pass over all pixels, and encoders write about ten."""
MAX_PAGES = 1000
"""Pages of a TIFF that are counted: Pillow takes a minute for 100,000."""
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}


def refuse_oversized(image: Image.Image, data: Path | bytes) -> None:
    """Raise ``ValueError`` if decoding an opened image would take too much time or memory."""
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels are more than the {MAX_PIXELS:,} allowed")
    if max(image.size) > MAX_SIDE:
        raise ValueError(f"{image.width} x {image.height} pixels: a side has at most {MAX_SIDE:,}")
    if image.format in ("JPEG", "MPO") and _has_more_scans(data):
        raise ValueError(f"a JPEG of more than {MAX_SCANS} scans; save it again")


def _has_more_scans(data: Path | bytes) -> bool:
    if isinstance(data, bytes):
        return _scans(data) > MAX_SCANS
    with data.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return _scans(mapped) > MAX_SCANS


def _scans(data: bytes | mmap.mmap) -> int:
    """Count the scans of a JPEG up to its end, at most one more than allowed."""
    count, place = 0, 2
    while count <= MAX_SCANS and (found := _JPEG_MARKER.search(data, place)):
        place = found.end()
        marker = data[place - 1]
        if marker == _END_OF_IMAGE:
            break
        count += marker == _START_OF_SCAN
        if marker not in _WITHOUT_LENGTH:
            place += int.from_bytes(data[place : place + 2], "big")
    return count


def pages(image: Image.Image) -> str:
    """Return how many pages an opened image has, as text."""
    if image.format != "TIFF":
        return str(getattr(image, "n_frames", 1))
    try:
        for page in range(1, MAX_PAGES + 1):
            try:
                image.seek(page)
            except EOFError:
                return str(page)
        return f"more than {MAX_PAGES:,}"
    finally:
        image.seek(0)


class Room:
    """Memory for the images that threads decode, in pixels: one of the largest, or more of smaller ones."""

    def __init__(self) -> None:
        self._free = MAX_PIXELS
        self._changed = threading.Condition()

    @contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for an image, and keep it until the block ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()
