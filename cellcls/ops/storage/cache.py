"""Arrays that are decoded once into a file and memory-mapped ever after."""

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
    """Return a file name's worth of hash of ``parts``: what JSON can hold, other things by their ``str``."""
    text = json.dumps(parts, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def cached_array(
    path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], chunks: Callable[[], Iterable[Any]]
) -> NDArray[Any]:
    """Return the array kept in ``path`` (.npy), memory-mapped read-only; the first time, write it there.

    ``chunks`` gives the array's bytes in C order, piece by piece (``bytes`` or arrays); it is not called when the file
    is there. The file appears as a whole or not at all; of several processes one writes and the others wait. Writing
    to the file, not to a mapping of it, makes a full disk a ``WriteError`` and not a crash.
    """
    found = _mapped(path, shape, dtype)
    if found is not None:
        return found
    with _lock(path):
        found = _mapped(path, shape, dtype)  # another process may have written it meanwhile
        if found is None:
            _log.info("decoding once into %s", path)
            _write(path, shape, dtype, chunks())
            found = _mapped(path, shape, dtype)
    if found is None:
        raise WriteError(f"{path}: what was just written there cannot be read back", "check the disk")
    return found


def unmap(array: NDArray[Any]) -> None:
    """Unmap the pages of an array that is mapped from a file; they stay in the system's cache. Nothing else changes."""
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def _mapped(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # missing, cut short, no .npy: written anew
        return None
    return np.asarray(array) if array.shape == shape and array.dtype == dtype else None


def _lock(path: Path) -> FileLock:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{path.parent}: cannot make this folder for decoded copies: {error.strerror}") from error
    return FileLock(path.with_name(f".{path.name}.lock"))


def _write(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], chunks: Iterable[Any]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            file.write(chunk if isinstance(chunk, bytes) else np.ascontiguousarray(chunk).data)
