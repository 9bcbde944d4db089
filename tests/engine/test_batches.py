from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.engine.batches import own_parts, smallest_part, steps_per_epoch

SIZES = {"processes": st.integers(1, 5), "accumulate": st.integers(1, 40), "fewest": st.integers(1, 2)}


@pytest.mark.parametrize(
    ("count", "batch_size", "steps"), [(32, 16, 2), (33, 16, 2), (34, 16, 3), (1, 16, 1), (15, 16, 1), (17, 16, 1)]
)
def test_a_last_batch_of_one_is_left_out(count: int, batch_size: int, steps: int) -> None:
    assert steps_per_epoch(count, batch_size) == steps


@given(size=st.integers(1, 40), **SIZES)
def test_every_image_counts_once_and_no_process_has_fewer_than_it_needs(
    size: int, processes: int, accumulate: int, fewest: int
) -> None:
    batch = np.arange(100, 100 + size)
    sizes = {"processes": processes, "accumulate": accumulate, "fewest": fewest}
    each = [list(own_parts(batch, rank=rank, **sizes)) for rank in range(processes)]
    counted = np.concatenate([rows[weights == 1] for parts in each for rows, weights in parts])
    assert sorted(counted) == batch.tolist()
    assert len({len(parts) for parts in each}) == 1, "the processes wait for each other"
    assert len(each[0]) <= accumulate
    for rows, weights in (part for parts in each for part in parts):
        assert set(weights.tolist()) <= {0.0, 1.0}
        assert len(rows) >= min(fewest, size)
        assert len(set(rows)) == len(rows)


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 40))
def test_where_one_image_will_do_the_parts_are_those_asked_for(size: int, processes: int, accumulate: int) -> None:
    batch = np.arange(size)
    for rank in range(processes):
        found = [
            (rows.tolist(), weights.tolist())
            for rows, weights in own_parts(batch, rank=rank, processes=processes, accumulate=accumulate)
        ]
        parts = np.array_split(batch, min(accumulate, max(1, size // processes)))
        own = [part[rank::processes].tolist() for part in parts]
        assert found == [
            (rows, [1.0] * len(rows)) if rows else (part[:1].tolist(), [0.0])
            for rows, part in zip(own, parts, strict=True)
        ]


@pytest.mark.parametrize(
    ("count", "batch_size", "processes", "accumulate", "smallest"),
    [
        (48, 15, 1, 1, 3),  # batches of 15, 15, 15, 3
        (48, 15, 1, 2, 1),  # the last as 2 + 1
        (48, 16, 1, 2, 8),
        (48, 16, 4, 8, 1),  # parts of 4 and 2 images over 4 processes
        (49, 16, 1, 1, 16),  # the last image is left out
        (3, 16, 2, 1, 1),
        (48, 1, 1, 1, 1),
    ],
)
def test_the_smallest_part_of_an_epoch(
    count: int, batch_size: int, processes: int, accumulate: int, smallest: int
) -> None:
    assert smallest_part(count, batch_size, processes=processes, accumulate=accumulate) == smallest
