"""Explaining: heat maps of some test images, and how much of the heat lies on the cell."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from cellcls.api import Explainer, Source
from cellcls.engine.data import Indices
from cellcls.engine.evaluate import pictures
from cellcls.engine.images import Images
from cellcls.engine.network import Network, load_network
from cellcls.engine.session import Session
from cellcls.errors import RecipeError
from cellcls.ops.files import write_json
from cellcls.ops.masks import cell_mask
from cellcls.ops.npz import save_arrays

BATCH = 16


@attrs.frozen(kw_only=True)
class HeatMaps:
    """Heat maps of images, with what the network said of them."""

    images: NDArray[np.uint8]
    index: Indices
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probability: NDArray[np.float32]
    maps: NDArray[np.float32]
    layer: str

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what ``explain/NAME.npz`` holds."""
        return {**attrs.asdict(self, recurse=False), "layer": np.array(self.layer)}

    def pictures(self) -> dict[str, Any]:
        """Return what a figure needs."""
        return {name: value for name, value in attrs.asdict(self, recurse=False).items() if name != "index"}


def explain_run(session: Session, network: Network) -> dict[str, dict[str, float]]:
    """Make the heat maps a recipe asks for, on its test part (val where there is none); return their figures."""
    parts = session.data.parts
    indices = parts["test"] if len(parts["test"]) else parts["val"]
    figures: dict[str, dict[str, float]] = {}
    for explainer in session.recipe.explain:
        name = explainer.name or explainer.component_name
        if name in figures:
            raise RecipeError(f"two of [[explain]] are called `{name}`; give one a `name`")
        chosen = spread(session.data.source.labels, indices, explainer.images)
        if explainer.compare:
            figures[name] = _compare_stages(session, explainer, name, chosen)
            continue
        maps = heat_maps(explainer, network, session.images, chosen)
        save_arrays(session.job.folder.array("explain", name), maps.arrays())
        figures[name] = heat_figures(maps, masks(session.data.source, maps))
    return figures


def _compare_stages(session: Session, explainer: Explainer, name: str, chosen: Indices) -> dict[str, float]:
    """Compare the networks at the ends of two stages; write their maps and the figures of every depth."""
    from cellcls.engine.depth import compare_depths  # it builds on this module

    assert explainer.compare is not None
    folder, recipe = session.job.folder, session.recipe
    stages = [recipe.stage_name(number) for number in range(len(recipe.stages))]
    files = [folder.stage(stages.index(stage), stage) for stage in explainer.compare]
    first, second = (load_network(file, session.job.registry).network.to(session.machine.device) for file in files)
    found = compare_depths(explainer, (first, second), explainer.compare, session.images, chosen)
    for stage, maps in zip(explainer.compare, found.last, strict=True):
        save_arrays(folder.array("explain", f"{name}-{stage}"), maps.arrays())
    write_json(folder.array("explain", name).with_suffix(".json"), found.record())
    return found.figures()


def spread(labels: NDArray[np.int64], indices: Indices, count: int) -> Indices:
    """Return up to ``count`` of ``indices``, taking a first of each class, then a second, and so on."""
    by_class = [indices[labels[indices] == number] for number in np.unique(labels[indices])]
    longest = max(map(len, by_class), default=0)
    turns = [members[turn] for turn in range(longest) for members in by_class if turn < len(members)]
    return np.array(turns[:count], dtype=np.int64)


def heat_maps(
    explainer: Explainer, network: Network, images: Images, indices: Indices, *, layer: str | None = None
) -> HeatMaps:
    """Return the maps of the predicted classes at a layer of the backbone (default: its last), stretched to the
    image's size and each scaled to a maximum of 1."""
    network.eval()
    name = layer or network.features.layers[-1]
    modules: dict[str, nn.Module] = dict(network.backbone.named_modules())
    explain = explainer.build(network=network, layer=modules[name], grid=network.features.grid)
    rows = []
    for start in range(0, len(indices), BATCH):
        batch = images.take(indices[start : start + BATCH])
        with torch.no_grad():
            probabilities = network(batch).float().softmax(1)
        probability, predicted = probabilities.max(1)
        made = explain(batch, predicted).detach().float()
        stretched = functional.interpolate(made[:, None], size=batch.shape[-2:], mode="bilinear")[:, 0]
        scaled = stretched / stretched.amax((1, 2), keepdim=True).clamp_min(1e-12)
        rows.append((predicted.cpu().numpy(), probability.cpu().numpy(), scaled.cpu().numpy()))
    predicted_all, probability_all, maps = (np.concatenate(column) for column in zip(*rows, strict=True))
    return HeatMaps(
        images=pictures(images, indices),
        index=indices,
        label=images.source.labels[indices],
        predicted=predicted_all,
        probability=probability_all,
        maps=maps,
        layer=name,
    )


def masks(source: Source, maps: HeatMaps) -> NDArray[np.bool_]:
    """Return where the cell is (n, H, W): as the source knows it (rendered cells), else by Otsu's threshold."""
    known = getattr(source, "masks", None)
    if known is not None:
        found: NDArray[np.bool_] = known(maps.index)
        if found.shape[1:] == maps.maps.shape[1:]:
            return found
    return np.stack([cell_mask(image) for image in maps.images])


def heat_figures(maps: HeatMaps, inside: NDArray[np.bool_]) -> dict[str, float]:
    """Return the share of the heat that lies inside the cell beside the cell's share of the area: equal means that
    the network looks anywhere. A map without heat counts as spread evenly."""
    area = inside.mean((1, 2))
    total = maps.maps.sum((1, 2))
    heat = np.divide((maps.maps * inside).sum((1, 2)), total, out=area.astype(np.float32).copy(), where=total > 0)
    return {"images": len(area), "heat_inside": float(heat.mean()), "cell_area": float(area.mean())}
