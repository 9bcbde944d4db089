import pytest
import torch

from cellcls.ops.draws import draws
from cellcls.ops.imaging.corruptions.seeds import DRAWS, Seeds


def test_numbers_of_a_sample_do_not_depend_on_the_others():
    seeds = Seeds.of(draws(1, 2, torch.arange(50), 0, DRAWS))
    some = torch.tensor([7, 31])
    assert torch.equal(seeds.rows(some).draw(20), seeds.draw(20)[some])
    assert torch.equal(seeds.rows(some).child(3).draw(20), seeds.child(3).draw(20)[some])


def test_samples_and_children_all_differ():
    seeds = Seeds.of(draws(1, 2, torch.arange(200), 0, DRAWS))
    families = [seeds, seeds.child(0), seeds.child(1), seeds.child(0).child(0)]
    assert len(torch.cat([family.draw(1) for family in families]).unique()) > 795
    assert len(torch.cat([family.ids for family in families]).unique()) == 800


def test_normal_draws_are_normal():
    drawn = Seeds(torch.arange(100)).normal(2000)
    assert drawn.isfinite().all()
    assert drawn.mean().item() == pytest.approx(0, abs=0.01)
    assert drawn.std().item() == pytest.approx(1, abs=0.01)
    assert (drawn.abs() > 2).float().mean().item() == pytest.approx(0.0455, abs=0.002)
