"""The metrics of an evaluation. To add a metric, add an entry here and nothing else.

It is then measured after every epoch and at the end, written to ``metrics.json`` and ``history.jsonl``, shown in the
report, ``compare`` and the model card, and available in ``select``, ``watch``, claims and expectations. The
functions import numpy when they are called, as every command imports this module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

import attrs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


Interval = tuple[float, float]
"""Lower and upper end of a 95% interval."""


@attrs.frozen(kw_only=True)
class ClassScore:
    """The metrics of a class, 0..1; None if undefined."""

    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    support: int = 0
    """Number of images of the class."""
    recall_ci: Interval | None = None


class Predicted(Protocol):
    """Predictions of a network for N images and K classes."""

    @property
    def label(self) -> NDArray[np.int64]:
        """(N,) the true class of each image."""

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(N, K) in 0..1."""

    @property
    def loss(self) -> NDArray[np.float32] | None:
        """(N,) the recipe's loss of each image, without class weights; None if there is no recipe."""


@attrs.frozen(kw_only=True)
class Metric:
    """A metric of an evaluation: a function of its confusion matrix or of its predictions."""

    title: str
    """Heading in tables."""
    of_confusion: Callable[[Floats], Floats] | None = None
    """Maps confusion matrices (R, K, K), with true classes as rows, to values (R,). Such a metric has an interval."""
    of_predictions: Callable[[Predicted], np.floating | float] | None = None
    """Maps predictions to a value, if ``of_confusion`` is None."""
    unit: Literal["share", "nats", ""] = "share"
    """Shares in 0..1 are shown in percent, everything else as a decimal."""
    lower_is_better: bool = False
    mean_over_classes: bool = False
    """Whether classes rather than images have equal weight, so that rare classes make its interval wide."""
    needs_loss: bool = False
    """Whether it is measured only if there is a recipe, which has a loss."""
    pooled: bool = False
    """Whether ``of_predictions`` takes the images of all conditions together, instead of the mean over conditions."""
    in_summary: bool = True
    """Whether it has a column in tables of evaluations."""


def _accuracy(matrices: Floats) -> Floats:
    import numpy as np

    values: Floats = _right(matrices).sum(1) / np.maximum(matrices.sum((1, 2)), 1)
    return values


def _balanced_accuracy(matrices: Floats) -> Floats:
    import numpy as np

    right, true = _right(matrices), matrices.sum(2)
    recall = np.divide(right, true, out=np.zeros_like(right), where=true > 0)
    values: Floats = recall.sum(1) / np.maximum((true > 0).sum(1), 1)
    return values


def _macro_f1(matrices: Floats) -> Floats:
    import numpy as np

    right, true = _right(matrices), matrices.sum(2)
    both = true + matrices.sum(1)
    f1 = np.divide(2 * right, both, out=np.zeros_like(right), where=both > 0)
    values: Floats = (f1 * (true > 0)).sum(1) / np.maximum((true > 0).sum(1), 1)
    return values


def _right(matrices: Floats) -> Floats:
    import numpy as np

    return np.diagonal(matrices, axis1=1, axis2=2)


def _mean_loss(predicted: Predicted) -> np.floating | float:
    assert predicted.loss is not None
    mean: np.floating = predicted.loss.mean()  # float32, as the mean over conditions takes it
    return mean


def _calibration_error(predicted: Predicted) -> float:
    from cellcls.ops.statistics import calibration

    return calibration.calibration_error(calibration.ranked(predicted.probabilities, predicted.label))


def _aurc(predicted: Predicted) -> float:
    from cellcls.ops.statistics import calibration

    return calibration.aurc(calibration.ranked(predicted.probabilities, predicted.label))


METRICS: dict[str, Metric] = {
    "accuracy": Metric(title="accuracy", of_confusion=_accuracy),
    "balanced_accuracy": Metric(title="balanced accuracy", of_confusion=_balanced_accuracy, mean_over_classes=True),
    "macro_f1": Metric(title="macro F1", of_confusion=_macro_f1, mean_over_classes=True),
    "loss": Metric(
        title="loss", of_predictions=_mean_loss, unit="nats", lower_is_better=True, needs_loss=True, in_summary=False
    ),
    "calibration_error": Metric(
        title="calibration error",
        of_predictions=_calibration_error,
        lower_is_better=True,
        pooled=True,
        in_summary=False,
    ),
    "aurc": Metric(
        title="risk-coverage area", of_predictions=_aurc, lower_is_better=True, pooled=True, in_summary=False
    ),
}
"""The metrics by their names in recipes and files. Means over classes are over classes with images."""


def metric_of(name: str) -> Metric | None:
    """Return the metric of a dotted name (``val.accuracy``), None if it is not in ``METRICS``."""
    return METRICS.get(name.rpartition(".")[2])


def lower_is_better(name: str) -> bool:
    """Return whether the best value of a dotted name (``val.loss``) is the lowest."""
    metric = metric_of(name)
    return metric is not None and metric.lower_is_better
