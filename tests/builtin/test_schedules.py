from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cellcls.api import Schedule, StageHistory
from cellcls.builtin.schedules import Constant, Cosine, OneCycle, ReduceOnPlateau


class History(StageHistory):
    def __init__(self, values: list[float]) -> None:
        self._values = values

    def values(self, metric: str) -> list[float]:
        return self._values


EMPTY = History([])


def _torch_rates(make: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler], n: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    rates = []
    for step in range(n):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        if step < n - 1:
            with warnings.catch_warnings():  # no step of the optimizer is taken here
                warnings.simplefilter("ignore")
                scheduler.step()
    return rates


def _factors(schedule: Schedule, epochs: int, steps: int) -> list[float]:
    factor = schedule.build(epochs=epochs, steps_per_epoch=steps)
    return [factor(step, EMPTY) for step in range(epochs * steps)]


def test_constant() -> None:
    assert set(_factors(Constant(), 3, 4)) == {1.0}


@given(epochs=st.integers(1, 12), steps=st.integers(1, 9), final=st.floats(0, 1))
def test_cosine_is_torchs(epochs: int, steps: int, final: float) -> None:
    n = epochs * steps
    rates = _torch_rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, n, eta_min=final), n)
    assert _factors(Cosine(final=final), epochs, steps) == pytest.approx(rates, abs=1e-9)


def test_cosine_rises_first() -> None:
    factors = _factors(Cosine(warmup_epochs=2), 10, 5)
    assert factors[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert factors[10] == 1.0
    assert factors[10:] == sorted(factors[10:], reverse=True)


@given(epochs=st.integers(1, 3), warmup=st.floats(0, 9))
def test_a_rise_longer_than_the_stage_is_no_error(epochs: int, warmup: float) -> None:
    assert all(0 < factor <= 1 for factor in _factors(Cosine(warmup_epochs=warmup), epochs, 4))


@given(
    epochs=st.integers(1, 9),
    steps=st.integers(2, 9),
    rise=st.floats(0.2, 0.9),
    start=st.floats(1, 50),
    final=st.floats(1, 1e5),
)
def test_one_cycle_is_torchs(epochs: int, steps: int, rise: float, start: float, final: float) -> None:
    n = epochs * steps
    if rise * n - 1 <= 1e-6:  # torch divides by zero there
        return
    rates = _torch_rates(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, 1.0, total_steps=n, pct_start=rise, div_factor=start, final_div_factor=final, cycle_momentum=False
        ),
        n,
    )
    schedule = OneCycle(rise=rise, start_divisor=start, final_divisor=final)
    assert _factors(schedule, epochs, steps) == pytest.approx(rates, abs=1e-9)


@given(epochs=st.integers(1, 2), steps=st.integers(1, 3), rise=st.floats(0.01, 0.99))
def test_one_cycle_of_few_steps(epochs: int, steps: int, rise: float) -> None:
    assert all(0 < factor <= 1 for factor in _factors(OneCycle(rise=rise), epochs, steps))


@given(
    values=st.lists(st.sampled_from([0.5, 0.50004, 0.50006, 0.6, 0.7, 0.1, math.nan]) | st.floats(0, 1), max_size=40),
    patience=st.integers(0, 4),
    decay=st.floats(0.05, 0.95),
    floor=st.floats(0, 0.5),
    watch=st.sampled_from(["val.accuracy", "val.loss"]),
)
def test_plateau_is_torchs(values: list[float], patience: int, decay: float, floor: float, watch: str) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    mode = "min" if watch.endswith("loss") else "max"
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode=mode, factor=decay, patience=patience, threshold=1e-4, min_lr=floor, eps=0.0
    )
    schedule = ReduceOnPlateau(watch=watch, factor=decay, patience=patience, min_factor=floor)
    factor = schedule.build(epochs=50, steps_per_epoch=3)
    for epoch, value in enumerate(values):
        oracle.step(value)
        ours = factor(3 * (epoch + 1), History(values[: epoch + 1]))
        assert ours == pytest.approx(float(optimizer.param_groups[0]["lr"]), rel=1e-9, abs=1e-12)


def test_plateau_names_what_it_watches() -> None:
    assert [getattr(ReduceOnPlateau(), field) for field in ReduceOnPlateau.watches] == ["val.accuracy"]
