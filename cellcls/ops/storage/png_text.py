"""Text in PNG files that Pillow refuses to read for its size, although the image beside it is sound."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import BinaryIO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_MAX_TEXT = 1 << 16
"""Bytes of a text that are kept, compressed and not: a text with the orientation of the image is shorter."""


def without_long_text(data: Path | bytes) -> bytes | None:
    """Return a PNG file without its long texts and colour profiles; None if it has none or is no PNG file.

    Raises ``OSError`` if the file cannot be read.
    """
    with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
        if file.read(len(_SIGNATURE)) != _SIGNATURE:
            return None
        return _copy(file)


def _copy(file: BinaryIO) -> bytes | None:
    kept, dropped = [_SIGNATURE], False
    while header := file.read(8):
        length, kind = int.from_bytes(header[:4], "big"), header[4:]
        if kind in _TEXT and length > _MAX_TEXT:
            file.seek(length + 4, io.SEEK_CUR)
            dropped = True
            continue
        content = file.read(length + 4)
        if kind in _TEXT and _is_long(kind, content[:-4]):
            dropped = True
        else:
            kept += [header, content]
    return b"".join(kept) if dropped else None


def _is_long(kind: bytes, content: bytes) -> bool:
    """Return whether the compressed text or profile of a chunk is longer than is kept."""
    rest = content.partition(b"\0")[2]
    if kind == b"iTXt" and rest[:1] == b"\1":  # compression flag and method, language, translated keyword
        packed = rest[2:].split(b"\0", 2)[-1]
    elif kind in (b"zTXt", b"iCCP"):
        packed = rest[1:]
    else:
        return False
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed, _MAX_TEXT)
    except zlib.error:
        return True
    return bool(unpacker.unconsumed_tail)
