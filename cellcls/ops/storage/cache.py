"""Arrays that are computed once, stored in a file and memory-mapped from then on.

The file is an .npy with more behind the array: a note (JSON), its length, and the CRC-32 of all that, which is
verified whenever the file is opened. A damaged file is made anew.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

import attrs
import numpy as np
from filelock import FileLock, Timeout

from cellcls.errors import WriteError
from cellcls.ops.storage.files import JsonObject, replacing, temporaries

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)
_CHUNK = 1 << 20
_FOOTER = struct.Struct("<QI")
"""The length of the note, and the CRC-32 of all before the CRC-32."""


@attrs.frozen(eq=False)
class Cached:
    """An array, memory-mapped read-only, and what was noted of it when it was made."""

    array: NDArray[Any]
    note: JsonObject


def cache_key(*parts: Any) -> str:
    """Return a hash of ``parts`` for use in a file name. Values that JSON cannot represent are hashed by ``str``."""
    text = json.dumps(parts, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def cached_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], chunks: Callable[[], Iterable[Any]]
) -> NDArray[Any]:
    """Return the array of ``cached``, where there is nothing to note."""
    return cached(path, shape, dtype, chunks).array


def cached(
    path: Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunks: Callable[[], Iterable[Any]],
    note: Callable[[], JsonObject] = dict,
) -> Cached:
    """Return the array in ``path`` (.npy), memory-mapped read-only, after writing it there if necessary.

    ``chunks`` yields the bytes of the array in C order (``bytes`` or arrays); it is only called if the file does not
    exist or is damaged, and ``note`` after its last chunk. The file is written atomically, by one process while others
    wait. It is written as a file and not through a mapping, so that a full disk is a ``WriteError`` instead of a crash.
    """
    _sweep(path.parent)
    found = _opened(path, shape, dtype)
    if found is not None:
        return found
    with _lock(path):
        found = _opened(path, shape, dtype)  # another process may have written it meanwhile
        if found is None:
            _log.info("decoding once into %s", path)
            _write(path, shape, dtype, chunks(), note)
            found = _opened(path, shape, dtype)
    if found is None:
        raise WriteError(f"{path}: cannot read back what was just written", "check the disk")
    return found


def unmap(array: NDArray[Any]) -> None:
    """Release the resident pages of a memory-mapped array; it remains usable, and the system may keep them cached."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def _opened(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Cached | None:
    """Open the file if it is there, whole, and holds such an array."""
    try:
        with path.open("rb") as file:
            note, end = _verified(file)
        array = np.lib.format.open_memmap(path, mode="r")
        if array.offset + array.nbytes != end:
            raise ValueError("of another length")
    except FileNotFoundError:
        return None
    except Exception as error:  # what is damaged fails in arbitrary ways
        _log.warning("%s: not as it was written, so it is made anew (%s)", path, error)
        return None
    return Cached(np.asarray(array), note) if array.shape == shape and array.dtype == dtype else None


def _verified(file: IO[bytes]) -> tuple[JsonObject, int]:
    """Return the note of a file and where its array ends. Raises ``ValueError`` and others if it is damaged."""
    size = file.seek(0, os.SEEK_END) - _FOOTER.size
    file.seek(max(size, 0))
    footer = file.read()
    length, expected = _FOOTER.unpack(footer)
    file.seek(0)
    found, left = 0, size
    while left and (chunk := file.read(min(_CHUNK, left))):
        found, left = zlib.crc32(chunk, found), left - len(chunk)
    if _with_length(found, length) != expected or length > size:
        raise ValueError("another checksum")
    file.seek(size - length)
    note: JsonObject = json.loads(file.read(length))
    return note, size - length


def _with_length(found: int, length: int) -> int:
    return zlib.crc32(length.to_bytes(8, "little"), found)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left half-written. Whoever writes a file holds its lock, on this machine or another
    that shares the folder."""
    for leftover, path in temporaries(folder):
        with suppress(Timeout, OSError), FileLock(_lock_path(path), timeout=0):
            leftover.unlink(missing_ok=True)


def _lock_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _lock(path: Path) -> FileLock:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{path.parent}: cannot create this folder for decoded images: {error.strerror}") from error
    return FileLock(_lock_path(path))


class _Summed:
    """A file that is written, and the CRC-32 of what was."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.sum = 0

    def write(self, data: bytes | memoryview) -> int:
        self.sum = zlib.crc32(data, self.sum)
        return self.file.write(data)


def _write(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], chunks: Iterable[Any], note: Callable[[], JsonObject]
) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with replacing(path) as temporary, temporary.open("wb") as file:
        summed = _Summed(file)
        np.lib.format.write_array_header_1_0(summed, header)
        for chunk in chunks:
            summed.write(chunk if isinstance(chunk, bytes) else np.ascontiguousarray(chunk).data)
        text = json.dumps(note()).encode()
        summed.write(text)
        file.write(_FOOTER.pack(len(text), _with_length(summed.sum, len(text))))
