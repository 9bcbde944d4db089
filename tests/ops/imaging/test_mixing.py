from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from kornia.augmentation import RandomMixUpV2
from scipy.stats import beta

from cellcls.ops.imaging.mixing import beta_quantile, cutmix, mixup


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.4, 1.0, 2.0, 8.0, 100.0])
def test_the_quantile_is_scipys(alpha: float) -> None:
    draws = torch.linspace(0, 1, 2001)[:-1]
    found = beta_quantile(alpha)(draws)
    assert found.dtype == torch.float32
    expected = beta(alpha, alpha).ppf(draws.double().numpy())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3 if alpha > 50 else 1e-5)


def test_a_uniform_share_is_its_draw() -> None:
    draws = torch.rand(50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(beta_quantile(1.0)(draws), draws, atol=1e-6, rtol=0)


def _batch(count: int = 3, height: int = 8, width: int = 12) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    images, partners = torch.rand(2, count, 3, height, width, generator=generator)
    targets = torch.eye(4)[torch.arange(count) % 4]
    return images, partners, targets, torch.eye(4)[(torch.arange(count) + 1) % 4]


def test_mixup_is_kornias() -> None:
    images, _, targets, _ = _batch(4)
    order, share = torch.tensor([1, 2, 3, 0]), torch.tensor([0.0, 0.25, 0.5, 0.9])
    mixed, soft = mixup(images, images[order], targets, targets[order], share)
    oracle = RandomMixUpV2(p=1.0, data_keys=["input"])
    params = {
        "mixup_pairs": order,
        "mixup_lambdas": 1 - share,
        "batch_prob": torch.ones(4),
        "forward_input_shape": torch.tensor(images.shape),
    }
    torch.testing.assert_close(mixed, oracle.apply_transform(images, params, {}))
    torch.testing.assert_close(soft.sum(1), torch.ones(4))
    torch.testing.assert_close(soft[1], 0.25 * targets[1] + 0.75 * targets[2])


@given(st.floats(0, 1), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_a_box_and_targets_by_its_true_area(share: float, x: float, y: float) -> None:
    images, partners, targets, partner_targets = _batch(1)
    mixed, soft = cutmix(images, partners, targets, partner_targets, torch.tensor([share]), torch.tensor([[x, y]]))
    from_partner = (mixed == partners).all(1)[0]
    assert ((mixed == images).all(1)[0] | from_partner).all(), "each pixel is of one of the two"
    area = from_partner.float().mean()
    torch.testing.assert_close(soft[0], (1 - area) * targets[0] + area * partner_targets[0])
    rows, columns = from_partner.any(1).nonzero()[:, 0], from_partner.any(0).nonzero()[:, 0]
    if len(rows):  # a whole rectangle around the centre, as large as the share asks for, but for what the edge cuts off
        assert from_partner[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert len(rows) <= 8 * np.sqrt(1 - share) + 1e-3
        assert len(columns) <= 12 * np.sqrt(1 - share) + 1e-3


def test_a_box_in_the_middle_has_the_papers_size() -> None:
    images, partners, targets, partner_targets = _batch(1, 8, 8)
    mixed, soft = cutmix(images, partners, targets, partner_targets, torch.tensor([0.75]), torch.tensor([[0.5, 0.5]]))
    inside = (mixed == partners).all(1)[0]
    assert inside[2:6, 2:6].all()
    assert inside.sum() == 16
    torch.testing.assert_close(soft[0], 0.75 * targets[0] + 0.25 * partner_targets[0])
