"""The images in a run folder, and the tiles of single cells that figures and pages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs
import numpy as np

from cellcls.errors import DataError
from cellcls.ops.storage import npz
from cellcls.report.numbers import percent, plain

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays: TypeAlias = "Mapping[str, NDArray[Any]]"
"""The arrays of an npz file, by name."""
Tone = Literal["", "good", "bad"]

_REPEAT = "repeat the run, or remove the file"
_ARRAYS = ("images", "label", "predicted", "probability", "maps", "copy", "epoch")

OVERLAY_STRENGTH = 0.75
"""Opacity of the hottest spot of a heat map over its image."""


@attrs.frozen(kw_only=True, eq=False)
class Pictures:
    """Images with their labels and predictions: the arrays of an npz file in a run folder."""

    images: NDArray[np.uint8]
    """(n, H, W, 3), RGB, 0..255."""
    label: NDArray[np.int64]
    """(n,) given class."""
    predicted: NDArray[np.int64] | None = None
    """(n,) predicted class."""
    probability: NDArray[np.float32] | None = None
    """(n,) the network's confidence in its prediction, 0..1."""
    maps: NDArray[np.float32] | None = None
    """(n, H, W) heat, 0..1."""
    copy: NDArray[np.int64] | None = None
    """(n,) number of the copy, 0 for the original."""
    epoch: NDArray[np.int64] | None = None
    """(n,) the epoch it was drawn in, from 1; 0 if it is not tied to an epoch."""
    layer: str = ""
    """Name of the layer that the heat maps show."""

    def __len__(self) -> int:
        return len(self.images)

    def take(self, which: NDArray[np.intp] | slice) -> Pictures:
        """Return a subset of the images with everything that belongs to them."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        some: dict[str, Any] = {name: None if array is None else array[which] for name, array in arrays.items()}
        return attrs.evolve(self, **some)


@attrs.frozen(kw_only=True, eq=False)
class MapPairs:
    """Heat maps of two networks on the same images, at some of the layers that were compared."""

    images: NDArray[np.uint8]
    """(n, H, W, 3), RGB, 0..255."""
    label: NDArray[np.int64]
    """(n,) given class, which the heat maps explain."""
    predicted: NDArray[np.int64]
    """(2, n) class that each network predicts."""
    layers: tuple[str, ...]
    maps: NDArray[np.float32]
    """(layers, 2, n, H, W) heat, 0..1."""


@attrs.frozen(kw_only=True, eq=False)
class Tile:
    """A cell to show: its images side by side, each (H, W, 3) uint8, and lines of text below."""

    pictures: tuple[NDArray[np.uint8], ...]
    lines: tuple[str, ...]
    tone: Tone = ""


@attrs.frozen(kw_only=True, eq=False)
class Group:
    """Tiles under a title. ``share`` in 0..1 draws a bar below the title (None: no bar)."""

    title: str = ""
    tiles: tuple[Tile, ...] = ()
    share: float | None = None


def read_pictures(path: Path) -> Pictures | None:
    """Read an npz file of images; return None if there is none. Raises ``DataError`` if it is malformed."""
    if not path.is_file():
        return None
    arrays = _arrays(path)
    _refuse(path, _problem(arrays))
    return pictures_of(arrays)


def read_map_pairs(path: Path) -> MapPairs | None:
    """Read the maps of two networks; return None if there is no file. Raises ``DataError`` if it is malformed."""
    if not path.is_file():
        return None
    arrays = _arrays(path)
    absent = [name for name in ("layers", "predicted", "maps") if name not in arrays]
    _refuse(path, f"no `{absent[0]}`" if absent else _problem(arrays, pairs=len(arrays["layers"])))
    return map_pairs(arrays)


def pictures_of(arrays: Arrays) -> Pictures:
    """Return images with what belongs to them from the arrays of their npz file."""
    known: dict[str, Any] = {name: arrays[name] for name in _ARRAYS if name in arrays}
    return Pictures(**known, layer=str(arrays.get("layer", "")))


def map_pairs(arrays: Arrays) -> MapPairs:
    """Return the maps of two networks from the arrays of their npz file."""
    known: dict[str, Any] = {name: arrays[name] for name in ("images", "label", "predicted", "maps")}
    return MapPairs(**known, layers=tuple(map(str, arrays["layers"])))


def _arrays(path: Path) -> Arrays:
    try:
        return npz.load_all(path)
    except DataError as error:
        raise DataError(error.message, _REPEAT) from error


def _refuse(path: Path, problem: str | None) -> None:
    if problem:
        raise DataError(f"{path}: {problem}", _REPEAT)


def _problem(arrays: Arrays, *, pairs: int | None = None) -> str | None:
    """Return what is wrong with the arrays. ``pairs``: the number of layers, for maps of two networks."""
    images = arrays.get("images")
    if images is None or images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8:
        return "`images` must be (n, H, W, 3) of uint8"
    if "label" not in arrays:
        return "no `label`"
    count = images.shape[:1]
    shapes = dict.fromkeys(("label", "predicted", "probability", "copy", "epoch"), count) | {"maps": images.shape[:3]}
    if pairs is not None:
        shapes |= {"predicted": (2, *count), "maps": (pairs, 2, *images.shape[:3])}
    for name, shape in shapes.items():
        if name in arrays and arrays[name].shape != shape:
            return f"`{name}` must be {shape}, not {arrays[name].shape}"
    return None


def class_name(classes: Sequence[str], label: int) -> str:
    """Return the name of a class with spaces, or ``class 9`` for a label without a name."""
    return plain(classes[label]) if 0 <= label < len(classes) else f"class {label}"


def label_tiles(pictures: Pictures, classes: Sequence[str]) -> tuple[Tile, ...]:
    """Return one tile per image with its given class, and which copy it is, if known."""
    return tuple(
        Tile(pictures=(image,), lines=(class_name(classes, int(label)), *_origin(pictures, at)))
        for at, (image, label) in enumerate(zip(pictures.images, pictures.label, strict=True))
    )


def draw_tiles(pictures: Pictures) -> tuple[Tile, ...]:
    """Return one tile per image that says whether it is the original, a copy or a draw."""
    return tuple(Tile(pictures=(image,), lines=_origin(pictures, at)) for at, image in enumerate(pictures.images))


def _origin(pictures: Pictures, position: int) -> tuple[str, ...]:
    if pictures.copy is None:
        return ()
    epoch = 0 if pictures.epoch is None else int(pictures.epoch[position])
    copy = int(pictures.copy[position])
    origin = ([f"copy {copy}"] if copy else []) + ([f"epoch {epoch}"] if epoch else [])
    return (", ".join(origin) or "original",)


def confidence_tiles(pictures: Pictures) -> tuple[Tile, ...]:
    """Return one tile per image with the network's confidence."""
    return tuple(Tile(pictures=(image,), lines=_confidence(pictures, at)) for at, image in enumerate(pictures.images))


