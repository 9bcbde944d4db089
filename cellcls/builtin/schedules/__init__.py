"""Schedules: pure functions of the step within the stage and the stage's history, so that resuming needs no state."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

from cellcls.api import Schedule, StageHistory, component, param
from cellcls.ops.statistics.table import lower_is_better


@component("constant")
class Constant(Schedule):
    """The same learning rate at every step."""

    def build(self, *, epochs: int, steps_per_epoch: int) -> Callable[[int, StageHistory], float]:
        """Return the factor on ``lr``."""
        return lambda _step, _history: 1.0


@component("cosine")
class Cosine(Schedule):
    """Half a cosine wave from 1 to ``final`` after a linear warm-up (Loshchilov and Hutter 2017, equation 5)."""

    warmup_epochs: float = param(default=0.0, ge=0, help="Epochs of linear warm-up.")
    final: float = param(default=0.0, ge=0, le=1, help="Factor on lr at the end.")

    def build(self, *, epochs: int, steps_per_epoch: int) -> Callable[[int, StageHistory], float]:
        """Return the factor on ``lr``."""
        steps = epochs * steps_per_epoch
        warmup = min(round(self.warmup_epochs * steps_per_epoch), steps)

        def factor(step: int, _history: StageHistory) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            return _cosine(1.0, self.final, (step - warmup) / max(1, steps - warmup))

        return factor


@component("one_cycle")
class OneCycle(Schedule):
    """Rises to ``lr`` and falls far below the start along cosines (Smith and Topin 2019), as torch's ``OneCycleLR``."""

    rise: float = param(default=0.3, gt=0, lt=1, help="Share of the steps spent rising.")
    start_divisor: float = param(default=25.0, ge=1, help="The first step uses lr divided by this.")
    final_divisor: float = param(default=1e4, ge=1, help="The last step uses the first one's rate divided by this.")

    def build(self, *, epochs: int, steps_per_epoch: int) -> Callable[[int, StageHistory], float]:
        """Return the factor on ``lr``."""
        last = epochs * steps_per_epoch - 1
        top = max(self.rise * (last + 1) - 1, 0.0)
        start = 1.0 / self.start_divisor

        def factor(step: int, _history: StageHistory) -> float:
            if step <= top:
                return _cosine(start, 1.0, step / top) if top else 1.0
            return _cosine(1.0, start / self.final_divisor, (step - top) / (last - top))

        return factor


@component("reduce_on_plateau")
class ReduceOnPlateau(Schedule):
    """Multiplies the rate by ``factor`` when a metric has not improved for more than ``patience`` epochs.

    The rule is that of torch's ``ReduceLROnPlateau`` with a relative threshold (Keras reduces one epoch earlier and has
    an absolute threshold). The history is replayed at each call, so that there is no state to save. Losses are
    minimised, all other metrics maximised.
    """

    watches: ClassVar[tuple[str, ...]] = ("watch",)
    waits: ClassVar[tuple[str, ...]] = ("patience",)
    watch: str = param(default="val.accuracy", help="Metric to watch: EVALUATION.METRIC.")
    factor: float = param(default=0.5, gt=0, lt=1, help="What the rate is multiplied by.")
    patience: int = param(default=3, ge=0, help="Number of epochs without improvement that are tolerated.")
    threshold: float = param(default=1e-4, ge=0, help="Relative change that counts as an improvement.")
    min_factor: float = param(default=0.0, ge=0, le=1, help="The factor on lr never falls below this.")

    def build(self, *, epochs: int, steps_per_epoch: int) -> Callable[[int, StageHistory], float]:
        """Return the factor on ``lr``: the same during an epoch."""
        return lambda _step, history: self._replay(history.values(self.watch))

    def _replay(self, values: Sequence[float]) -> float:
        low = lower_is_better(self.watch)
        best = math.inf if low else -math.inf
        factor, waited = 1.0, 0
        for value in values:
            bar = best * (1 - self.threshold) if low else best * (1 + self.threshold)
            if value < bar if low else value > bar:
                best, waited = value, 0
            else:
                waited += 1
            if waited > self.patience:
                factor, waited = max(factor * self.factor, self.min_factor), 0
        return factor


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
