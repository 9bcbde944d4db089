"""Two networks seen through their heat maps, depth by depth: where fine-tuning changes what is looked at, and how deep
a backbone may therefore stay frozen (report, section 4.2 and figure 3; Selvaraju et al. 2017 for the maps)."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.api import Explainer
from cellcls.engine.data import Indices
from cellcls.engine.explain import HeatMaps, heat_figures, heat_maps, masks
from cellcls.engine.images import Images
from cellcls.engine.network import Network
from cellcls.ops.freezing import Depth, frozen_modules

_FLAT = 1e-4  # norm of a map around its mean below which it says nothing


@attrs.frozen(kw_only=True)
class DepthFigures:
    """What two networks' maps have in common at one layer."""

    layer: str
    frozen_share: float
    """Share of the backbone's parameters before the layer."""
    similarity: float
    """Mean correlation of the two maps of an image, -1..1."""
    heat_inside: tuple[float, float]
    """Share of the heat that lies inside the cell, for each network."""


@attrs.frozen(kw_only=True)
class Comparison:
    """Two networks on the same images, depth by depth."""

    names: tuple[str, str]
    depths: tuple[DepthFigures, ...]
    cell_area: float
    same_above: float
    last: tuple[HeatMaps, HeatMaps]
    """Both networks' maps at the deepest layer."""

    @property
    def advised(self) -> DepthFigures | None:
        """The first depth at which the maps part: all before it may stay frozen. None: they never do."""
        return next((one for one in self.depths if one.similarity < self.same_above), None)

    @property
    def frozen_share(self) -> float:
        """Share of the backbone's parameters that the advised depth freezes."""
        return self.advised.frozen_share if self.advised else 1.0

    def figures(self) -> dict[str, float]:
        """Return the figures that go into ``metrics.json``."""
        deepest = self.depths[-1]
        return {
            "frozen_share": self.frozen_share,
            "similarity_first": self.depths[0].similarity,
            "similarity_last": deepest.similarity,
            "heat_inside_before": deepest.heat_inside[0],
            "heat_inside_after": deepest.heat_inside[1],
            "cell_area": self.cell_area,
        }

    def record(self) -> dict[str, Any]:
        """Return what ``explain/NAME.json`` holds."""
        return {
            "names": list(self.names),
            "same_above": self.same_above,
            "advised": self.advised.layer if self.advised else None,
            "frozen_share": self.frozen_share,
            "cell_area": self.cell_area,
            "depths": [attrs.asdict(one) for one in self.depths],
        }


def compare_depths(
    explainer: Explainer,
    networks: tuple[Network, Network],
    names: tuple[str, str],
    images: Images,
    indices: Indices,
) -> Comparison:
    """Compare two networks on ``indices``, at up to ``explainer.depths`` layers, evenly spread. Networks of different
    architectures are compared at the same relative depths; layers and shares are then those of the first."""
    count = min(explainer.depths, *(len(one.features.layers) for one in networks))
    spaced = [_spaced(one.features.layers, count) for one in networks]
    layers = spaced[0]
    depth = networks[0].depth("the backbone")
    both = [
        tuple(
            heat_maps(explainer, one, images, indices, layer=layer) for one, layer in zip(networks, pair, strict=True)
        )
        for pair in zip(*spaced, strict=True)
    ]
    inside = masks(images.source, both[0][0])
    figures = [[heat_figures(one, inside) for one in pair] for pair in both]
    return Comparison(
        names=names,
        depths=tuple(
            DepthFigures(
                layer=layer,
                frozen_share=share_before(depth, layer),
                similarity=similarity(first.maps, second.maps),
                heat_inside=(heat[0]["heat_inside"], heat[1]["heat_inside"]),
            )
            for layer, (first, second), heat in zip(layers, both, figures, strict=True)
        ),
        cell_area=figures[0][0]["cell_area"],
        same_above=explainer.same_above,
        last=(both[-1][0], both[-1][1]),
    )


def similarity(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return the mean over images of the correlation of their maps (n, H, W). Two flat maps count as alike, a flat one
    beside one that is not as unrelated."""
    one, other = (maps.reshape(len(maps), -1).astype(np.float64) for maps in (first, second))
    one, other = (maps - maps.mean(1, keepdims=True) for maps in (one, other))
    norms = np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1)
    flat = norms[0] < _FLAT, norms[1] < _FLAT
    product = np.where(flat[0] | flat[1], 1.0, norms[0] * norms[1])
    found = np.where(flat[0] | flat[1], flat[0] & flat[1], (one * other).sum(1) / product)
    return float(found.mean())


def share_before(depth: Depth, layer: str) -> float:
    """Return the share of the parameters in the modules called before a layer (0..1)."""
    total = sum(depth.parameters.values())
    names = layer.split(".")
    for length in range(len(names), 0, -1):  # a layer without weights of its own counts as the block it is in
        part = ".".join(names[:length])
        if any(name == part or name.startswith(f"{part}.") for name in depth.weighted):
            return sum(depth.parameters[name] for name in frozen_modules(depth, until=part)) / max(total, 1)
    return 1.0


def _spaced(layers: tuple[str, ...], count: int) -> list[str]:
    positions = np.unique(np.linspace(0, len(layers) - 1, min(count, len(layers))).round().astype(int))
    return [layers[position] for position in positions]
