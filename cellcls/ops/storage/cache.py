"""Arrays that are computed once, stored in a file and memory-mapped from then on."""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from cellcls.errors import WriteError
from cellcls.ops.storage.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)


def cache_key(*parts: Any) -> str:
    """Return a hash of ``parts`` for use in a file name. Values that JSON cannot represent are hashed by ``str``."""
    text = json.dumps(parts, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def cached_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], chunks: Callable[[], Iterable[Any]]
) -> NDArray[Any]:
    """Return the array in ``path`` (.npy), memory-mapped read-only, after writing it there if necessary.

    ``chunks`` yields the bytes of the array in C order (``bytes`` or arrays); it is only called if the file does not
    exist. The file is written atomically, by one process while others wait. It is written as a file and not through a
    mapping, so that a full disk is a ``WriteError`` instead of a crash.
    """
    array = _mapped(path, shape, dtype)
    if array is not None:
        return array
    with _lock(path):
        array = _mapped(path, shape, dtype)  # another process may have written it meanwhile
        if array is None:
            _log.info("decoding once into %s", path)
            _write(path, shape, dtype, chunks())
            array = _mapped(path, shape, dtype)
    if array is None:
        raise WriteError(f"{path}: cannot read back what was just written", "check the disk")
    return array


def unmap(array: NDArray[Any]) -> None:
    """Release the resident pages of a memory-mapped array; it remains usable, and the system may keep them cached."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def _mapped(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # missing, truncated or not an .npy file: written again
        return None
    return np.asarray(array) if array.shape == shape and array.dtype == dtype else None


def _lock(path: Path) -> FileLock:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{path.parent}: cannot create this folder for decoded images: {error.strerror}") from error
    return FileLock(path.with_name(f".{path.name}.lock"))


def _write(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], chunks: Iterable[Any]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            file.write(chunk if isinstance(chunk, bytes) else np.ascontiguousarray(chunk).data)
