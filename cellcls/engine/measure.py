"""Measuring an evaluation of a recipe: plain, over views, or on corrupted images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import attrs
import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cellcls.api import Batch, Corruption, PerSampleLoss
from cellcls.engine.corruption import corrupt
from cellcls.engine.data import Indices
from cellcls.engine.device import Machine
from cellcls.engine.evaluate import Predictions, predict
from cellcls.engine.images import Images
from cellcls.errors import RecipeError, suggestion
from cellcls.ops.imaging.corruptions.baselines import ALEXNET, relative_balanced_error
from cellcls.ops.statistics.calibration import ranked, reliability, risk_coverage
from cellcls.ops.statistics.metrics import of_predictions, points, pooled, summary
from cellcls.ops.statistics.table import METRICS
from cellcls.recipe import Evaluation
from cellcls.registry import Registry
from cellcls.runs.records import EvaluationRecord, ViewScore


@attrs.frozen(kw_only=True)
class Condition:
    """What images are measured under: a corruption at a severity (None: as they are)."""

    corruption: str | None = None
    severity: int = 0
    operation: Batch | None = None
    place: int = 0


class Corrupted(Images):
    """Images as a corruption leaves them; a batch is corrupted when it is read."""

    def __init__(self, images: Images, condition: Condition, seed: int) -> None:
        super().__init__(images.source, images.input, images.device)
        self.held = images.held
        self.condition = condition
        self.seed = seed

    def take(self, indices: Indices) -> Tensor:
        """Return corrupted images (B, 3, S, S) in 0..1; what happens to an image depends on its index and the seed."""
        import torch

        operation = self.condition.operation
        assert operation is not None
        ids = torch.from_numpy(indices)
        return corrupt(operation, self.raw(indices), ids, seed=self.seed, place=self.condition.place)


@attrs.frozen(kw_only=True)
class Measured:
    """Predictions of an evaluation under each of its conditions."""

    evaluation: Evaluation
    conditions: tuple[Condition, ...]
    predictions: tuple[Predictions, ...]
    clean: Predictions | None = None
    """Those of the same images without corruption, where the suite's published figures need them."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what ``predictions/NAME.npz`` holds; ``condition`` numbers the corruption and severity of a row."""
        rows = [predictions.arrays() for predictions in self.predictions]
        stacked = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        if len(rows) == 1:
            return stacked
        return stacked | {"condition": np.repeat(np.arange(len(rows)), [len(row["index"]) for row in rows])}

    def _confusion(self) -> NDArray[np.int64]:
        """Return the counts (K, K) over all conditions."""
        return np.asarray(np.sum([predictions.confusion() for predictions in self.predictions], axis=0), dtype=np.int64)

    def points(self) -> dict[str, float]:
        """Return the metrics an epoch's line holds, without intervals."""
        return points(self._confusion()) | of_predictions(self.predictions)

    def record(self, class_names: tuple[str, ...]) -> EvaluationRecord:
        """Return the metrics of the evaluation with their intervals.

        Under several conditions the same images are seen again, so intervals count each image once.
        """
        found = summary(self._confusion(), repeats=len(self.predictions))
        images = ranked(*pooled(self.predictions))
        made = EvaluationRecord(
            part=self.evaluation.part_name,
            n=found.n,
            classes=class_names,
            values={**found.values, **of_predictions(self.predictions)},
            intervals=found.intervals,
            per_class=dict(zip(class_names, found.per_class, strict=True)),
            confusion=found.confusion,
            seconds_per_image=float(np.mean([predictions.seconds_per_image for predictions in self.predictions])),
            risk_coverage=risk_coverage(images),
            reliability=tuple(zip(*(column.tolist() for column in reliability(images)[1:]), strict=True)),
            unknown=_unknown(self.predictions),
            views=_views(self.predictions[0]) if self.evaluation.views else {},
        )
        return self._corrupted(made) if self.evaluation.corrupt else made

    def restricted(self) -> Measured:
        """Return the same with probabilities restricted to the classes that occur, to add up to 1 over these."""
        made = tuple(predictions.restricted() for predictions in self.predictions)
        return attrs.evolve(self, predictions=made)

    def _corrupted(self, made: EvaluationRecord) -> EvaluationRecord:
        """Return the record with the errors under each corruption."""
        errors: dict[str, tuple[float, ...]] = {}
        others: dict[str, dict[str, tuple[float, ...]]] = {}
        for condition, predictions in zip(self.conditions, self.predictions, strict=True):
            name = str(condition.corruption)
            errors[name] = (*errors.get(name, ()), _balanced_error(predictions))
            for metric, value in of_predictions([predictions]).items():
                if METRICS[metric].pooled:
                    values = others.setdefault(metric, {})
                    values[name] = (*values.get(name, ()), value)
        relative: dict[str, float] = {}
        if self.clean is not None:
            clean = _balanced_error(self.clean)
            relative = {name: relative_balanced_error(name, values, clean) for name, values in errors.items()}
            relative["mean"] = float(np.mean(list(relative.values())))
        return attrs.evolve(
            made,
            suite=self.evaluation.corrupt,
            severities=self.evaluation.severities,
            seed=self.evaluation.seed,
            balanced_error=errors,
            by_corruption=others,
            relative_balanced_error=relative,
        )


