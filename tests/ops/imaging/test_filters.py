import kornia
import pytest
import torch

from cellcls.ops.imaging.filters import gaussian_blur


@pytest.mark.parametrize(("kernel", "sigma"), [(3, 0.8), (5, 1.1), (7, 1.4)])
def test_blur_agrees_with_kornia_whatever_the_neighbours_kernels(kernel, sigma):
    images = torch.rand(3, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    blurred = gaussian_blur(images, torch.tensor([3, kernel, 7]), 7)
    oracle = kornia.filters.gaussian_blur2d(images[1:2], (kernel, kernel), (sigma, sigma), border_type="reflect")
    torch.testing.assert_close(blurred[1:2], oracle, atol=1e-6, rtol=0)


def test_a_kernel_of_one_pixel_changes_nothing():
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(gaussian_blur(images, torch.tensor([1, 5]), 5)[0], images[0], atol=1e-7, rtol=0)
