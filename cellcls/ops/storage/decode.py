"""Decodes untrusted image files."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cellcls.errors import DataError
from cellcls.ops.storage.files import printable
from cellcls.ops.storage.paths import is_device
from cellcls.ops.storage.picture_limits import Room, pages, refuse_oversized
from cellcls.ops.storage.png_text import without_long_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
EXTENSIONS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".tif", ".tiff"})
"""Suffixes of image files, in lower case: those of Pillow's plugins for ``FORMATS``."""
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""
T = TypeVar("T")

_log = logging.getLogger(__name__)
_THREADS = 4
_BITS, _PHOTOMETRIC, _MAX_SAMPLE_VALUE, _PLANAR, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 258, 262, 281, 284, 338, 339
"""Tags of TIFF 6.0."""
_WHITE_IS_ZERO, _SEPARATE, _SIGNED = 0, 2, 2


@attrs.frozen(eq=False)
class DecodedImage:
    """A decoded image file."""

    pixels: NDArray[np.uint8]
    """(H, W, 3), RGB."""
    assumptions: tuple[str, ...] = ()
    """Assumptions about ambiguous file content."""


def decode(data: Path | bytes, *, name: str | None = None) -> NDArray[np.uint8]:
    """Decode an image file to (H, W, 3) uint8, RGB.

    Supports JPEG, PNG, WebP, BMP and TIFF, recognised by content. The EXIF orientation is applied, deep gray is scaled
    to 0..255, gray is repeated to RGB, and transparency is blended over white. Assumptions about ambiguous content are
    logged as warnings. ``name``: name of the image in messages (default: its path). Raises ``DataError`` with the
    reason, and no other error. Not thread-safe: see ``decode_files``.
    """
    name = name or (printable(data) if isinstance(data, Path) else "the image")
    with _strict():
        decoded = _decode(data, name)
    for assumption in decoded.assumptions:
        _log.warning("%s: %s", name, assumption)
    return decoded.pixels


def decode_files(
    paths: Sequence[Path],
    finish: Callable[[DecodedImage], T],
    *,
    boxes: Sequence[Box | None] | None = None,
    batch: int = 64,
) -> Iterator[T | DataError]:
    """Decode files in a few threads and yield ``finish(image)`` for each, in order, or the error of an unreadable file.

    Nothing is logged: ``finish`` receives the assumptions with the pixels. ``boxes``: box to crop from each image,
    clipped to it (None: the whole image); a file whose box is outside the image is unreadable. At most ``batch``
    results are in memory at a time, and of the images as many as ``Room`` has.
    """
    boxes = boxes or [None] * len(paths)
    room = Room()

    def decode_file(path: Path, box: Box | None) -> T | DataError:
        with ExitStack() as held:

            def admit(pixels: int) -> None:
                held.close()  # a file may be opened twice
                held.enter_context(room.of(pixels))

            try:
                decoded = _decode(path, printable(path), admit)
                return finish(attrs.evolve(decoded, pixels=_cut(decoded.pixels, box, printable(path))))
            except DataError as error:
                return error

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        for start in range(0, len(paths), batch):
            with _strict():
                done = list(pool.map(decode_file, paths[start : start + batch], boxes[start : start + batch]))
            yield from done


def _cut(image: NDArray[np.uint8], box: Box | None, name: str) -> NDArray[np.uint8]:
    if box is None:
        return image
    left, top, right, bottom = max(box[0], 0), max(box[1], 0), min(box[2], image.shape[1]), min(box[3], image.shape[0])
    if left >= right or top >= bottom:
        raise DataError(f"{name}: the box {box} is outside the image", "correct the box, or remove the file")
    return np.ascontiguousarray(image[top:bottom, left:right])


@contextmanager
def _strict() -> Iterator[None]:
    # Warning filters are global to the process, so a single thread enters this around the work of the others.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings about unusual metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _admit_any(_: int) -> None:
    """Let an image of any number of pixels be decoded at once."""


def _decode(data: Path | bytes, name: str, admit: Callable[[int], None] = _admit_any) -> DecodedImage:
    """Decode an image after ``admit``, which may wait, was given the number of its pixels."""
    try:
        if isinstance(data, Path) and is_device(data):
            raise ValueError("a device or a pipe, not a file")
        return _open_or_retry(data, admit)
    except Exception as error:  # damaged files also raise SyntaxError, struct.error, MemoryError, ...
        reason = _reason(error)
        if isinstance(error, UnidentifiedImageError):
            start = _start(data)
            if not start:
                reason = "the file is empty"
            elif start in _TIFF:
                reason = "a TIFF with an unsupported pixel type; save it with 8 or 16 bits per channel"
        raise DataError(f"{name}: cannot be read: {reason}", "replace or remove the file") from error


