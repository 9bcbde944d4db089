import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from scipy import ndimage
from skimage.morphology import disk
from torch.nn import functional as F

from cellcls.ops.imaging.corruptions.blur import defocus, motion


def noise(count=1, size=224):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("radius", [2, 3, 6])
def test_defocus_at_224_pixels_is_the_published_disk(radius):
    images, kernel = noise(), disk(radius).astype(np.float64)
    wanted = ndimage.correlate(images[0].double().numpy(), (kernel / kernel.sum())[None], mode="mirror")
    assert np.abs(defocus(images, radius)[0].numpy() - wanted).max() < 1e-5


def test_defocus_agrees_with_pillows_kernel_within_rounding():
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    kernel = ImageFilter.Kernel((5, 5), disk(2).ravel().tolist())
    wanted = np.asarray(Image.fromarray(image).filter(kernel), np.float64)
    ours = defocus(torch.from_numpy(image).permute(2, 0, 1)[None] / 255, 2)[0].permute(1, 2, 0).numpy() * 255
    inside = slice(2, -2)  # Pillow leaves the border as it is
    assert np.abs(ours - wanted)[inside, inside].max() <= 0.51


@pytest.mark.parametrize(("radius", "sigma"), [(3, 3), (10, 5), (10, 9)])
@pytest.mark.parametrize("degrees", [0, 30, -45, 170])
def test_motion_at_224_pixels_is_imagemagicks_trail(radius, sigma, degrees):
    images = noise()
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    reach = 2 * radius + 1
    padded = np.pad(images[0].double().numpy(), ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    wanted = np.zeros((3, 224, 224))
    for step, weight in zip(steps, weights / weights.sum(), strict=True):
        x = reach + int(np.ceil(step * np.cos(np.deg2rad(degrees)) - 0.5))
        y = reach + int(np.ceil(step * np.sin(np.deg2rad(degrees)) - 0.5))
        wanted += weight * padded[:, y : y + 224, x : x + 224]
    ours = motion(images, radius, sigma, torch.tensor([float(degrees)]))
    assert np.abs(ours[0].numpy() - wanted).max() < 1e-5


def test_each_image_has_a_trail_of_its_own():
    images = noise(1, 48).repeat(2, 1, 1, 1)
    both = motion(images, 10, 9, torch.tensor([0.0, 90.0]))
    torch.testing.assert_close(motion(images[1:], 10, 9, torch.tensor([90.0])), both[1:], atol=1e-6, rtol=0)
    rows, columns = (both[0].diff(dim=axis).abs().mean() for axis in (1, 2))
    assert columns < rows / 2  # along x the picture is smooth, across it is not


@pytest.mark.parametrize(
    "blur", [lambda images: defocus(images, 6), lambda images: motion(images, 10, 9, torch.zeros(1))]
)
@pytest.mark.parametrize("size", [112, 448])
def test_lengths_scale_with_the_input(blur, size):
    """A step blurred at another size, brought to 224 px, has the width it has at 224 px."""
    step = (torch.arange(448) >= 224).float().expand(1, 3, 448, 448)
    wanted = blur(F.avg_pool2d(step, 2))
    ours = F.interpolate(blur(F.avg_pool2d(step, 448 // size)), 224, mode="bilinear", antialias=size > 224)
    assert (ours - wanted).abs().max() < 0.05
    assert (wanted - F.avg_pool2d(step, 2)).abs().max() > 0.3


@pytest.mark.parametrize("size", [8, 28, 33])
def test_small_images_keep_their_mean_and_shape(size):
    images = torch.full((2, 3, size, size), 0.7)
    for blurred in (defocus(images, 6), motion(images, 10, 9, torch.tensor([10.0, 200.0]))):
        torch.testing.assert_close(blurred, images, atol=1e-6, rtol=0)
