"""Images as batches: read, prepared as Pillow does, and in portions that fit the memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from support.sources import Held, images_of, noise

from cellcls.api import Input
from cellcls.engine import images as module
from cellcls.engine.images import Images

PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def test_images_of_the_right_size_pass_as_they_are() -> None:
    source = Held(noise(5))
    images = images_of(source)
    indices = np.array([4, 0, 4])
    assert np.array_equal(images.raw(indices).numpy(), source.images[indices])
    taken = images.take(indices)
    assert taken.dtype == torch.float32
    np.testing.assert_allclose(taken.numpy(), source.images[indices].transpose(0, 3, 1, 2) / 255, atol=1e-7)


@pytest.mark.parametrize("interpolation", PILLOW)
@pytest.mark.parametrize("size", [8, 40])
def test_images_of_another_size_are_resized_as_pillow_does(interpolation: str, size: int) -> None:
    source = Held(noise(3, 20))
    made = images_of(source, size, interpolation).raw(np.arange(3)).numpy()
    for image, resized in zip(source.images, made, strict=True):
        np.testing.assert_array_equal(resized, Image.fromarray(image).resize((size, size), PILLOW[interpolation]))


def test_nearest_invents_no_colour() -> None:
    source = Held(noise(2, 20))
    taken = images_of(source, 10, "nearest").take(np.arange(2))
    assert np.array_equal(taken.numpy(), (source.images[:, 1::2, 1::2].transpose(0, 3, 1, 2) / 255).astype(np.float32))


def test_a_source_that_prepares_its_images_is_not_asked_twice() -> None:
    source = Held(noise(3))
    source.prepared = True
    images = Images(source, Input(size=8, center_crop=8), torch.device("cpu"))
    assert np.array_equal(images.raw(np.array([2, 0])).numpy(), source.images[[2, 0]])
    assert source.reads == [[2, 0]]


def test_large_images_are_read_and_resized_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Held(noise(7, 20))
    whole = images_of(source).take(np.arange(7))
    monkeypatch.setattr(module, "PREPARED_AT_ONCE", 3 * 20 * 20 * 3)
    source.reads.clear()
    assert torch.equal(images_of(source).take(np.arange(7)), whole)
    assert source.reads == [[0], [0, 1, 2], [3, 4, 5], [6]]  # the first tells the size


def test_an_image_larger_than_a_portion_is_still_resized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PREPARED_AT_ONCE", 10)
    assert images_of(Held(noise(2, 20))).take(np.arange(2)).shape == (2, 3, 8, 8)


def test_a_processor_holds_no_images() -> None:
    source = Held(noise(2))
    images = images_of(source)
    assert images.hold() is False
    assert source.reads == []


def test_images_that_are_held_are_not_read_again() -> None:
    source = Held(noise(4, 20))
    images = images_of(source)
    wanted = images.take(np.array([3, 1]))
    images.held, source.reads = images.raw(np.arange(4)), []
    assert torch.equal(images.take(np.array([3, 1])), wanted)
    assert source.reads == []
