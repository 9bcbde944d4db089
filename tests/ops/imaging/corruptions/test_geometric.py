import numpy as np
import pytest
import torch
from scipy import ndimage

from cellcls.ops.imaging.corruptions import geometric
from cellcls.ops.imaging.corruptions.seeds import Seeds

COUNT, SIZE = 30, 24
CHANGES = [
    (geometric.rotate, 20),
    (geometric.shear, 0.3),
    (geometric.translate, 0.2),
    (geometric.zoom, 1.5),
    (geometric.perspective, 0.3),
]


def disc(count=COUNT, size=SIZE):
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, size),) * 2, indexing="ij")
    return ((x - 0.1) ** 2 + 2 * y**2 < 0.3).float().expand(count, 3, size, size)


@pytest.mark.parametrize(("change", "strength"), CHANGES)
def test_places_vary_among_samples_and_show_black_beyond_the_edge(change, strength):
    changed = change(disc() * 0 + 1, strength, Seeds(torch.arange(COUNT)))
    assert changed.min() == 0
    shown = change(disc(), strength, Seeds(torch.arange(COUNT)))
    assert len((shown * 1e4).round().flatten(1).unique(dim=0)) >= 2


@pytest.mark.parametrize(
    ("change", "neutral"), [(change, 1 if change is geometric.zoom else 0) for change, _ in CHANGES]
)
def test_strength_nought_changes_nothing(change, neutral):
    images = torch.rand(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(change(images, neutral, Seeds(torch.arange(4))), images, atol=1e-4, rtol=0)


def test_translate_moves_by_its_length():
    moved = geometric.translate(disc(8, 96), 0.1, Seeds(torch.arange(8)))
    start = np.array(ndimage.center_of_mass(disc(1, 96)[0, 0].numpy()))
    for image in moved[:, 0].numpy():
        assert np.linalg.norm(ndimage.center_of_mass(image) - start) == pytest.approx(9.6, abs=0.1)


def test_perspective_maps_a_point_as_it_says():
    image = disc(1)
    seeds = Seeds(torch.tensor([7]))
    angle = 2 * np.pi * float(seeds.draw(1))
    axis = (2 * np.arange(SIZE) + 1 - SIZE) / SIZE
    x, y = np.meshgrid(axis, axis)
    depth = 1 + 0.3 * (np.cos(angle) * x + np.sin(angle) * y)
    rows, columns = (((place / depth + 1) * SIZE - 1) / 2 for place in (y, x))
    wanted = ndimage.map_coordinates(image[0, 0].double().numpy(), [rows, columns], order=1, mode="grid-constant")
    assert np.abs(geometric.perspective(image, 0.3, seeds)[0, 0].numpy() - wanted).max() < 1e-4
