"""Images without labels, for ``predict``: files, folders of them, npz files, data sets and arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellcls.api import Source
from cellcls.engine.network import NetworkConfig
from cellcls.errors import DataError, MissingInputError
from cellcls.ops.storage import npz
from cellcls.ops.storage.decode import EXTENSIONS, decode, fit
from cellcls.ops.storage.files import cache_folder, printable
from cellcls.registry import Registry
from cellcls.runs.inputs import recognised


def unlabelled(
    images: Sequence[Path | NDArray[np.uint8]], config: NetworkConfig, registry: Registry
) -> Iterator[tuple[Source, list[str]]]:
    """Yield sources and the names of their images, in order; files and arrays that follow each other are one."""
    single: list[Path | NDArray[np.uint8]] = []
    names: list[str] = []
    for number, given in enumerate(images):
        whole = _set(given, config, registry) if isinstance(given, Path) else None
        if whole is None:
            more = _files(given) if isinstance(given, Path) else _pictures_of(given, number)
            single += more
            names += _names_of(given, number, more)
            continue
        if single:
            yield _Unlabelled(single, config), names
            single, names = [], []
        file = printable(given) if isinstance(given, Path) else ""
        yield whole, [f"{file}[{place}]" for place in range(len(whole))]
    if single:
        yield _Unlabelled(single, config), names


class _Unlabelled(Source):
    """Images without labels: all of the first class, so that what reads sources can read them."""

    def __init__(self, pixels: Sequence[Any] | NDArray[np.uint8], config: NetworkConfig) -> None:
        self.pixels = pixels
        self.config = config
        self.class_names = config.classes
        self.labels = np.zeros(len(pixels), dtype=np.int64)

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return images, decoding files as they are asked for."""
        if isinstance(self.pixels, np.ndarray):
            pixels = np.asarray(self.pixels[indices])
            pixels = pixels[..., None] if pixels.ndim == 3 else pixels
            return pixels if pixels.shape[-1] == 3 else np.repeat(pixels, 3, axis=-1)
        return np.stack([self._decoded(self.pixels[index]) for index in indices])

    def _decoded(self, picture: Path | NDArray[np.uint8]) -> NDArray[np.uint8]:
        pixels = decode(picture) if isinstance(picture, Path) else picture
        return fit(pixels, self.config.input.size, self.config.input.interpolation)


def _pictures_of(array: NDArray[np.uint8], number: int) -> list[NDArray[np.uint8]]:
    """Return the pictures (H, W, 3) of an array. Raises ``DataError`` for another type or shape."""
    array = np.asarray(array)
    where = f"array {number}: {array.dtype} {array.shape}"
    if array.dtype != np.uint8:
        raise DataError(f"{where}; images must be uint8, 0 to 255", "scale it to 0..255, then .astype(numpy.uint8)")
    if array.ndim == 2 or (array.ndim == 3 and array.shape[-1] == 3):
        array = array[None]
    if array.ndim == 3:
        array = np.repeat(array[..., None], 3, axis=-1)
    if array.ndim != 4 or array.shape[-1] != 3 or not array.size:
        raise DataError(f"{where}; an image is (H, W, 3), images are (N, H, W, 3)", "RGB, without alpha")
    return list(array)


def _names_of(given: Path | NDArray[np.uint8], number: int, pictures: Sequence[object]) -> list[str]:
    if isinstance(given, Path):
        return [printable(file) for file in pictures if isinstance(file, Path)]
    return [f"array {number}" if len(pictures) == 1 else f"array {number}[{at}]" for at in range(len(pictures))]


def _set(path: Path, config: NetworkConfig, registry: Registry) -> Source | None:
    """Open a file with many images; None: it is an image, or a folder of them."""
    if path.is_dir() or path.suffix.lower() in EXTENSIONS:
        return None
    if path.suffix != ".npz" or "images" not in npz.keys(path):
        dataset = recognised(path, registry)
        if dataset is not None:
            how = config.input
            return dataset.build(path=path, size=how.size, interpolation=how.interpolation, cache=cache_folder())
        if path.suffix != ".npz":
            return None
    return _Unlabelled(npz.memory_mapped(npz.image_member(path, "images"), cache=cache_folder()), config)


def _files(path: Path) -> list[Path | NDArray[np.uint8]]:
    if not path.is_dir():
        return [path]
    inside: list[Path | NDArray[np.uint8]] = sorted(
        file for file in path.rglob("*") if file.suffix.lower() in EXTENSIONS
    )
    if not inside:
        raise MissingInputError(f"{path}: no images in it ({', '.join(sorted(EXTENSIONS))})")
    return inside
