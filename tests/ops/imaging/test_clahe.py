import kornia
import pytest
import torch

from cellcls.ops.imaging.clahe import clahe
from cellcls.ops.imaging.colour import luma


@pytest.fixture
def images():
    """A smooth, dull picture with some grain: what the method is for."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.linspace(0, 1, 96), torch.linspace(0, 1, 96), indexing="ij")
    shapes = torch.stack([0.4 + 0.2 * torch.sin(6 * x * (k + 1)) * torch.cos(5 * y) for k in range(3)])
    return (shapes + 0.05 * torch.rand(2, 3, 96, 96, generator=generator)).clamp(0, 1)


@pytest.mark.parametrize(("limit", "tiles"), [(2.0, 8), (4.0, 4), (40.0, 2)])
def test_agrees_with_kornia_on_luma(images, limit, tiles):
    ours = luma(clahe(images, limit, tiles))
    oracle = kornia.enhance.equalize_clahe(luma(images)[:, None], limit, (tiles, tiles))[:, 0]
    assert (ours - oracle).abs().mean() < 0.015  # Kornia cuts levels off where we round
    assert (luma(images) - oracle).abs().mean() > 0.03  # there was something to do


def test_chroma_stays(images):
    change = clahe(images, 2.0, 8) - images
    torch.testing.assert_close(change[:, 0], change[:, 2], atol=1e-6, rtol=0)


def test_each_image_is_equalised_by_itself(images):
    assert torch.equal(clahe(images, 2.0, 8)[1:], clahe(images[1:], 2.0, 8))


def test_one_unlimited_tile_is_plain_equalisation():
    ramp = torch.linspace(0.3, 0.5, 64 * 64).reshape(1, 1, 64, 64).expand(-1, 3, -1, -1).contiguous()
    changed = luma(clahe(ramp, 1e6, 1))
    assert changed.min() < 0.03
    assert changed.max() > 0.99
    torch.testing.assert_close(changed.flatten(), torch.linspace(0, 1, 64 * 64), atol=0.03, rtol=0)
