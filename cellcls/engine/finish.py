"""The end of a run: every evaluation and explanation with the best weights, the claims, and the state removed."""

from __future__ import annotations

from typing import Any

from cellcls.engine.evaluate import most_confused
from cellcls.engine.explain import explain_run
from cellcls.engine.measure import Measured
from cellcls.engine.network import load_network
from cellcls.engine.session import Session
from cellcls.ops.storage.files import write_json
from cellcls.ops.storage.npz import save_arrays
from cellcls.recipe import Band, Recipe


def finish(session: Session, memory_mb: float) -> dict[str, float]:
    """Measure, write ``metrics.json`` and return the accuracy of each evaluation by its name."""
    folder, machine = session.job.folder, session.machine
    machine.barrier()  # the first process has written the best weights
    trained = load_network(folder.best, session.job.registry)
    network = trained.network.to(machine.device)
    found = {
        one.name: session.measured(one, network)
        for one in session.recipe.evaluate
        if len(session.data.parts[one.part_name])
    }
    evaluations = {name: measured.figures(session.data.classes) for name, measured in found.items()}
    if machine.first:
        _write_predictions(session, found)
        explanations = explain_run(session, network)
        write_json(folder.metrics, _metrics(session, evaluations, explanations, memory_mb))
        folder.remove_state()  # the figures, not its absence, say that the run is complete
    machine.barrier()
    return {name: figures["accuracy"] for name, figures in evaluations.items()}


def _write_predictions(session: Session, found: dict[str, Measured]) -> None:
    for name, measured in found.items():
        save_arrays(session.job.folder.array("predictions", name), measured.arrays())
        save_arrays(session.job.folder.array("examples", name), most_confused(measured.predictions[0], session.images))


def _metrics(
    session: Session, evaluations: dict[str, Any], explanations: dict[str, dict[str, float]], memory_mb: float
) -> dict[str, Any]:
    last = session.progress.history[-1]
    running = {"loss": last["train.loss"], "accuracy": last["train.accuracy"]}
    measured = {**evaluations, **explanations, "train_running": running}
    return {
        "name": session.recipe.name,
        "seed": session.recipe.seed,
        "rehearsal": session.job.options.rehearse,
        "complete": True,
        "parameters": sum(one.numel() for one in session.network.parameters()),
        "memory_mb": round(memory_mb, 1),
        "stages_ended_early": {
            session.recipe.stage_name(number): reason
            for number, reason in enumerate(session.progress.ended)
            if reason is not None
        },
        "train_running": running,
        "evaluations": evaluations,
        "explanations": explanations,
        "claims": list(claims(session.recipe, measured)),
    }


def claims(recipe: Recipe, measured: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each claimed figure beside what was measured. A figure that was not measured is not held."""
    if recipe.claim is None:
        return []
    return [
        _claim(recipe.claim.place, name, metric, band, measured.get(name, {}).get(metric))
        for name, figures in recipe.claim.figures.items()
        for metric, band in figures.items()
    ]


def _claim(place: str | None, name: str, metric: str, band: Band, measured: float | None) -> dict[str, Any]:
    return {
        "place": place,
        "evaluation": name,
        "metric": metric,
        "claim": str(band),
        "measured": measured,
        "held": measured is not None and band.holds(measured),
    }