def _open_or_retry(data: Path | bytes, admit: Callable[[int], None]) -> DecodedImage:
    try:
        return _open(data, admit)
    except ValueError:  # Pillow limits the text of a PNG
        shorter = without_long_text(data)
        if shorter is None:
            raise
        return _open(shorter, admit)


def _open(data: Path | bytes, admit: Callable[[int], None]) -> DecodedImage:
    with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data, formats=FORMATS) as image:
        refuse_oversized(image, data)
        admit(image.width * image.height)
        return _to_rgb(image)


_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _start(data: Path | bytes) -> bytes:
    """Return the first four bytes of a file."""
    if isinstance(data, bytes):
        return data[:4]
    with data.open("rb") as file:
        return file.read(4)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a JPEG, PNG, WebP, BMP or TIFF image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]


def _to_rgb(image: Image.Image) -> DecodedImage:
    assumptions = []
    if image.format != "MPO" and (count := pages(image)) != "1":  # MPO: a JPEG of a phone; its others are no images
        assumptions.append(f"only the first of {count} pages is read")
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    deep_colour = image.mode.startswith("RGB") and ";16" in str(getattr(image, "tile", ""))
    if tags.get(_PLANAR) == _SEPARATE and max(tags.get(_BITS, (8,))) > 8:  # Pillow gives noise
        raise ValueError("16-bit colours in separate planes; save it interleaved (planarconfig contig)")
    if image.mode == "L" and _SIGNED in tags.get(_SAMPLE_FORMAT, ()):
        raise ValueError("pixels are signed integers; save it with 8 bits per channel, 0 to 255")
    ImageOps.exif_transpose(image, in_place=True)  # without a copy
    if image.mode == "F":
        raise ValueError("pixels are floating-point numbers; save it with 8 or 16 bits per channel")
    if image.mode == "LAB":
        raise ValueError("its colours are CIELAB; save it as RGB")
    if image.mode.startswith("I"):
        gray, assumed = _deep_gray(np.asarray(image), image.mode, tags)
        return DecodedImage(np.repeat(gray[..., None], 3, axis=2), (*assumptions, *assumed))
    if image.has_transparency_data:
        image, assumed = _over_white(image, tags)
        assumptions += assumed
    if image.mode == "CMYK":
        assumptions.append("CMYK is converted to RGB without a colour profile")
    pixels = np.array(image if image.mode == "RGB" else image.convert("RGB"))
    if deep_colour and pixels.size and pixels.max() < 16:
        raise ValueError("16-bit colours, all below 4096 of 65535, nearly black; save it with 8 bits per channel")
    return DecodedImage(pixels, tuple(assumptions))


def _over_white(image: Image.Image, tags: Mapping[int, Any]) -> tuple[Image.Image, list[str]]:
    """Blend an image over white by its alpha, unless alpha is zero everywhere or its meaning is unspecified."""
    rgba = image.convert("RGBA")
    if image.mode == "RGBA" and _PHOTOMETRIC in tags and _EXTRA_SAMPLES not in tags:
        return rgba.convert("RGB"), ["the meaning of its fourth sample is unspecified; it is ignored"]
    if rgba.getchannel("A").getextrema() == (0, 0):
        return rgba.convert("RGB"), ["its alpha channel is zero everywhere; it is ignored"]
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba), []


def _deep_gray(gray: NDArray[np.integer], mode: str, tags: Mapping[int, Any]) -> tuple[NDArray[np.uint8], list[str]]:
    """Scale gray of 16 or 32 bits to 0..255 by the maximum value: from the tags of the file, else 65535, or 255 or 4095
    if no pixel exceeds it."""
    low, high = (int(gray.min()), int(gray.max())) if gray.size else (0, 0)
    if mode == "I":  # 32 bits
        if low < 0 or high > 0xFF:
            raise ValueError("pixels are 32-bit numbers beyond 0..255; save it with 8 or 16 bits per channel")
        return gray.astype(np.uint8), ["32-bit integers, all of them 0 to 255: used as they are"]
    stated = max((int(value) for value in tags.get(_MAX_SAMPLE_VALUE, ())), default=0)
    if not stated and tags.get(_BITS, (16,))[0] < 16:
        stated = (1 << int(tags[_BITS][0])) - 1
    assumptions = []
    if high <= stated < 0xFFFF:
        top = stated
    elif high <= 0xFF:
        top, assumptions = 0xFF, ["16-bit integers, all of them 0 to 255: read as 8-bit"]
    elif high <= 0xFFF:
        top, assumptions = 0xFFF, ["16-bit integers, all of them below 4096: read as 12-bit"]
    else:
        top = 0xFFFF
    scaled = gray // 257 if top == 0xFFFF else (gray.astype(np.int64) * 255 + top // 2) // top
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow inverts 8 bits, not 16
        scaled = 255 - scaled
    return scaled.astype(np.uint8), assumptions
