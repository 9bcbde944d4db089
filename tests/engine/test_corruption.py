"""Corruption draws by image, seed and place, and leaves the given images alone."""

from __future__ import annotations

import torch
from torch import Tensor

from cellcls.api.operations import Batch
from cellcls.engine.corruption import corrupt


def _shift(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
    images += draws.mean(1)[:, None, None, None] - 0.5  # in place, as a careless corruption may
    return images, targets


SHIFT = Batch(draws=2, apply=_shift)
IDS = torch.tensor([7, 3, 11])


def gray(value: float = 0.5, count: int = 3) -> Tensor:
    return torch.full((count, 3, 4, 4), value)


def by(seed: int = 1, place: int = 0, ids: Tensor = IDS) -> list[float]:
    return corrupt(SHIFT, gray(count=len(ids)), ids, seed=seed, place=place)[:, 0, 0, 0].tolist()


def test_an_image_is_corrupted_alike_in_any_batch() -> None:
    together = by()
    assert len(set(together)) == 3
    assert [by(ids=IDS[at : at + 1])[0] for at in range(3)] == together
    assert by(ids=IDS.flip(0)) == together[::-1]


def test_seed_and_place_draw_anew() -> None:
    found = [tuple(by(seed, place)) for seed in (1, 2) for place in (0, 1)]
    assert len(set(found)) == 4


def test_the_given_images_stay_as_they_are_but_for_no_float_in_place() -> None:
    stored = torch.full((3, 4, 4, 3), 51, dtype=torch.uint8)
    made = corrupt(SHIFT, stored, IDS, seed=1)
    assert bool((stored == 51).all())
    torch.testing.assert_close(made, corrupt(SHIFT, gray(0.2), IDS, seed=1))


def test_what_leaves_the_range_is_cut_and_lies_in_order() -> None:
    def spread(images: Tensor, targets: Tensor, _draws: Tensor) -> tuple[Tensor, Tensor]:
        return ((images - 0.5) * 9).transpose(2, 3), targets

    ramp = torch.linspace(0, 1, 16).view(1, 1, 4, 4).expand(1, 3, 4, 4).contiguous()
    made = corrupt(Batch(draws=0, apply=spread), ramp, IDS[:1], seed=1)
    assert (float(made.min()), float(made.max())) == (0.0, 1.0)
    assert made.is_contiguous()


def test_nothing_is_kept_for_a_gradient() -> None:
    assert not corrupt(SHIFT, gray().requires_grad_(), IDS, seed=1).requires_grad
