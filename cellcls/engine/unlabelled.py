"""Images without labels, for ``predict``: files, folders of them, npz files, data sets and arrays."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.api import Input, Source
from cellcls.engine.network import NetworkConfig
from cellcls.errors import CellclsError, DataError, MissingInputError, Problems
from cellcls.ops.storage import npz
from cellcls.ops.storage.decode import EXTENSIONS, decode
from cellcls.ops.storage.files import cache_folder, printable
from cellcls.ops.storage.folders import is_image, scan
from cellcls.ops.storage.skipped import count_skipped, skipped_in_words
from cellcls.registry import Registry
from cellcls.runs.inputs import recognised

_log = logging.getLogger(__name__)


Picture: TypeAlias = "Path | NDArray[np.uint8] | CellclsError"
"""A file, the pixels (H, W, 3) of an image, or why there are none."""


@attrs.frozen(eq=False)
class Portion:
    """Some of the images, in order."""

    sources: Sequence[Source]
    """The images for each network, which may differ in the input they take."""
    names: list[str]
    unreadable: Mapping[int, str] = attrs.field(factory=dict)
    """Reason by position of each image that could not be read; complete when a source was read as a whole."""


def unlabelled(
    images: Sequence[Path | NDArray[np.uint8]], configs: Sequence[NetworkConfig], registry: Registry
) -> Iterator[Portion]:
    """Yield the images in order, for each network; files and arrays that follow each other are one portion.

    A file or folder without images that can be read is an unreadable image of its portion. Raises its error if there is
    nothing else.
    """
    pictures: list[Picture] = []
    names: list[str] = []
    problems = Problems()
    for number, given in enumerate(images):
        if not isinstance(given, Path):
            more = _pictures_of(given, number)
            pictures += more
            names += [f"array {number}" if len(more) == 1 else f"array {number}[{at}]" for at in range(len(more))]
            continue
        opened: Sequence[Source] | Mapping[Path, Picture]
        try:
            opened = _opened(given, configs, registry)
        except (DataError, MissingInputError) as error:
            problems.errors.append(error)
            opened = {given: error}
        if isinstance(opened, Mapping):
            pictures += opened.values()
            names += map(printable, opened)
            continue
        if pictures:
            yield _portion(pictures, names, configs)
            pictures, names = [], []
        yield Portion(opened, [f"{printable(given)}[{place}]" for place in range(len(opened[0]))])
    if len(problems.errors) == len(images):
        problems.raise_any()
    if pictures:
        yield _portion(pictures, names, configs)


def _portion(pictures: Sequence[Picture], names: list[str], configs: Sequence[NetworkConfig]) -> Portion:
    prepared = _Prepared(pictures, [config.input for config in configs])
    sources = [_Pictures(prepared, number, config) for number, config in enumerate(configs)]
    return Portion(sources, names, prepared.unreadable)


class _Unlabelled(Source):
    """Images without labels: all of the first class, so that what reads sources can read them."""

    def __init__(self, count: int, config: NetworkConfig) -> None:
        self.config = config
        self.class_names = config.classes
        self.labels = np.zeros(count, dtype=np.int64)


class _Prepared:
    """Pictures, decoded as they are asked for and prepared for the inputs of all networks at once.

    Those asked for last are kept, as the networks ask one after another. One that cannot be read is black, and noted.
    """

    def __init__(self, pictures: Sequence[Picture], inputs: Sequence[Input]) -> None:
        self.pictures = pictures
        self.inputs = inputs
        self.unreadable: dict[int, str] = {}
        self.sizes = np.zeros((len(pictures), 2), dtype=np.int64)
        """Height and width of those that were decoded."""
        self._asked: list[int] = []
        self._kept: list[NDArray[np.uint8]] = []

    def take(self, indices: list[int]) -> list[NDArray[np.uint8]]:
        """Return images (B, S, S, 3) for each input."""
        if indices != self._asked:
            rows = [self._prepared(index) for index in indices]
            self._asked, self._kept = indices, [np.stack(images) for images in zip(*rows, strict=True)]
        return self._kept

    def _prepared(self, index: int) -> list[NDArray[np.uint8]]:
        picture = self.pictures[index]
        try:
            if isinstance(picture, CellclsError):
                raise picture
            pixels = decode(picture) if isinstance(picture, Path) else picture
        except CellclsError as error:
            self.unreadable[index] = error.message
            return [np.zeros((input.size, input.size, 3), dtype=np.uint8) for input in self.inputs]
        self.sizes[index] = pixels.shape[:2]
        return [input.prepare(pixels) for input in self.inputs]


class _Pictures(_Unlabelled):
    """Files and arrays of any size, prepared for one of the networks."""

    prepared = True

    def __init__(self, pictures: _Prepared, number: int, config: NetworkConfig) -> None:
        super().__init__(len(pictures.pictures), config)
        self.pictures = pictures
        self.number = number
        self.sizes = pictures.sizes

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return images, decoding files as they are asked for."""
        return self.pictures.take(indices.tolist())[self.number]


class _Array(_Unlabelled):
    """The images of an npz file."""

    def __init__(self, pixels: NDArray[np.uint8], config: NetworkConfig) -> None:
        super().__init__(len(pixels), config)
        self.pixels = pixels

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return images as they are stored, gray repeated to RGB."""
        pixels = np.asarray(self.pixels[indices])
        pixels = pixels[..., None] if pixels.ndim == 3 else pixels
        return pixels if pixels.shape[-1] == 3 else np.repeat(pixels, 3, axis=-1)


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


def _opened(
    path: Path, configs: Sequence[NetworkConfig], registry: Registry
) -> Sequence[Source] | Mapping[Path, Picture]:
    """Open a file with many images, or list the images of a folder; an image is listed alone."""
    if path.is_dir():
        return _images_in(path)
    if is_image(path):
        return {path: path}
    if path.suffix != ".npz" or "images" not in npz.keys(path):
        dataset = recognised(path, registry)
        if dataset is not None:
            return [dataset.build(path=path, input=config.input, cache=cache_folder()) for config in configs]
        if path.suffix != ".npz":
            return {path: path}
    pixels = npz.memory_mapped(npz.image_member(path, "images"), cache=cache_folder())
    return [_Array(pixels, config) for config in configs]


def _images_in(path: Path) -> Mapping[Path, Picture]:
    """List the images in a folder and the folders below it. Raises ``MissingInputError`` if it has none."""
    found = scan(path)
    told = skipped_in_words(count_skipped((printable(file), reason) for file, reason in found.skipped.items()))
    files: dict[Path, Picture] = {file: file for file in found.images}
    files |= {
        folder: DataError(f"{printable(folder)}: cannot be read: {reason}")
        for folder, reason in found.unreadable.items()
    }
    if not files:
        more = f"; {told}" if told else ""
        raise MissingInputError(f"{printable(path)}: no images in it ({', '.join(sorted(EXTENSIONS))}){more}")
    if told:
        _log.warning("%s: %s; `cellcls audit` lists them", printable(path), told)
    return files
