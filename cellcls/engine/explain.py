"""The explanations that a recipe asks for: heat maps of test images, and the comparison of two stages."""

from __future__ import annotations

from cellcls.api import Explainer, changed
from cellcls.engine.data import Indices
from cellcls.engine.depth import ComparedNetwork, compare_depths
from cellcls.engine.heat import heat_maps, heat_metrics, masks, spread
from cellcls.engine.network import Network, load_network
from cellcls.engine.session import Session
from cellcls.errors import RecipeError
from cellcls.ops.storage.npz import save_arrays
from cellcls.runs.records import write

REHEARSED_DEPTHS = 8
"""A rehearsal compares no more layers: it shows that the comparison works."""


def explain_run(session: Session, network: Network) -> dict[str, dict[str, float]]:
    """Make the heat maps a recipe asks for, on its test part (val where there is none); return their metrics."""
    parts = session.data.parts
    indices = parts["test"] if len(parts["test"]) else parts["val"]
    metrics: dict[str, dict[str, float]] = {}
    for explainer in session.recipe.explain:
        name = explainer.name or explainer.component_name
        if name in metrics:
            raise RecipeError(f"two of [[explain]] are called `{name}`; give one a `name`")
        chosen = spread(session.data.source.labels, indices, explainer.images)
        if explainer.compare:
            metrics[name] = _compare_stages(session, explainer, name, chosen)
            continue
        maps = heat_maps(explainer, network, session.images, chosen)
        save_arrays(session.job.folder.array("explain", name), maps.arrays())
        metrics[name] = heat_metrics(maps.maps, masks(session.images, chosen))
    return metrics


def _compare_stages(session: Session, explainer: Explainer, name: str, chosen: Indices) -> dict[str, float]:
    """Compare the networks at the ends of two stages; write the metrics of every depth and the maps of some."""
    assert explainer.compare is not None
    folder, recipe = session.job.folder, session.recipe
    stages = [recipe.stage_name(number) for number in range(len(recipe.stages))]

    def subject(stage: str) -> ComparedNetwork:
        trained = load_network(folder.stage(stages.index(stage), stage), session.job.registry)
        return ComparedNetwork(name=stage, network=trained.network.to(session.machine.device), images=session.images)

    first, second = map(subject, explainer.compare)
    depths = min(explainer.depths, REHEARSED_DEPTHS) if session.job.options.rehearse else explainer.depths
    found = compare_depths(changed(explainer, depths=depths), (first, second), chosen)
    save_arrays(folder.array("explain", name), found.arrays())
    write(folder.array("explain", name).with_suffix(".json"), found.record())
    return found.metrics()
