import pytest
import torch
from torch.nn.functional import interpolate

from cellcls.ops.imaging.resize import lose_resolution


@pytest.mark.parametrize("size", [32, 33])
def test_agrees_with_interpolate_for_each_scale_of_a_batch(size):
    images = torch.rand(5, 3, size, size, generator=torch.Generator().manual_seed(0))
    scales = torch.tensor([0.5, 0.63, 0.77, 0.9, 0.1])
    changed = lose_resolution(images, scales)
    for image, scale, result in zip(images[:, None], scales, changed, strict=True):
        small = interpolate(image, size=[round(size * float(scale))] * 2, mode="bilinear", antialias=True)
        oracle = interpolate(small, size=[size, size], mode="bilinear", align_corners=False)
        torch.testing.assert_close(result, oracle[0], atol=1e-5, rtol=0)


def test_scale_one_changes_nothing():
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(lose_resolution(images, torch.ones(1)), images, atol=1e-6, rtol=0)
