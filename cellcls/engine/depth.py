"""Two networks seen through their heat maps, depth by depth: where fine-tuning changes what is looked at, and how deep
a backbone may therefore stay frozen (report, section 4.2 and figure 3; Selvaraju et al. 2017 for the maps)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cellcls.api import Explainer
from cellcls.engine.data import Indices
from cellcls.engine.evaluate import pictures
from cellcls.engine.heat import heat, heat_metrics, masks, top_predictions
from cellcls.engine.images import Images
from cellcls.engine.network import Network
from cellcls.ops.networks.call_order import record_calls
from cellcls.runs.records import DepthRecord, DepthsRecord

PICTURED_IMAGES = 8
"""So many of the images are kept with their maps, for the figure."""
PICTURED_DEPTHS = 5
"""At so many depths, spread from the first to the last; the advised one joins them."""
_FLAT = 1e-4  # norm of a map around its mean below which it says nothing


@attrs.frozen(kw_only=True)
class ComparedNetwork:
    """One of two networks to compare: its name, and the images at its own size."""

    name: str
    network: Network
    images: Images


@attrs.frozen(kw_only=True)
class Block:
    """What lies before a layer's block, the modules called since the layer before it returned."""

    frozen_share: float
    """Share of the backbone's parameters that are called before the block (0..1)."""
    until: str | None
    """The first module with weights from here on, for ``freeze = { until = ... }``; None: there is no more."""


@attrs.frozen(kw_only=True)
class Pictured:
    """Maps to look at, of ``images`` (n, S, S, 3) at ``layers`` (d,): ``maps`` (d, 2, n, S, S) in 0..1."""

    images: NDArray[np.uint8]
    index: Indices
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    """(2, n): what each network said."""
    layers: tuple[str, ...]
    maps: NDArray[np.float32]