def _unknown(predictions: Sequence[Predictions]) -> int | None:
    marked = [int(found.unknown.sum()) for found in predictions if found.unknown is not None]
    return sum(marked) if len(marked) == len(predictions) else None


def _balanced_error(predictions: Predictions) -> float:
    return 1 - points(predictions.confusion())["balanced_accuracy"]


def measure(
    network: nn.Module,
    images: Images,
    indices: Indices,
    machine: Machine,
    evaluation: Evaluation,
    registry: Registry,
    *,
    loss: PerSampleLoss | None = None,
) -> Measured:
    """Predict ``indices`` under every condition of an evaluation. Raises ``RecipeError`` for an unknown suite."""
    if evaluation.images is not None:
        indices = spread(indices, images.source.labels, evaluation.images)
    conditions = tuple(conditions_of(evaluation, images.size, registry))
    made = tuple(
        predict(
            network,
            images if condition.operation is None else Corrupted(images, condition, evaluation.seed),
            indices,
            machine,
            loss=loss,
            views=evaluation.views,
        )
        for condition in conditions
    )
    whole = {condition.corruption for condition in conditions} == set(ALEXNET)
    published = whole and evaluation.severities == (1, 2, 3, 4, 5)
    clean = None
    if published:
        clean = predict(network, images, indices, machine, views=evaluation.views)
    return Measured(evaluation=evaluation, conditions=conditions, predictions=made, clean=clean)


def spread(indices: Indices, labels: NDArray[np.integer[Any]], count: int) -> Indices:
    """Return ``count`` of the indices, or all if fewer: each class about as often as among all, evenly in its order."""
    if count >= len(indices):
        return indices
    by_class = indices[np.argsort(labels[indices], kind="stable")]
    return np.sort(by_class[(np.arange(count) * len(indices) + len(indices) // 2) // count])


def conditions_of(evaluation: Evaluation, size: int, registry: Registry) -> Iterator[Condition]:
    """Yield the conditions of an evaluation. Raises ``RecipeError`` for an unknown corruption, or one that does not fit
    the size."""
    if evaluation.corrupt is None:
        yield Condition()
        return
    for place, (name, corruption) in enumerate(suite(evaluation.corrupt, registry).items()):
        for severity in evaluation.severities:
            operation = corruption.build(severity=severity, size=size)
            yield Condition(corruption=name, severity=severity, operation=operation, place=place)


def suite(name: str, registry: Registry) -> dict[str, Corruption]:
    """Return the corruptions of a suite, or the one corruption of that name, with their default settings."""
    classes = [cast("type[Corruption]", cls) for cls in registry if cls.kind == Corruption.kind]
    chosen = [cls for cls in classes if cls.suite == name] or [cls for cls in classes if cls.component_name == name]
    if not chosen:
        suites = sorted({str(cls.suite) for cls in classes if cls.suite})
        near = suggestion(name, [*suites, *registry.names("corruption")])
        raise RecipeError(
            f"no suite or corruption is called `{name}`",
            f"{near}suites: {', '.join(suites)}; corruptions: {', '.join(registry.names('corruption'))}",
        )
    return {cls.component_name: cls() for cls in chosen}


def _views(found: Predictions) -> dict[str, ViewScore]:
    """Return for each view, and for their mean, its accuracy and how many predictions it fixed and broke compared with
    the image as it is."""
    by_view = {name: probabilities.argmax(1) for name, probabilities in found.views.items()}
    plain = by_view.pop("as_it_is") == found.label
    return {"as_it_is": ViewScore(accuracy=float(plain.mean()), fixed=0, broken=0)} | {
        name: ViewScore(
            accuracy=float((predicted == found.label).mean()),
            fixed=int(((predicted == found.label) & ~plain).sum()),
            broken=int(((predicted != found.label) & plain).sum()),
        )
        for name, predicted in {**by_view, "mean": found.predicted}.items()
    }
