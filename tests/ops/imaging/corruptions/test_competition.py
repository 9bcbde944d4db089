from itertools import pairwise

import numpy as np
import pytest
import torch

from cellcls.ops.imaging.colour import from_uint8
from cellcls.ops.imaging.corruptions.competition import LENGTHS, LINKS, Link, chain, compete, mixture
from cellcls.ops.imaging.corruptions.seeds import Seeds
from cellcls.ops.rendering.cells import render

COUNT = 24
CELLS = from_uint8(torch.from_numpy(np.stack([render(i % 8, i, size=48).image for i in range(COUNT)])))
SEEDS = Seeds(torch.arange(COUNT))


def name(link):
    return link.change.__name__.strip("_")


@pytest.mark.parametrize("link", LINKS, ids=name)
def test_every_operation_takes_the_picture_farther_the_higher_the_severity(link):
    far = [(link.change(CELLS, strength, SEEDS).clamp(0, 1) - CELLS).abs().mean() for strength in link.strengths]
    assert far[0] > 0.003
    assert far[-1] > 1.2 * far[0]
    assert all(after >= before - 1e-3 for before, after in pairwise(far))


@pytest.mark.parametrize("link", LINKS, ids=name)
def test_no_operation_depends_on_the_batch(link):
    some = torch.tensor([3, 17])
    all_ = link.change(CELLS, link.strengths[4], SEEDS)
    torch.testing.assert_close(
        link.change(CELLS[some], link.strengths[4], SEEDS.rows(some)), all_[some], atol=2e-6, rtol=0
    )


def test_a_chain_has_the_asked_length_and_repeats_nothing():
    def add(number):
        return Link(lambda images, strength, _: images + strength * 2.0**-number, (1, 1, 1, 1, 0.5))

    links = [add(number) for number in range(1, 9)]
    length = torch.arange(COUNT) % 5
    sums = chain(torch.zeros(COUNT, 3, 1, 1), links, 1, length, SEEDS)[:, 0, 0, 0] * 256
    assert [int(total).bit_count() for total in sums] == length.tolist()
    assert torch.equal(chain(torch.zeros(COUNT, 3, 1, 1), links, 5, length, SEEDS)[:, 0, 0, 0] * 512, sums)
    assert len(set(sums.tolist())) > 10


def test_images_get_one_to_four_operations_more_with_severity():
    assert LENGTHS[0] == (1, 1)
    assert max(LENGTHS) == (3, 4)
    assert list(LENGTHS) == sorted(LENGTHS)


def test_the_chains_differ_from_image_to_image_and_leave_the_given_images():
    before = CELLS.clone()
    same = CELLS[:1].repeat(COUNT, 1, 1, 1)
    changed = compete(same, 3, SEEDS)
    assert len((changed * 255).round().flatten(1).unique(dim=0)) == COUNT
    compete(CELLS, 5, SEEDS)
    assert torch.equal(CELLS, before)


def test_a_mixture_lies_between_the_picture_and_its_chains():
    mixed = mixture(CELLS, 3, SEEDS)
    assert mixed.min() >= 0
    assert mixed.max() <= 1 + 1e-6
    assert (mixed - CELLS).abs().mean((1, 2, 3)).min() > 1e-3
