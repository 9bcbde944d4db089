from io import BytesIO

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cellcls.ops.imaging.colour import from_uint8
from cellcls.ops.imaging.corruptions.compression import jpeg, pixelate
from cellcls.ops.rendering.cells import render

CELLS = np.stack([render(label, 5).image for label in range(4)])


@pytest.mark.parametrize("quality", [50, 30, 15, 10, 7])
def test_jpeg_is_pillows(quality):
    changed = jpeg(from_uint8(torch.from_numpy(CELLS)), quality)
    for cell, ours in zip(CELLS, changed, strict=True):
        file = BytesIO()
        Image.fromarray(cell).save(file, "JPEG", quality=quality)
        assert np.array_equal(np.asarray(Image.open(file)), (ours * 255).round().byte().permute(1, 2, 0).numpy())


@settings(max_examples=100, deadline=None)
@given(size=st.integers(8, 230), share=st.sampled_from([0.6, 0.5, 0.4, 0.3, 0.25, 1.0, 0.01]), seed=st.integers(0, 99))
def test_pixelate_agrees_with_pillow_at_any_size(size, share, seed):
    image = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    small = max(int(size * share), 1)
    box = Image.Resampling.BOX
    wanted = np.asarray(Image.fromarray(image).resize((small, small), box).resize((size, size), box))
    ours = pixelate(from_uint8(torch.from_numpy(image)[None]), share)[0].permute(1, 2, 0).numpy() * 255
    assert np.abs(ours - wanted).max() <= 1.01  # Pillow rounds after each axis
