"""Reads untrusted .npz files: headers are checked against the file before memory is allocated, nothing is unpickled,
and large arrays are memory-mapped.

Layout of the container: ZIP (PKWARE APPNOTE 6.3, section 4.3); of a member: NumPy's ``numpy.lib.format``.
"""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.errors import CellclsError, DataError, MissingInputError
from cellcls.ops.storage.cache import cache_key, cached_array
from cellcls.ops.storage.files import replacing
from cellcls.ops.storage.paths import is_device

_CHUNK = 1 << 20
_HARMLESS_BYTES = 1 << 28
_BOMB_RATIO = 100
_MOST_CHANNELS = 4
_LOCAL_HEADER = struct.Struct("<26xHH")


@attrs.frozen
class Member:
    """An array in an npz file as described by its header; its data has not been read."""

    path: Path
    key: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    header_bytes: int
    info: zipfile.ZipInfo

    @property
    def nbytes(self) -> int:
        """Size of the array in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def keys(path: Path) -> tuple[str, ...]:
    """Return the names of the arrays in an npz file, from its directory. Raises ``DataError``."""
    with _opened(path) as archive:
        return tuple(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))


def member(path: Path, key: str, *, objects: bool = False) -> Member:
    """Read the header of the array ``key`` and check it against the file.

    Raises ``DataError`` for a missing array, Python objects (unless ``objects``; they are never loaded), a damaged
    header, inconsistent sizes, or a suspicious compression ratio.
    """
    with _opened(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        if key not in names:
            available = ", ".join(f"`{name}`" for name in names) or "no arrays"
            raise DataError(
                f"{path}: no array `{key}`; it contains {available}", f"write it with np.savez(path, {key}=...)"
            )
        info = archive.getinfo(f"{key}.npy")
        with archive.open(info) as file:
            shape, fortran_order, dtype = _read_header(file)
            header_bytes = file.tell()
    found = Member(path, key, dtype, shape, fortran_order, header_bytes, info)
    if not (objects and dtype.hasobject):
        _check(found)
    return found


def image_member(path: Path, key: str) -> Member:
    """Return the array of images after checking its dtype and shape. Raises ``DataError``."""
    found = member(path, key)
    where = f"{path}: `{key}` is {found.dtype} {found.shape}"
    if found.dtype != np.uint8:
        raise DataError(
            f"{where}; images must be uint8, 0 to 255",
            "scale the pixels to 0..255, then images.round().astype(numpy.uint8), and write the file again",
        )
    if _is_images(found.shape):
        return found
    raise DataError(
        f"{where}; images must be (N, H, W, 3), or (N, H, W) if gray, with N > 0",
        *_instead_of(key, found.shape),
    )


def _is_images(shape: tuple[int, ...]) -> bool:
    if math.prod(shape) == 0:
        return False
    if len(shape) == 3:
        return shape[2] > _MOST_CHANNELS  # (H, W, 3) is one image: no cell is 3 pixels wide
    return len(shape) == 4 and shape[3] in (1, 3)


def _instead_of(key: str, shape: tuple[int, ...]) -> Iterator[str]:
    """Yield hints for an array of another shape."""
    if math.prod(shape) == 0:
        yield "write the images into the file"
    elif len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3)):
        yield f"add a batch axis to a single image: {key}[None]"
    elif len(shape) == 3:
        yield f"add a batch axis and remove alpha: {key}[None, ..., :3]"
    elif len(shape) == 4 and shape[3] == 4:
        yield f"remove the alpha channel: {key}[..., :3]"
    elif len(shape) == 4 and shape[3] == 2:
        yield f"gray with alpha: {key}[..., 0]"
    elif len(shape) == 4 and shape[1] in (1, 3):
        yield f"channels must be last: {key}.transpose(0, 2, 3, 1)"
    elif len(shape) == 4 and shape[1] == 4:
        yield f"channels must be last, without alpha: {key}[:, :3].transpose(0, 2, 3, 1)"
    elif len(shape) == 4:
        yield f"these are volumes; take a slice of each: {key}[:, {shape[1] // 2}]"
    else:
        yield f"reshape them to four axes, (N, H, W, C); there are {len(shape)}"


def load(found: Member, *, limit: int = 1 << 27) -> NDArray[Any]:
    """Load an array into memory. Raises ``DataError`` if it is larger than ``limit`` bytes or damaged."""
    _check(found)
    if found.nbytes > limit:
        raise DataError(f"{found.path}: `{found.key}` has {found.nbytes:,} bytes, but at most {limit:,} are allowed")
    with _opened(found.path) as archive, archive.open(found.info) as file:
        file.read(found.header_bytes)
        flat = np.frombuffer(file.read(), dtype=found.dtype)
    return flat.reshape(found.shape, order="F" if found.fortran_order else "C")


def load_all(path: Path, *, limit: int = 1 << 30) -> dict[str, NDArray[Any]]:
    """Load the arrays of a small file. Raises ``DataError`` if they have more than ``limit`` bytes or are damaged."""
    members = [member(path, key) for key in keys(path)]
    if (size := sum(found.nbytes for found in members)) > limit:
        raise DataError(f"{path}: its arrays have {size:,} bytes, but at most {limit:,} are allowed")
    return {found.key: load(found, limit=limit) for found in members}


def memory_mapped(found: Member, *, cache: Path) -> NDArray[Any]:
    """Return an array memory-mapped read-only: from the npz file if it is uncompressed, else from a copy that is
    unpacked once into the folder ``cache``. The checksum is verified in both cases. Raises ``DataError``."""
    if found.info.compress_type == zipfile.ZIP_STORED:
        return _mapped_in_place(found)
    if found.fortran_order:
        raise DataError(
            f"{found.path}: `{found.key}` is compressed and in Fortran order",
            f"write it with np.savez_compressed(path, {found.key}=np.ascontiguousarray(...))",
        )
    stat = found.path.stat()
    key = cache_key(found.path.resolve(), stat.st_size, stat.st_mtime_ns, found.key, found.info.CRC)
    return cached_array(cache / f"npz-{key}.npy", found.shape, found.dtype, lambda: _unpacked(found))


def _mapped_in_place(found: Member) -> NDArray[Any]:
    for _ in _unpacked(found):  # zipfile verifies the checksum at the end; a mapping does not
        pass
    with found.path.open("rb") as file:
        file.seek(found.info.header_offset)
        name_bytes, extra_bytes = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    offset = found.info.header_offset + _LOCAL_HEADER.size + name_bytes + extra_bytes + found.header_bytes
    order = "F" if found.fortran_order else "C"
    return np.asarray(np.memmap(found.path, found.dtype, mode="r", offset=offset, shape=found.shape, order=order))  # type: ignore[call-overload]


def _unpacked(found: Member) -> Iterator[bytes]:
    with _opened(found.path) as archive, archive.open(found.info) as file:
        file.read(found.header_bytes)
        while chunk := file.read(_CHUNK):
            yield chunk


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        if is_device(path):
            raise ValueError("a device or a pipe, not a file")
        with zipfile.ZipFile(path) as archive:
            yield archive
    except CellclsError:
        raise
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: no such file") from error
    except Exception as error:  # damaged files also raise zlib.error, SyntaxError, EOFError, NotImplementedError, ...
        reason = str(error) or type(error).__name__
        raise DataError(
            f"{path}: cannot be read as an npz file: {reason}",
            "copy or download it again and compare its size; `python -m zipfile -t FILE` tests it",
        ) from error


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"arrays of format version {version[0]}.{version[1]} are not supported")
    return readers[version](file)


def _check(found: Member) -> None:
    where = f"{found.path}: `{found.key}`"
    if found.dtype.hasobject:
        raise DataError(
            f"{where} contains Python objects, which are never unpickled",
            "write it as a numeric array; for images of different sizes, use one folder per class (dataset `folder`)",
        )
    data_bytes = found.info.file_size - found.header_bytes
    if min(found.shape, default=0) < 0 or found.nbytes != data_bytes:
        raise DataError(
            f"{where} declares {found.dtype} {found.shape}, {found.nbytes:,} bytes, but has {data_bytes:,}",
            "the file is damaged: copy or download it again",
        )
    ratio = found.info.file_size / max(found.info.compress_size, 1)
    if found.nbytes > _HARMLESS_BYTES and ratio > _BOMB_RATIO:
        raise DataError(
            f"{where}: {found.info.compress_size:,} bytes would unpack to {found.nbytes:,}, which images never do",
            "if this is intended, store the arrays uncompressed: np.savez",
        )


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as an uncompressed npz file, atomically. Raises ``WriteError``."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **dict(arrays))
