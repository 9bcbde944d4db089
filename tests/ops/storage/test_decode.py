from __future__ import annotations

import io
import struct
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cellcls.errors import DataError
from cellcls.ops.storage.decode import DecodedImage, decode, decode_files

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
SMOOTH = np.linspace(0, 255, 40 * 30 * 3).reshape(40, 30, 3).astype(np.uint8)


def encoded(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("format", "options"), [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_come_back_exactly(format: str, options: dict[str, object]) -> None:
    image = decode(encoded(Image.fromarray(PIXELS), format, **options))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, PIXELS)


def test_jpeg_comes_back_nearly() -> None:
    image = decode(encoded(Image.fromarray(SMOOTH), "JPEG", quality=95))
    assert np.abs(image.astype(int) - SMOOTH).mean() < 3


def test_a_path_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(PIXELS), "PNG"))
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), PIXELS)


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees to see it upright
    turned = decode(encoded(Image.fromarray(PIXELS), "PNG", exif=exif))
    np.testing.assert_array_equal(turned, np.rot90(PIXELS, 3))


def test_16_bits_are_scaled() -> None:
    gray = np.array([[0, 257], [257 * 100, 65535]], dtype=np.uint16)
    for format in ("PNG", "TIFF"):
        np.testing.assert_array_equal(decode(encoded(Image.fromarray(gray), format))[..., 1], [[0, 1], [100, 255]])


def test_palette_gray_and_one_bit_become_rgb() -> None:
    gray = Image.fromarray(PIXELS[..., 0])
    np.testing.assert_array_equal(decode(encoded(gray, "PNG")), np.repeat(PIXELS[..., :1], 3, axis=2))
    palette = Image.fromarray(PIXELS).quantize(16)
    np.testing.assert_array_equal(decode(encoded(palette, "PNG")), np.asarray(palette.convert("RGB")))
    bits = Image.fromarray(PIXELS[..., 0] > 127)
    assert set(np.unique(decode(encoded(bits, "PNG")))) == {0, 255}


def test_transparent_is_laid_over_white() -> None:
    alpha = np.full((9, 12, 1), 255, dtype=np.uint8)
    alpha[0] = 0
    image = decode(encoded(Image.fromarray(np.concatenate([PIXELS, alpha], axis=2)), "PNG"))
    assert (image[0] == 255).all()
    np.testing.assert_array_equal(image[1:], PIXELS[1:])


def test_other_formats_are_refused() -> None:
    with pytest.raises(DataError, match=r"scan\.gif: cannot be read: not a JPEG, PNG, WebP, BMP or TIFF"):
        decode(encoded(Image.fromarray(PIXELS), "GIF"), name="scan.gif")


def test_floating_point_pixels_are_refused() -> None:
    with pytest.raises(DataError, match="floating-point"):
        decode(encoded(Image.fromarray(np.ones((4, 4), dtype=np.float32)), "TIFF"))


