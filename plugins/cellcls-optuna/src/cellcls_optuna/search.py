"""A proposal of Optuna as a pure function of the trials before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from cellcls.api import Choice, Trial, Value


def propose(
    space: Mapping[str, Choice],
    finished: Sequence[Trial],
    *,
    number: int,
    seed: int,
    lowest: bool,
    random_first: int,
) -> dict[str, Value]:
    """Return the settings of trial ``number``.

    A study is made anew from the finished trials, so there is no state to lose; the sampler's seed is drawn from
    ``seed`` and ``number``.
    """
    distributions = {key: _distribution(choice) for key, choice in space.items()}
    own_seed = int(np.random.default_rng([seed, number]).integers(2**31))
    sampler = optuna.samplers.TPESampler(seed=own_seed, n_startup_trials=random_first)
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="minimize" if lowest else "maximize", sampler=sampler)
        study.add_trials([_finished(trial, distributions) for trial in finished])
        found: dict[str, Value] = dict(study.ask(distributions).params)
    finally:
        optuna.logging.set_verbosity(verbosity)
    return found


def _distribution(choice: Choice) -> BaseDistribution:
    if choice.values is not None:
        return CategoricalDistribution(choice.values)
    assert choice.low is not None
    assert choice.high is not None
    if choice.whole:
        return IntDistribution(int(choice.low), int(choice.high), log=choice.log)
    return FloatDistribution(float(choice.low), float(choice.high), log=choice.log)


def _finished(trial: Trial, distributions: Mapping[str, BaseDistribution]) -> FrozenTrial:
    settings, known = dict(trial.settings), dict(distributions)
    if trial.value is None:
        return create_trial(state=TrialState.FAIL, params=settings, distributions=known)
    return create_trial(params=settings, distributions=known, value=trial.value)
