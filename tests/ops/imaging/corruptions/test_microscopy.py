import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from cellcls.ops.draws import draws
from cellcls.ops.imaging.corruptions.microscopy import bubble_draws, bubbles, deposit_draws, stain_deposits


def drawn(count, width):
    return draws(0, 0, torch.arange(count), 0, width)


@pytest.mark.parametrize("side", [24, 32])
def test_a_deposit_is_black_and_as_large_as_the_published_marks(side):
    images = torch.full((60, 3, 224, 224), 0.8)
    changed = stain_deposits(images, 1, side, drawn(60, deposit_draws(1)))
    area = (changed[:, 0] < 0.4).sum((1, 2)) / side**2
    assert changed.min() == 0
    assert area.mean() == pytest.approx(0.6, abs=0.1)
    assert area.min() > 0.2
    assert area.max() < 1.2
    assert (changed[:, :, :5] == 0.8).all()  # published marks keep 10 pixels from the edge; ours fray a little


def test_one_to_three_deposits():
    changed = stain_deposits(torch.ones(90, 3, 112, 112), 3, 24, drawn(90, deposit_draws(3)))
    area = (changed[:, 0] < 0.5).sum((1, 2)).float() / (0.6 * 12**2)
    counts = area.round()
    assert counts.min() == 1
    assert counts.max() >= 3
    assert area.mean() == pytest.approx(2, abs=0.3)


def test_bubbles_are_those_pillow_draws():
    """The published code with our draws; it draws without smooth edges, so that only rims may differ."""
    image, largest, most = np.full((224, 224, 3), (200, 90, 120), np.uint8), 15, 12
    row = drawn(1, bubble_draws(most))
    number = 7 + int(row[0, 0] * (most - 6))
    layer = Image.new("RGBA", (224, 224), (255, 255, 255, 0))
    pen = ImageDraw.Draw(layer)
    for size, right, down in row[0, 1:].view(most, 3)[:number].tolist():
        radius = 3 + int(size * (largest - 2))
        x, y = (round(radius + place * (224 - 2 * radius) - 0.5) for place in (right, down))  # Pillow counts centres
        for reach, alpha in ((radius + 2, 130), (radius, 100)):
            pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=(255, 255, 255, alpha))
    wanted = Image.fromarray(image)
    wanted.paste(layer, (0, 0), layer)
    ours = bubbles(torch.from_numpy(image).permute(2, 0, 1)[None] / 255, largest, most, row)
    off = np.abs(ours[0].permute(1, 2, 0).numpy() * 255 - np.asarray(wanted)).max(2)
    assert (np.asarray(wanted) != image).any(2).mean() > 0.03
    assert (off > 1.5).mean() < 0.03
    assert off.mean() < 0.5


def test_bubbles_only_whiten_and_never_hide():
    images = torch.zeros(8, 3, 96, 96)
    changed = bubbles(images, 15, 12, drawn(8, bubble_draws(12)))
    assert (changed > 0).any()
    assert changed.min() >= 0
    assert changed.max() <= 130 / 255 + 1e-6


def test_lengths_scale_with_the_input():
    for change in (
        lambda images: bubbles(images, 15, 12, drawn(8, bubble_draws(12))),
        lambda images: 1 - stain_deposits(1 - images, 3, 32, drawn(8, deposit_draws(3))),
    ):
        small, large = (change(torch.zeros(8, 3, size, size)).mean((1, 2, 3)) for size in (96, 224))
        torch.testing.assert_close(small, large, rtol=0.1, atol=0)