def test_a_truncated_jpeg_is_refused() -> None:
    content = encoded(Image.fromarray(SMOOTH), "JPEG")
    with pytest.raises(DataError, match=r"(?i)truncated"):
        decode(content[: len(content) // 2])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.png: cannot be read: No such file"):
        decode(tmp_path / "a.png")


@pytest.mark.parametrize("side", [9000, 11000, 60000])  # above our limit, Pillow's warning, Pillow's error
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )
    with pytest.raises(DataError, match="pixels"):
        decode(bomb)


def test_a_side_has_a_limit_too() -> None:
    long = encoded(Image.new("L", (1, 1 << 15)), "PNG")
    assert decode(long).shape == (1 << 15, 1, 3)
    with pytest.raises(DataError, match=r"1 x 32769 pixels: a side has at most 32,768"):
        decode(encoded(Image.new("L", (1, (1 << 15) + 1)), "PNG"))


def with_scans(count: int) -> bytes:
    """Return a JPEG whose last scan is repeated."""
    data = encoded(Image.fromarray(SMOOTH), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    made = data.count(b"\xff\xda")
    return data[:-2] + data[start:-2] * (count - made) + data[-2:]


@pytest.mark.parametrize("as_file", [True, False])
def test_a_jpeg_of_many_scans_is_refused(as_file: bool, tmp_path: Path) -> None:
    def opened(data: bytes) -> object:
        (tmp_path / "cell.jpg").write_bytes(data)
        return decode(tmp_path / "cell.jpg" if as_file else data)

    opened(with_scans(100))
    with pytest.raises(DataError, match="a JPEG of more than 100 scans; save it again"):
        opened(with_scans(101))


def test_scans_of_the_thumbnail_and_of_what_follows_the_image_do_not_count() -> None:
    photo = with_scans(90)
    comment = b"\xff\xfe" + struct.pack(">H", 62) + b"\xff\xda" * 30
    assert decode(photo[:2] + comment + photo[2:] + photo).shape == SMOOTH.shape


def test_the_pages_of_a_tiff_are_counted_up_to_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    """Pillow needs a minute for 100,000."""
    data = bytearray(encoded(Image.new("L", (8, 8)), "TIFF"))
    start = struct.unpack_from("<I", data, 4)[0]
    end = start + 2 + 12 * struct.unpack_from("<H", data, start)[0]
    page = bytes(data[start:end])
    struct.pack_into("<I", data, end, len(data))
    for _ in range(20_000):
        data += page + struct.pack("<I", len(data) + len(page) + 4)
    decode(bytes(data))
    assert "only the first of more than 1,000 pages is read" in caplog.text


def test_of_large_images_few_are_in_memory_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellcls.ops.storage.picture_limits.MAX_PIXELS", 10_000)
    for number in range(12):
        Image.new("RGB", (90, 60 if number % 2 else 20), (number, 0, 0)).save(tmp_path / f"{number}.png")
    counted, held, most = threading.Lock(), 0, 0

    def finish(image: DecodedImage) -> int:
        nonlocal held, most
        pixels = image.pixels.shape[0] * image.pixels.shape[1]
        with counted:
            held += pixels
            most = max(most, held)
        time.sleep(0.01)
        with counted:
            held -= pixels
        return int(image.pixels[0, 0, 0])

    assert list(decode_files([tmp_path / f"{number}.png" for number in range(12)], finish)) == [*range(12)]
    assert most <= 10_000


@given(st.data(), st.sampled_from(["PNG", "JPEG", "TIFF", "WEBP", "BMP"]))
def test_damage_is_a_data_error_or_an_image(data: st.DataObject, format: str) -> None:
    content = bytearray(encoded(Image.fromarray(SMOOTH), format))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(0, len(content)) | st.just(len(content))) :]
    try:
        image = decode(bytes(content))
    except DataError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3


def test_files_come_in_order_and_bad_ones_as_errors(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(11)]
    for number, path in enumerate(paths):
        Image.new("RGB", (3, 2), (number, 0, 0)).save(path)
    paths[4].write_bytes(b"no picture")
    images = list(decode_files(paths, lambda image: image.pixels[:1, :1], batch=4))
    assert isinstance(images[4], DataError)
    assert "4.png" in images[4].message
    assert [int(image[0, 0, 0]) for image in images if isinstance(image, np.ndarray)] == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


LONG = b"x" * (3 << 20)
TEXTS = {
    "zTXt": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LONG)),
    "iTXt": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0key\0" + zlib.compress(LONG)),
    "iCCP": chunk(b"iCCP", b"profile\0\0" + zlib.compress(LONG)),
    "tEXt": chunk(b"tEXt", b"Comment\0" + LONG) * 23,  # 69 MB in all
}


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("kind", TEXTS)
def test_a_png_with_long_text_is_read(kind: str, where: str) -> None:
    """Pillow refuses texts of more than 1 MB unpacked, or 64 MB in all."""
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    whole = encoded(Image.fromarray(PIXELS), "PNG", exif=exif)
    at = 33 if where == "before" else len(whole) - 12
    image = decode(whole[:at] + TEXTS[kind] + whole[at:])
    np.testing.assert_array_equal(image, PIXELS[::-1, ::-1])


def test_a_short_compressed_text_beside_a_long_one_still_turns_the_image() -> None:
    xmp = b"<x:xmpmeta xmlns:tiff='t'><rdf:Description tiff:Orientation=\"3\"/></x:xmpmeta>"
    whole = encoded(Image.fromarray(PIXELS), "PNG")
    short = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp))
    with Image.open(io.BytesIO(whole[:33] + short + whole[33:])) as image:
        assert image.getexif()[0x0112] == 3
    image = decode(whole[:33] + short + TEXTS["zTXt"] + whole[33:])
    np.testing.assert_array_equal(image, PIXELS[::-1, ::-1])


def test_a_damaged_png_with_long_text_is_refused() -> None:
    whole = encoded(Image.fromarray(PIXELS), "PNG")
    with pytest.raises(DataError, match="cannot be read"):
        decode(whole[:33] + TEXTS["zTXt"] + whole[33:60])


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="cannot be read: the file is empty"):
        decode(tmp_path / "a.png")
