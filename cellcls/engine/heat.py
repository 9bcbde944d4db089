"""Heat maps of a network's predictions, and how much of the heat lies on the cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cellcls.api import Explainer
from cellcls.engine.data import Indices
from cellcls.engine.evaluate import pictures
from cellcls.engine.images import Images
from cellcls.engine.network import Network
from cellcls.ops.imaging.masks import cell_mask

BATCH = 16


@attrs.frozen(kw_only=True)
class HeatMaps:
    """Heat maps of images, with what the network said of them."""

    images: NDArray[np.uint8] = attrs.field(repr=False)
    index: Indices
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float32]
    maps: NDArray[np.float32] = attrs.field(repr=False)
    layer: str

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what ``explain/NAME.npz`` holds."""
        return {**attrs.asdict(self, recurse=False), "layer": np.array(self.layer)}


def spread(labels: NDArray[np.int64], indices: Indices, count: int) -> Indices:
    """Return up to ``count`` of ``indices``, taking a first of each class, then a second, and so on."""
    by_class = [indices[labels[indices] == number] for number in np.unique(labels[indices])]
    longest = max(map(len, by_class), default=0)
    turns = [members[turn] for turn in range(longest) for members in by_class if turn < len(members)]
    return np.array(turns[:count], dtype=np.int64)


def heat_maps(explainer: Explainer, network: Network, images: Images, indices: Indices) -> HeatMaps:
    """Return the maps of the predicted classes at the last layer of the backbone, as ``heat`` gives them."""
    predicted, probability = top_predictions(network, images, indices)
    layer = network.features.layers[-1]
    return HeatMaps(
        images=pictures(images, indices),
        index=indices,
        label=images.source.labels[indices],
        predicted=predicted,
        probability=probability,
        maps=heat(explainer, network, images, indices, classes=predicted, layer=layer),
        layer=layer,
    )


def top_predictions(
    network: Network, images: Images, indices: Indices
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the predicted class of each image (n,) and its probability (n,)."""
    network.eval()
    with torch.no_grad():
        rows = [network(batch).float().softmax(1).max(1) for _, batch in _batches(images, indices)]
    probability, predicted = (torch.cat(column).cpu().numpy() for column in zip(*rows, strict=True))
    return predicted, probability


def heat(
    explainer: Explainer,
    network: Network,
    images: Images,
    indices: Indices,
    *,
    classes: NDArray[np.int64],
    layer: str,
) -> NDArray[np.float32]:
    """Return the maps (n, S, S) of ``classes`` (n,) at a layer of the backbone, stretched to the size of the network's
    images and each scaled to a maximum of 1."""
    modules: dict[str, nn.Module] = dict(network.backbone.named_modules())
    explain = explainer.build(network=network.eval(), layer=modules[layer], grid=network.features.grid)
    rows = []
    for places, batch in _batches(images, indices):
        made = explain(batch, torch.from_numpy(classes[places]).to(batch.device)).detach().float()
        stretched = functional.interpolate(made[:, None], size=batch.shape[-2:], mode="bilinear")[:, 0]
        rows.append((stretched / stretched.amax((1, 2), keepdim=True).clamp_min(1e-12)).cpu().numpy())
    return np.concatenate(rows)


def _batches(images: Images, indices: Indices) -> Iterator[tuple[slice, Tensor]]:
    for start in range(0, len(indices), BATCH):
        places = slice(start, start + BATCH)
        yield places, images.take(indices[places])


def masks(images: Images, indices: Indices) -> NDArray[np.bool_]:
    """Return where the cell is (n, S, S): as the source knows it (rendered cells), else by Otsu's threshold."""
    known = images.source.masks(indices)
    if known is not None and known.shape[1:] == (images.size, images.size):
        return known
    return np.stack([cell_mask(image) for image in pictures(images, indices)])


def heat_metrics(maps: NDArray[np.float32], inside: NDArray[np.bool_]) -> dict[str, float]:
    """Return the share of the heat (n, S, S) that lies inside the cell beside the cell's share of the area: equal means
    that the network looks anywhere. A map without heat counts as spread evenly."""
    area = inside.mean((1, 2))
    total = maps.sum((1, 2))
    share = np.divide((maps * inside).sum((1, 2)), total, out=area.astype(np.float32).copy(), where=total > 0)
    return {"images": len(area), "heat_inside": float(share.mean()), "cell_area": float(area.mean())}
