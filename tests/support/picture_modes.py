"""Every sort of picture file, with what must be read of it: the right pixels, worked out with numpy from what was
written, what the warning says, or that it is refused. The docs' table of picture files is made from ``MODES``."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import attrs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

RNG = np.random.default_rng(0)
RGB8 = RNG.integers(0, 256, (9, 12, 3), dtype=np.uint8)
RGBA8 = RNG.integers(0, 256, (9, 12, 4), dtype=np.uint8)
GRAY8 = RNG.integers(0, 256, (9, 12), dtype=np.uint8)
GRAY16 = RNG.integers(0, 65536, (9, 12), dtype=np.uint16)
RGB16 = RNG.integers(0, 65536, (9, 12, 3), dtype=np.uint16)


def tiff(array: NDArray[np.generic], **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def pillow(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png16(array: NDArray[np.uint16], colour_type: int) -> bytes:
    """Write a PNG of 16 bits a channel, which Pillow cannot."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bmp_with_alpha(rgba: NDArray[np.uint8]) -> bytes:
    """Write a 32-bit BMP with a V4 header, whose fourth byte is alpha."""
    height, width = rgba.shape[:2]
    pixels = np.ascontiguousarray(rgba[::-1, :, [2, 1, 0, 3]]).tobytes()
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(pixels), 2835, 2835, 0, 0)
    header += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header += bytes(108 - len(header))
    return b"BM" + struct.pack("<IHHI", 14 + 108 + len(pixels), 0, 0, 122) + header + pixels


def repeated(gray: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2)


def scaled(gray: NDArray[np.integer], top: int) -> NDArray[np.float64]:
    return np.repeat((gray / top * 255)[..., None], 3, axis=2)


def over_white(rgba: NDArray[np.uint8]) -> NDArray[np.float64]:
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + 255 * (1 - alpha)


@attrs.frozen
class Mode:
    """A sort of file: how it is made, and what is read of it (None: it is refused)."""

    name: str
    data: Callable[[], bytes]
    right: NDArray[np.generic] | None
    says: str = ""
    """Of the warning or the refusal."""
    within: float = 0.0
    """Levels that a pixel may be off by rounding."""


