import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.report import numbers


@pytest.mark.parametrize(
    ("value", "interval", "text"),
    [
        (0.974, (0.961, 0.983), "97.4% [96.1, 98.3]"),
        (0.974, None, "97.4%"),
        (0.0001, None, "<0.1%"),
        (0.0, None, "0.0%"),
        (None, None, "–"),
        (math.nan, (0.1, 0.2), "–"),
    ],
)
def test_a_share_is_written_with_its_interval(value, interval, text):
    assert numbers.percent(value, interval) == text


@given(st.floats(0, 1e7, allow_nan=False))
def test_a_duration_never_has_sixty_of_a_unit(seconds):
    assert not re.search(r"\b60 (s|min)\b", numbers.duration(seconds))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.4, "59.4 s"), (59.97, "1 min 0 s"), (200, "3 min 20 s"), (7260, "2 h 1 min")],
)
def test_a_duration_has_two_units(seconds, text):
    assert numbers.duration(seconds) == text


def test_large_counts_are_short():
    assert [numbers.short(n) for n in (950, 3_374_312, None)] == ["950", "3.37 million", "–"]


def test_only_the_remote_evaluation_is_starred():
    assert [numbers.starred(name) for name in ("test", "remote", "remote_tta")] == ["test", "remote*", "remote_tta*"]