@attrs.frozen(kw_only=True)
class Comparison:
    """Two networks on the same images, depth by depth."""

    names: tuple[str, str]
    depths: tuple[DepthRecord, ...]
    cell_area: float
    same_above: float
    pictured: Pictured = attrs.field(repr=False)

    @property
    def advised(self) -> DepthRecord | None:
        """The first depth at which the maps part: all before its block may stay frozen. None: they never do."""
        return next((depth for depth in self.depths if self.parts(depth)), None)

    @property
    def lasting(self) -> DepthRecord | None:
        """The first depth from which on the maps stay apart, however often they parted before. None: there is none."""
        apart = list(takewhile(self.parts, reversed(self.depths)))
        return apart[-1] if apart else None

    def parts(self, depth: DepthRecord) -> bool:
        """Tell whether the maps differ at a depth."""
        return depth.similarity < self.same_above

    def metrics(self) -> dict[str, float]:
        """Return the metrics that go into ``metrics.json``."""
        deepest = self.depths[-1]
        return {
            "frozen_share": _share(self.advised),
            "frozen_share_lasting": _share(self.lasting),
            "similarity_first": self.depths[0].similarity,
            "similarity_last": deepest.similarity,
            "heat_inside_before": deepest.heat_inside[0],
            "heat_inside_after": deepest.heat_inside[1],
            "cell_area": self.cell_area,
        }

    def record(self) -> DepthsRecord:
        """Return what ``explain/NAME.json`` holds."""
        return DepthsRecord(
            names=self.names,
            same_above=self.same_above,
            advised=self.advised.layer if self.advised else None,
            frozen_share=_share(self.advised),
            freeze=_freeze(self.advised),
            lasting=self.lasting.layer if self.lasting else None,
            frozen_share_lasting=_share(self.lasting),
            cell_area=self.cell_area,
            depths=self.depths,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what ``explain/NAME.npz`` holds."""
        return {**attrs.asdict(self.pictured, recurse=False), "layers": np.array(self.pictured.layers)}


def _share(depth: DepthRecord | None) -> float:
    return depth.frozen_share if depth else 1.0


def _freeze(depth: DepthRecord | None) -> str:
    """Return the advice as a recipe says it."""
    if depth is None or depth.until is None:
        return '"backbone"'
    return f'{{ until = "{depth.until}" }}' if depth.frozen_share else '"none"'


def compare_depths(
    explainer: Explainer, subjects: tuple[ComparedNetwork, ComparedNetwork], indices: Indices
) -> Comparison:
    """Compare two networks on ``indices``, at up to ``explainer.depths`` layers, evenly spread.

    Both are asked for the heat of the class that the image was given: maps of two different answers would differ
    whatever was trained. Networks of different architectures are compared at the same relative depths; layers and
    shares are then those of the first.
    """
    depths: list[DepthRecord] = []
    kept: dict[str, NDArray[np.float32]] = {}
    parted = False
    spread = _spaced(_layers(explainer, subjects)[0], PICTURED_DEPTHS)
    inside = [masks(network.images, indices) for network in subjects]
    for depth, maps in _compared(explainer, subjects, indices, inside):
        part_here = depth.similarity < explainer.same_above
        if depth.layer in spread or (part_here and not parted):
            kept[depth.layer] = maps
        parted |= part_here
        depths.append(depth)
    return Comparison(
        names=(subjects[0].name, subjects[1].name),
        depths=tuple(depths),
        cell_area=float(inside[0].mean()),
        same_above=explainer.same_above,
        pictured=_pictured(subjects, indices[:PICTURED_IMAGES], kept),
    )


def _layers(explainer: Explainer, subjects: Sequence[ComparedNetwork]) -> list[list[str]]:
    """Return the layers to compare, those of each network."""
    known = [network.network.features.layers for network in subjects]
    count = min(explainer.depths, *map(len, known))
    return [_spaced(layers, count) for layers in known]


def _compared(
    explainer: Explainer, subjects: Sequence[ComparedNetwork], indices: Indices, inside: Sequence[NDArray[np.bool_]]
) -> Iterator[tuple[DepthRecord, NDArray[np.float32]]]:
    """Yield the record of each depth, and both networks' maps (2, n, S, S) of the images that are pictured."""
    classes = subjects[0].images.source.labels[indices]
    blocks = blocks_of(subjects[0].network, subjects[0].images.size)
    for pair in zip(*_layers(explainer, subjects), strict=True):
        both = [
            heat(explainer, network.network, network.images, indices, classes=classes, layer=layer)
            for network, layer in zip(subjects, pair, strict=True)
        ]
        shares = [heat_metrics(maps, where)["heat_inside"] for maps, where in zip(both, inside, strict=True)]
        first, second = _of_one_size(*both)
        record = DepthRecord(
            layer=pair[0],
            similarity=similarity(first, second),
            heat_inside=(shares[0], shares[1]),
            **attrs.asdict(blocks[pair[0]]),
        )
        yield record, np.stack([first[:PICTURED_IMAGES], second[:PICTURED_IMAGES]])


def _pictured(subjects: Sequence[ComparedNetwork], indices: Indices, maps: dict[str, NDArray[np.float32]]) -> Pictured:
    images = subjects[0].images
    return Pictured(
        images=pictures(images, indices),
        index=indices,
        label=images.source.labels[indices],
        predicted=np.stack([top_predictions(network.network, network.images, indices)[0] for network in subjects]),
        layers=tuple(maps),
        maps=np.stack(list(maps.values())),
    )


def _of_one_size(first: NDArray[np.float32], second: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Stretch the second maps to the size of the first: networks may take images of different sizes."""
    if first.shape == second.shape:
        return [first, second]
    stretched = functional.interpolate(torch.from_numpy(second)[:, None], size=first.shape[1:], mode="bilinear")
    return [first, stretched[:, 0].numpy()]


def similarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the mean over images of the correlation of their maps (n, H, W). Two flat maps count as alike, a flat one
    beside one that is not as unrelated."""
    flattened = (maps.reshape(len(maps), -1).astype(np.float64) for maps in (first, second))
    left, right = (maps - maps.mean(1, keepdims=True) for maps in flattened)
    norms = np.linalg.norm(left, axis=1), np.linalg.norm(right, axis=1)
    flat = norms[0] < _FLAT, norms[1] < _FLAT
    product = np.where(flat[0] | flat[1], 1.0, norms[0] * norms[1])
    found = np.where(flat[0] | flat[1], flat[0] & flat[1], (left * right).sum(1) / product)
    return float(found.mean())


def blocks_of(network: Network, size: int) -> dict[str, Block]:
    """Return the block of each of the backbone's layers, found by running it once on ``size`` x ``size`` pixels.

    A block ends where its layer returns and begins where the layer before it did, so that a layer without weights
    (the ReLU behind a convolution) stands for the weights that made its map.
    """
    depth = network.depth("the backbone")
    counts = [depth.parameters[name] for name in depth.weighted]
    returned = _returned(network, size)
    starts = [0, *(returned[layer] for layer in network.features.layers[:-1])]
    return {
        layer: Block(
            frozen_share=sum(counts[:start]) / max(sum(counts), 1),
            until=depth.weighted[start] if start < len(counts) else None,
        )
        for layer, start in zip(network.features.layers, starts, strict=True)
    }


@torch.no_grad()
def _returned(network: Network, size: int) -> dict[str, int]:
    """Return how many of the modules with weights had been called when each module returned."""
    within: dict[str, int] = {}
    for count, name in enumerate(network.features.weighted, start=1):
        parts = name.split(".")
        within |= {".".join(parts[:length]): count for length in range(1, len(parts) + 1)}
    backbone = network.backbone.eval()
    example = torch.zeros(1, 3, size, size, device=network.mean.device)
    returned: dict[str, int] = {}
    reached = 0
    for call in record_calls(backbone, lambda: backbone(example)):
        reached = max(reached, within.get(call.name, 0))
        returned[call.name] = reached
    return returned


def _spaced(layers: Sequence[str], count: int) -> list[str]:
    positions = np.unique(np.linspace(0, len(layers) - 1, min(count, len(layers))).round().astype(int))
    return [layers[position] for position in positions]
