"""Decoding picture files nobody has vetted, and fitting them to the side of a network's input."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cellcls.errors import DataError
from cellcls.ops.storage.files import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "area": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Names of Pillow's filters; all but ``nearest`` smooth when they shrink."""
Fit = Literal["crop", "stretch", "pad"]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""
T = TypeVar("T")

_log = logging.getLogger(__name__)
_MAX_PIXELS = 1 << 26
_THREADS = 4
_BITS, _PHOTOMETRIC, _MAX_SAMPLE_VALUE, _PLANAR, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 258, 262, 281, 284, 338, 339
"""Tags of TIFF 6.0."""
_WHITE_IS_ZERO, _SEPARATE, _SIGNED = 0, 2, 2


@attrs.frozen(eq=False)
class DecodedImage:
    """A decoded picture file."""

    pixels: NDArray[np.uint8]
    """(H, W, 3), RGB."""
    assumptions: tuple[str, ...] = ()
    """What was assumed where the file does not say how it is meant."""


def decode(data: Path | bytes, *, name: str | None = None) -> NDArray[np.uint8]:
    """Decode one picture file into (H, W, 3) uint8, RGB.

    JPEG, PNG, WebP, BMP and TIFF, told by their content. The orientation in EXIF is applied, deep gray is scaled to
    0..255, gray is repeated, what is transparent is laid over white. A warning says what was assumed where the file
    does not say how it is meant. ``name`` is what messages call the picture (default: its path). Raises ``DataError``
    with the reason, never another error. Not for use in several threads at once: see ``decode_files``.
    """
    name = name or (printable(data) if isinstance(data, Path) else "the image")
    with _strict():
        picture = _decode(data, name)
    for assumption in picture.assumptions:
        _log.warning("%s: %s", name, assumption)
    return picture.pixels


def decode_files(
    paths: Sequence[Path],
    finish: Callable[[DecodedImage], T],
    *,
    boxes: Sequence[Box | None] | None = None,
    batch: int = 64,
) -> Iterator[T | DataError]:
    """Decode files on a few threads and yield ``finish`` of each, in order; for a file that cannot be read, the error.

    Nothing is logged: ``finish`` gets the assumptions with the pixels.

    ``boxes``: the part of each picture that is cut out, as far as it lies within (None: all of it); where nothing of it
    does, the file counts as one that cannot be read. Only ``batch`` finished images are held at a time.
    """
    boxes = boxes or [None] * len(paths)

    def one(path: Path, box: Box | None) -> T | DataError:
        try:
            picture = _decode(path, printable(path))
            return finish(attrs.evolve(picture, pixels=_cut(picture.pixels, box, printable(path))))
        except DataError as error:
            return error

    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        for start in range(0, len(paths), batch):
            with _strict():
                done = list(pool.map(one, paths[start : start + batch], boxes[start : start + batch]))
            yield from done


def _cut(image: NDArray[np.uint8], box: Box | None, name: str) -> NDArray[np.uint8]:
    if box is None:
        return image
    left, top, right, bottom = max(box[0], 0), max(box[1], 0), min(box[2], image.shape[1]), min(box[3], image.shape[0])
    if left >= right or top >= bottom:
        raise DataError(f"{name}: the box {box} lies outside of it", "correct the box, or remove the file")
    return np.ascontiguousarray(image[top:bottom, left:right])


