"""Views of an image beside NumPy's mirror images and turns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cellcls.engine.views import views

NUMPY = {
    "as_it_is": lambda image: image,
    "flip_horizontal": lambda image: image[:, ::-1],
    "flip_vertical": lambda image: image[::-1],
    "turn_90": lambda image: np.rot90(image, 1),
    "turn_180": lambda image: np.rot90(image, 2),
    "turn_270": lambda image: np.rot90(image, 3),
}


def test_views_are_the_symmetries_they_say() -> None:
    images = torch.rand(2, 3, 5, 5)
    for name, view in views(("flips", "turns")).items():
        for seen, image in zip(view(images).numpy(), images.numpy(), strict=True):
            for channel in range(3):
                assert np.array_equal(seen[channel], NUMPY[name](image[channel])), name


@pytest.mark.parametrize(
    ("sets", "names"),
    [
        ((), ["as_it_is"]),
        (("flips",), ["as_it_is", "flip_horizontal", "flip_vertical"]),
        (("turns", "flips"), ["as_it_is", "turn_90", "turn_180", "turn_270", "flip_horizontal", "flip_vertical"]),
    ],
)
def test_the_image_as_it_is_comes_first(sets: tuple[str, ...], names: list[str]) -> None:
    assert list(views(sets)) == names