ZERO = np.zeros((9, 12, 1), np.uint8)
ZERO_ALPHA = np.concatenate([RGB8, ZERO], 2)
MODES = [
    Mode("PNG, 8-bit colour", lambda: pillow(Image.fromarray(RGB8)), RGB8),
    Mode("PNG, 8-bit gray", lambda: pillow(Image.fromarray(GRAY8)), repeated(GRAY8)),
    Mode("PNG, 1 bit", lambda: pillow(Image.fromarray(GRAY8 > 99)), repeated((GRAY8 > 99) * 255)),
    Mode("PNG, alpha", lambda: pillow(Image.fromarray(RGBA8)), over_white(RGBA8), within=1),
    Mode("PNG, gray with alpha",
         lambda: pillow(Image.fromarray(RGBA8[..., [0, 3]], "LA")), over_white(RGBA8[..., [0, 0, 0, 3]]), within=1),
    Mode("PNG, alpha of zeros", lambda: pillow(Image.fromarray(ZERO_ALPHA)), RGB8, "its alpha channel is zero"),
    Mode("PNG, 16-bit gray", lambda: png16(GRAY16, 0), scaled(GRAY16, 65535), within=1),
    Mode("PNG, 16-bit colour", lambda: png16(RGB16, 2), RGB16 / 65535 * 255, within=1),
    Mode("PNG, 16-bit colour below 4096", lambda: png16(RGB16 >> 4, 2), None, "nearly black"),
    Mode("PNG, 16-bit gray below 4096", lambda: png16(GRAY16 >> 4, 0), scaled(GRAY16 >> 4, 4095), "read as 12-bit", 1),
    Mode("PNG, several pictures",
         lambda: pillow(Image.fromarray(RGB8), save_all=True, append_images=[Image.fromarray(RGB8[::-1])]),
         RGB8, "the first of 2 pages"),
    Mode("BMP, 8-bit colour", lambda: pillow(Image.fromarray(RGB8), "BMP"), RGB8),
    Mode("BMP, alpha of zeros", lambda: bmp_with_alpha(ZERO_ALPHA), RGB8, "its alpha channel is zero"),
    Mode("BMP, alpha", lambda: bmp_with_alpha(RGBA8), over_white(RGBA8), within=1),
    Mode("WebP, lossless", lambda: pillow(Image.fromarray(RGB8), "WEBP", lossless=True), RGB8),
    Mode("JPEG, CMYK", lambda: pillow(Image.new("CMYK", (12, 9), (0, 0, 0, 0)), "JPEG"),
         np.full((9, 12, 3), 255), "CMYK is converted to RGB"),
    Mode("TIFF, 8-bit colour", lambda: tiff(RGB8, photometric="rgb"), RGB8),
    Mode("TIFF, 8-bit colour, channel by channel",
         lambda: tiff(np.moveaxis(RGB8, 2, 0).copy(), photometric="rgb", planarconfig="separate"), RGB8),
    Mode("TIFF, 16-bit colour", lambda: tiff(RGB16, photometric="rgb"), RGB16 / 65535 * 255, within=1),
    Mode("TIFF, 16-bit colour, other byte order",
         lambda: tiff(RGB16, photometric="rgb", byteorder=">"), RGB16 / 65535 * 255, within=1),
    Mode("TIFF, 16-bit colour, channel by channel",
         lambda: tiff(np.moveaxis(RGB16, 2, 0).copy(), photometric="rgb", planarconfig="separate"),
         None, "separate planes"),
    Mode("TIFF, 16-bit colour below 4096", lambda: tiff(RGB16 >> 4, photometric="rgb"), None, "nearly black"),
    Mode("TIFF, 16-bit gray", lambda: tiff(GRAY16), scaled(GRAY16, 65535), within=1),
    Mode("TIFF, 16-bit gray, other byte order", lambda: tiff(GRAY16, byteorder=">"), scaled(GRAY16, 65535), within=1),
    Mode("TIFF, 16-bit gray, white is zero",
         lambda: tiff(GRAY16, photometric="miniswhite"), 255 - scaled(GRAY16, 65535), within=1),
    Mode("TIFF, 8-bit gray, white is zero", lambda: tiff(GRAY8, photometric="miniswhite"), repeated(255 - GRAY8)),
    Mode("TIFF, 12-bit values in 16 bits", lambda: tiff(GRAY16 >> 4), scaled(GRAY16 >> 4, 4095), "read as 12-bit", 1),
    Mode("TIFF, 12-bit values, white is zero", lambda: tiff(GRAY16 >> 4, photometric="miniswhite"),
         255 - scaled(GRAY16 >> 4, 4095), "read as 12-bit", 1),
    Mode("TIFF, 14-bit values, tag MaxSampleValue",
         lambda: tiff(GRAY16 >> 2, extratags=[(281, "H", 1, 16383, True)]), scaled(GRAY16 >> 2, 16383), within=1),
    Mode("TIFF, 8-bit values in 16 bits", lambda: tiff(GRAY8.astype(np.uint16)), repeated(GRAY8), "read as 8-bit"),
    Mode("TIFF, 8-bit values in 32 bits", lambda: tiff(GRAY8.astype(np.int32)), repeated(GRAY8), "used as they are"),
    Mode("TIFF, 32-bit values", lambda: tiff(GRAY16.astype(np.int32)), None, "32-bit numbers beyond"),
    Mode("TIFF, signed bytes", lambda: tiff((GRAY8 // 2).astype(np.int8)), None, "signed"),
    Mode("TIFF, floating point", lambda: tiff(GRAY8.astype(np.float32)), None, "floating-point"),
    Mode("TIFF, double precision", lambda: tiff(GRAY8.astype(np.float64)), None, "unsupported"),
    Mode("TIFF, floating-point colour", lambda: tiff(RGB8.astype(np.float32), photometric="rgb"), None, "unsupported"),
    Mode("TIFF, CIELAB", lambda: tiff(RGB8, photometric="cielab"), None, "CIELAB"),
    Mode("TIFF, alpha", lambda: tiff(RGBA8, photometric="rgb", extrasamples=[2]), over_white(RGBA8), within=1),
    Mode("TIFF, fourth sample of no stated meaning",
         lambda: pages_without_extra_samples(RGBA8), RGBA8[..., :3], "fourth sample"),
    Mode("TIFF, fourth sample that is no alpha",
         lambda: tiff(RGBA8, photometric="rgb", extrasamples=[0]), RGBA8[..., :3]),
    Mode("TIFF, alpha of zeros",
         lambda: tiff(ZERO_ALPHA, photometric="rgb", extrasamples=[2]), RGB8, "its alpha channel is zero"),
    Mode("TIFF, several pages", lambda: tiff(np.stack([RGB8, RGB8[::-1]]), photometric="rgb"), RGB8,
         "the first of 2 pages"),
]  # fmt: skip


def pages_without_extra_samples(rgba: NDArray[np.uint8]) -> bytes:
    """Write a TIFF of four samples without the tag ExtraSamples, by renaming that tag to one of no meaning."""
    data = bytearray(tiff(rgba, photometric="rgb", extrasamples=[0], byteorder="<"))
    first = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[first : first + 2])[0]
    for entry in range(first + 2, first + 2 + 12 * count, 12):
        if struct.unpack("<H", data[entry : entry + 2])[0] == 338:
            struct.pack_into("<H", data, entry, 65000)
    return bytes(data)
