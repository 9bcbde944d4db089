"""Reading .npz files nobody has vetted: headers are compared with what the file holds before anything is allocated,
nothing is unpickled, and large arrays are memory-mapped instead of loaded.

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

_CHUNK = 1 << 20
_HARMLESS_BYTES = 1 << 28
_BOMB_RATIO = 100
_MOST_CHANNELS = 4
_LOCAL_HEADER = struct.Struct("<26xHH")


@attrs.frozen
class Member:
    """An array of an npz as its header describes it; nothing of its data has been read."""

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
    """Return the names of the arrays in an npz, from the list at its end. Raises ``DataError``."""
    with _opened(path) as archive:
        return tuple(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))


def member(path: Path, key: str, *, objects: bool = False) -> Member:
    """Read the header of the array ``key`` and check that the file holds what it promises.

    Raises ``DataError``: no such array, Python objects (unless ``objects``: they can be found, never loaded), a damaged
    header, sizes that do not fit together, or a few bytes that would unpack into very many.
    """
    with _opened(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        if key not in names:
            held = ", ".join(f"`{name}`" for name in names) or "no array at all"
            raise DataError(f"{path}: no array `{key}`; it holds {held}", f"write it with np.savez(path, {key}=...)")
        info = archive.getinfo(f"{key}.npy")
        with archive.open(info) as file:
            shape, fortran_order, dtype = _read_header(file)
            header_bytes = file.tell()
    found = Member(path, key, dtype, shape, fortran_order, header_bytes, info)
    if not (objects and dtype.hasobject):
        _check(found)
    return found


def image_member(path: Path, key: str) -> Member:
    """Find the array of images and check its kind and shape by its header. Raises ``DataError``."""
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
        f"{where}; images must be (N, H, W, 3), or (N, H, W) where they are gray, and at least one",
        *_instead_of(key, found.shape),
    )


def _is_images(shape: tuple[int, ...]) -> bool:
    if math.prod(shape) == 0:
        return False
    if len(shape) == 3:
        return shape[2] > _MOST_CHANNELS  # (H, W, 3) is one picture: no cell is 3 pixels wide
    return len(shape) == 4 and shape[3] in (1, 3)


def _instead_of(key: str, shape: tuple[int, ...]) -> Iterator[str]:
    """Yield what to do with an array of another shape."""
    if math.prod(shape) == 0:
        yield "write the images into the file"
    elif len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3)):
        yield f"one picture needs the axis of the pictures: {key}[None]"
    elif len(shape) == 3:
        yield f"one picture with alpha: {key}[None, ..., :3]"
    elif len(shape) == 4 and shape[3] == 4:
        yield f"the fourth channel is alpha; leave it out: {key}[..., :3]"
    elif len(shape) == 4 and shape[3] == 2:
        yield f"gray with alpha: {key}[..., 0]"
    elif len(shape) == 4 and shape[1] in (1, 3):
        yield f"colour comes last: {key}.transpose(0, 2, 3, 1)"
    elif len(shape) == 4 and shape[1] == 4:
        yield f"colour comes last, without alpha: {key}[:, :3].transpose(0, 2, 3, 1)"
    elif len(shape) == 4:
        yield f"these are volumes, and cellcls reads pictures; one slice of each: {key}[:, {shape[1] // 2}]"
    else:
        yield f"bring them to four axes: pictures, height, width, colour; here there are {len(shape)}"


def load(found: Member, *, limit: int = 1 << 27) -> NDArray[Any]:
    """Return an array in memory. Raises ``DataError`` when it is larger than ``limit`` bytes or damaged."""
    _check(found)
    if found.nbytes > limit:
        raise DataError(f"{found.path}: `{found.key}` has {found.nbytes:,} bytes where at most {limit:,} are expected")
    with _opened(found.path) as archive, archive.open(found.info) as file:
        file.read(found.header_bytes)
        flat = np.frombuffer(file.read(), dtype=found.dtype)
    return flat.reshape(found.shape, order="F" if found.fortran_order else "C")


def memory_mapped(found: Member, *, cache: Path) -> NDArray[Any]:
    """Return an array read-only and memory-mapped: from the npz itself where it is stored plainly, else from a copy
    that is unpacked once into the folder ``cache``. Either way its checksum is compared. Raises ``DataError``."""
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
    for _ in _unpacked(found):  # zipfile compares the checksum at the end; a mapping would not
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
        raise ValueError(f"arrays of format {version[0]}.{version[1]} are not read")
    return readers[version](file)


def _check(found: Member) -> None:
    where = f"{found.path}: `{found.key}`"
    if found.dtype.hasobject:
        raise DataError(
            f"{where} holds Python objects, which are never unpickled",
            "write it as an array of numbers; images of different sizes go into one folder a class (dataset `folder`)",
        )
    data_bytes = found.info.file_size - found.header_bytes
    if min(found.shape, default=0) < 0 or found.nbytes != data_bytes:
        raise DataError(
            f"{where} promises {found.dtype} {found.shape}, {found.nbytes:,} bytes, but {data_bytes:,} are there",
            "the file is damaged: copy or download it again",
        )
    ratio = found.info.file_size / max(found.info.compress_size, 1)
    if found.nbytes > _HARMLESS_BYTES and ratio > _BOMB_RATIO:
        raise DataError(
            f"{where}: {found.info.compress_size:,} bytes would unpack into {found.nbytes:,}, as no pictures do",
            "if this is meant, store the arrays uncompressed: np.savez",
        )


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as an uncompressed npz, as a whole or not at all. Raises ``WriteError``."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **dict(arrays))
