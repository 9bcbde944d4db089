"""Heat maps of what is predicted, image by image, without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from cellcls.api import Explainer
from cellcls.engine.data import Indices
from cellcls.engine.evaluate import Predictions, to_uint8
from cellcls.engine.heat import heat
from cellcls.engine.images import Images
from cellcls.engine.network import Network
from cellcls.registry import Registry

if TYPE_CHECKING:
    from cellcls.engine.ensemble import Member
    from cellcls.engine.unlabelled import Portion

Draw: TypeAlias = "Callable[[int, str, NDArray[np.uint8], NDArray[np.float32]], None]"
"""Gets position and name of an image, its pixels (S, S, 3) as the first network gets them, its map (S, S) in 0..1."""


class PredictionHeat:
    """Draws where the networks look for the class that they predict; for an ensemble, the mean of their maps."""

    def __init__(self, draw: Draw, registry: Registry, use: str = "grad_cam") -> None:
        cls = registry.find(Explainer.kind, use)
        assert cls is not None
        self.explainer = cast("Explainer", cls())
        self.draw = draw

    def add(
        self, members: Sequence[Member], portion: Portion, first: int, indices: Indices, found: Predictions
    ) -> None:
        """Draw a batch of a portion whose first image has the position ``first``."""
        held = [_held(images, indices) for _, images in members]
        everything = np.arange(len(indices))
        maps = []
        for (network, _), images in zip(members, held, strict=True):
            assert isinstance(network, Network)
            layer = network.features.layers[-1]
            maps.append(heat(self.explainer, network, images, everything, classes=found.predicted, layer=layer))
        mean = _mean(maps, held[0].size)
        for at, image in enumerate(to_uint8(held[0].take(everything))):
            place = int(indices[at])
            if place not in portion.unreadable:
                self.draw(first + place, portion.names[place], image, mean[at])


def _held(images: Images, indices: Indices) -> Images:
    """Return a batch alone, read once."""
    batch = Images(images.source, images.input, images.device)
    batch.held = images.raw(indices)
    return batch


def _mean(maps: Sequence[NDArray[np.float32]], size: int) -> NDArray[np.float32]:
    """Return the mean of maps (n, S, S) of several sizes at one."""
    shape = (size, size)
    same = [functional.interpolate(torch.from_numpy(found)[:, None], shape, mode="bilinear")[:, 0] for found in maps]
    return torch.stack(same).mean(0).numpy()