def fit(image: NDArray[np.uint8], size: int, interpolation: str = "bilinear", how: Fit = "crop") -> NDArray[np.uint8]:
    """Bring an image (H, W, 3) uint8 to (``size``, ``size``, 3).

    ``crop`` takes the square in the middle, ``stretch`` gives up the proportions, ``pad`` keeps all of the image and
    continues it by reflection. ``interpolation``: a name of ``INTERPOLATIONS``.
    """
    height, width = image.shape[:2]
    whole = box = (0, 0, width, height)
    target = (size, size)
    if how == "crop":
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        box = (left, top, left + side, top + side)
    elif how == "pad":
        scale = size / max(height, width)
        target = (max(1, round(width * scale)), max(1, round(height * scale)))
    if (box, target) != (whole, (width, height)):
        image = np.array(Image.fromarray(image).resize(target, INTERPOLATIONS[interpolation], box=box))
    missing = (size - target[1], size - target[0])
    if any(missing):
        around = [(extra // 2, extra - extra // 2) for extra in missing]
        image = np.pad(image, (*around, (0, 0)), mode="symmetric")
    return image


@contextmanager
def _strict() -> Iterator[None]:
    # Warning filters belong to the process, so this is entered by one thread around the work of the others.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # remarks on odd metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _decode(data: Path | bytes, name: str) -> DecodedImage:
    try:
        with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data, formats=FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are more than the {_MAX_PIXELS:,} allowed")
            return _to_rgb(image)
    except Exception as error:  # damaged files also raise SyntaxError, struct.error, MemoryError, ...
        reason = _reason(error)
        if isinstance(error, UnidentifiedImageError) and _is_tiff(data):
            reason = "a TIFF whose pixels are of a kind that is not read; save it with 8 or 16 bits a channel"
        raise DataError(f"{name}: cannot be read: {reason}", "replace or remove the file") from error


def _is_tiff(data: Path | bytes) -> bool:
    if isinstance(data, Path):
        with data.open("rb") as file:
            start = file.read(4)
    else:
        start = data[:4]
    return start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no JPEG, PNG, WebP, BMP or TIFF image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]


def _to_rgb(image: Image.Image) -> DecodedImage:
    assumptions = []
    pages = int(getattr(image, "n_frames", 1))
    if pages > 1 and image.format != "MPO":  # a phone's JPEG, whose further pages are no pictures
        assumptions.append(f"the first of {pages} pages is read, the others are not")
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    deep_colour = image.mode.startswith("RGB") and ";16" in str(getattr(image, "tile", ""))
    if tags.get(_PLANAR) == _SEPARATE and max(tags.get(_BITS, (8,))) > 8:  # Pillow gives noise
        raise ValueError("16-bit colours stored channel by channel; save it interleaved (planarconfig contig)")
    if image.mode == "L" and _SIGNED in tags.get(_SAMPLE_FORMAT, ()):
        raise ValueError("pixels are signed numbers; save it with 8 bits a channel, 0 to 255")
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F":
        raise ValueError("pixels are floating-point numbers; save it with 8 or 16 bits a channel")
    if upright.mode == "LAB":
        raise ValueError("its colours are CIELAB; save it as RGB")
    if upright.mode.startswith("I"):
        gray, assumed = _deep_gray(np.asarray(upright), upright.mode, tags)
        return DecodedImage(np.repeat(gray[..., None], 3, axis=2), (*assumptions, *assumed))
    if upright.has_transparency_data:
        upright, assumed = _over_white(upright, tags)
        assumptions += assumed
    if upright.mode == "CMYK":
        assumptions.append("CMYK is turned into RGB without a colour profile")
    pixels = np.array(upright.convert("RGB"))
    if deep_colour and pixels.size and pixels.max() < 16:
        raise ValueError("16-bit colours that all lie below 4096 of 65535, nearly black; save it with 8 bits a channel")
    return DecodedImage(pixels, tuple(assumptions))


def _over_white(image: Image.Image, tags: Mapping[int, Any]) -> tuple[Image.Image, list[str]]:
    """Lay an image over white by its alpha, unless that is none: zero everywhere, or a sample of no stated meaning."""
    rgba = image.convert("RGBA")
    if image.mode == "RGBA" and _PHOTOMETRIC in tags and _EXTRA_SAMPLES not in tags:
        return rgba.convert("RGB"), ["its fourth sample has no stated meaning and is not used"]
    if rgba.getchannel("A").getextrema() == (0, 0):
        return rgba.convert("RGB"), ["its alpha channel is zero in every pixel and is not used"]
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba), []


def _deep_gray(gray: NDArray[np.integer], mode: str, tags: Mapping[int, Any]) -> tuple[NDArray[np.uint8], list[str]]:
    """Bring gray of 16 or 32 bits to 0..255 by the largest value it may have: that of the file's tags, else 65535, or
    255 and 4095 where no pixel lies above."""
    low, high = (int(gray.min()), int(gray.max())) if gray.size else (0, 0)
    if mode == "I":  # 32 bits
        if low < 0 or high > 0xFF:
            raise ValueError("pixels are 32-bit numbers beyond 0..255; save it with 8 or 16 bits a channel")
        return gray.astype(np.uint8), ["32-bit numbers, all of them 0 to 255: taken as they are"]
    stated = max((int(value) for value in tags.get(_MAX_SAMPLE_VALUE, ())), default=0)
    if not stated and tags.get(_BITS, (16,))[0] < 16:
        stated = (1 << int(tags[_BITS][0])) - 1
    assumptions = []
    if high <= stated < 0xFFFF:
        top = stated
    elif high <= 0xFF:
        top, assumptions = 0xFF, ["16-bit numbers, all of them 0 to 255: taken as 8-bit"]
    elif high <= 0xFFF:
        top, assumptions = 0xFFF, ["16-bit numbers, all of them below 4096: taken as 12-bit"]
    else:
        top = 0xFFFF
    scaled = gray // 257 if top == 0xFFFF else (gray.astype(np.int64) * 255 + top // 2) // top
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow inverts 8 bits, not 16
        scaled = 255 - scaled
    return scaled.astype(np.uint8), assumptions
