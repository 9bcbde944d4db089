"""The weights of the classes in the loss, beside those of the report's table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cellcls.engine.class_weights import balanced_weights, class_weights
from cellcls.engine.data import prepare
from cellcls.engine.job import Job
from cellcls.errors import RecipeError


@pytest.fixture
def weights(make_job: Callable[..., Job]) -> Callable[[str], np.ndarray | None]:
    def of(wanted: str) -> np.ndarray | None:
        job = make_job(f'[loss]\nuse = "cross_entropy"\nclass_weights = {wanted}\n')
        return class_weights(job.recipe, prepare(job.inputs))

    return of


def test_balanced_weights_follow_equation_1() -> None:
    counts = np.array([852, 2181, 1085, 2026, 849, 993, 2330, 1643])
    expected = [1.7545, 0.6854, 1.3778, 0.7378, 1.7607, 1.5054, 0.6416, 0.9098]
    assert balanced_weights(counts) == pytest.approx(expected, abs=5e-5)
    assert balanced_weights(np.array([1, 0, 3])).tolist() == pytest.approx([4 / 3, 0, 4 / 9])


def test_weights_are_none_balanced_or_those_given(weights: Callable[[str], np.ndarray | None]) -> None:
    assert weights('"none"') is None
    assert weights('"balanced"').tolist() == [1.0] * 8, "every class has six training images"
    given = [float(number) for number in range(8)]
    assert weights(str(given)).tolist() == given


def test_weights_that_fit_the_classes_badly_are_refused(weights: Callable[[str], np.ndarray | None]) -> None:
    with pytest.raises(RecipeError, match="`class_weights` has 2 numbers, and there are 8 classes"):
        weights("[1.0, 2.0]")
    with pytest.raises(RecipeError, match="0 for every class that has training images"):
        weights(str([0.0] * 8))