def prediction_tiles(pictures: Pictures, classes: Sequence[str]) -> tuple[Tile, ...]:
    """Return one tile per image: the image, its heat map on top (if any), given and predicted class."""
    return tuple(_prediction_tile(pictures, classes, position) for position in range(len(pictures)))


def _prediction_tile(pictures: Pictures, classes: Sequence[str], position: int) -> Tile:
    image = pictures.images[position]
    shown = (image,) if pictures.maps is None else (image, overlay(image, pictures.maps[position]))
    given = int(pictures.label[position])
    if pictures.predicted is None:
        return Tile(pictures=shown, lines=(class_name(classes, given),))
    predicted = int(pictures.predicted[position])
    name, confidence = class_name(classes, predicted), _confidence(pictures, position)
    if predicted == given:
        return Tile(pictures=shown, lines=(f"✓ {name}", *confidence), tone="good")
    return Tile(pictures=shown, lines=(f"✗ {name}", f"given: {class_name(classes, given)}", *confidence), tone="bad")


def _confidence(pictures: Pictures, position: int) -> tuple[str, ...]:
    known = pictures.probability
    return () if known is None else (f"{percent(float(known[position]))} sure",)


def overlay(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Overlay a heat map (H, W) in 0..1 on an image (H, W, 3): cold spots stay unchanged, the hottest turn yellow.

    Viridis: its greens stand out from the purples and pinks of a stained smear, also for colour-blind readers.
    """
    from matplotlib import colormaps

    clean = np.clip(np.nan_to_num(heat), 0, 1)
    opacity = OVERLAY_STRENGTH * clean[..., None]
    colour = 255 * colormaps["viridis"](clean)[..., :3]
    mixed: NDArray[np.uint8] = np.rint((1 - opacity) * image + opacity * colour).astype(np.uint8)
    return mixed
