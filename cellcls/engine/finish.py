"""The end of a run: every evaluation and explanation with the best weights, the claims, and the state removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cellcls.engine.calibrate import calibrate
from cellcls.engine.evaluate import most_confused
from cellcls.engine.explain import explain_run
from cellcls.engine.measure import Measured
from cellcls.engine.network import load_network
from cellcls.engine.session import Session
from cellcls.ops.storage.npz import save_arrays
from cellcls.recipe import Prediction, Recipe
from cellcls.runs.records import ClaimRecord, EvaluationRecord, MetricsRecord, write


def finish(session: Session, memory_mb: float) -> dict[str, float]:
    """Measure, write ``metrics.json`` and return the accuracy of each evaluation by its name."""
    folder, machine = session.job.folder, session.machine
    machine.barrier()  # the first process has written the best weights
    if machine.first and session.recipe.prediction != Prediction():
        calibrate(session)
    machine.barrier()
    trained = load_network(folder.best, session.job.registry)
    network = trained.network.to(machine.device)
    found = {
        evaluation.name: session.measured(evaluation, network)
        for evaluation in session.recipe.evaluate
        if len(session.data.parts[evaluation.part_name])
    }
    evaluations = {name: measured.record(session.data.classes) for name, measured in found.items()}
    if machine.first:
        _write_predictions(session, found)
        explanations = explain_run(session, network)
        write(folder.metrics, _metrics(session, evaluations, explanations, memory_mb))
        folder.remove_state()  # the metrics, not its absence, say that the run is complete
    machine.barrier()
    return {name: record.accuracy for name, record in evaluations.items()}


def _write_predictions(session: Session, found: dict[str, Measured]) -> None:
    for name, measured in found.items():
        save_arrays(session.job.folder.array("predictions", name), measured.arrays())
        save_arrays(session.job.folder.array("examples", name), most_confused(measured.predictions[0], session.images))


def _metrics(
    session: Session,
    evaluations: Mapping[str, EvaluationRecord],
    explanations: Mapping[str, Mapping[str, float]],
    memory_mb: float,
) -> MetricsRecord:
    last = session.progress.history[-1].metrics
    running = {"loss": last["train.loss"], "accuracy": last["train.accuracy"]}
    values = {name: record.values for name, record in evaluations.items()}
    return MetricsRecord(
        name=session.recipe.name,
        seed=session.recipe.seed,
        rehearsal=session.job.options.rehearse,
        complete=True,
        parameters=sum(parameter.numel() for parameter in session.network.parameters()),
        memory_mb=round(memory_mb, 1),
        stages_ended_early={
            session.recipe.stage_name(number): reason
            for number, reason in enumerate(session.progress.ended)
            if reason is not None
        },
        train_running=running,
        evaluations=evaluations,
        explanations=explanations,
        claims=tuple(claims(session.recipe, {**values, **explanations, "train_running": running})),
        warnings=session.warnings,
    )


def claims(recipe: Recipe, measured: Mapping[str, Mapping[str, float | None]]) -> Iterator[ClaimRecord]:
    """Yield each claimed value beside what was measured. One that was not measured is not held."""
    if recipe.claim is None:
        return
    for name, metrics in recipe.claim.bands.items():
        for metric, band in metrics.items():
            value = measured.get(name, {}).get(metric)
            yield ClaimRecord(
                place=recipe.claim.place,
                evaluation=name,
                metric=metric,
                claim=str(band),
                measured=value,
                held=value is not None and band.holds(value),
            )
