"""Decoding picture files nobody has vetted, and fitting them to the side of a network's input."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

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

_MAX_PIXELS = 1 << 26
_THREADS = 4


def decode(data: Path | bytes, *, name: str | None = None) -> NDArray[np.uint8]:
    """Decode one picture file into (H, W, 3) uint8, RGB.

    JPEG, PNG, WebP, BMP and TIFF, told by their content; the first picture where there are several. The orientation in
    EXIF is applied, 16-bit gray is scaled to 0..255, gray is repeated, what is transparent is laid over white.
    ``name`` is what errors call the picture (default: its path). Raises ``DataError`` with the reason, never another
    error. Not for use in several threads at once: see ``decode_files``.
    """
    with _strict():
        return _decode(data, name or (printable(data) if isinstance(data, Path) else "the image"))


def decode_files(
    paths: Sequence[Path],
    finish: Callable[[NDArray[np.uint8]], T],
    *,
    boxes: Sequence[Box | None] | None = None,
    batch: int = 64,
) -> Iterator[T | DataError]:
    """Decode files on a few threads and yield ``finish`` of each, in order; for a file that cannot be read, the error.

    ``boxes``: the part of each picture that is cut out, as far as it lies within (None: all of it); where nothing of it
    does, the file counts as one that cannot be read. Only ``batch`` finished images are held at a time.
    """
    boxes = boxes or [None] * len(paths)

    def one(path: Path, box: Box | None) -> T | DataError:
        try:
            return finish(_cut(_decode(path, printable(path)), box, printable(path)))
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


def _decode(data: Path | bytes, name: str) -> NDArray[np.uint8]:
    try:
        with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data, formats=FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are more than the {_MAX_PIXELS:,} allowed")
            return _to_rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # damaged files also raise SyntaxError, struct.error, MemoryError, ...
        raise DataError(f"{name}: cannot be read: {_reason(error)}", "replace or remove the file") from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "no JPEG, PNG, WebP, BMP or TIFF image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0]


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode == "F":
        raise ValueError("pixels are floating-point numbers; save it with 8 or 16 bits a channel")
    if image.mode.startswith("I"):
        return _from_16_bits(np.asarray(image))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _from_16_bits(gray: NDArray[np.integer]) -> NDArray[np.uint8]:
    if gray.size and (gray.min() < 0 or gray.max() > 0xFFFF):
        raise ValueError("pixels lie outside 0..65535; save it with 8 or 16 bits a channel")
    return np.repeat((gray // 257).astype(np.uint8)[..., None], 3, axis=2)
