from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cellcls.api import Input
from cellcls.errors import DataError
from cellcls.ops.storage.hashing import content_hash
from cellcls.ops.storage.image_cache import DecodedImages, decode_once


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three pictures of different sizes and, second, one that cannot be read."""
    for number in (0, 2, 3):
        pixels = np.random.default_rng(number).integers(0, 255, (20 + number, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_bytes(b"no picture")
    return [tmp_path / f"{number}.png" for number in range(4)]


def decoded(files: list[Path], size: int = 8, **settings: object) -> DecodedImages:
    folder = files[0].parent
    return decode_once(folder, files, Input(size=size), cache=folder / "cache", **settings)  # type: ignore[arg-type]


def test_sizes_and_hashes_are_those_of_the_files_at_any_size(files: list[Path]):
    good = [files[0], *files[2:]]
    small, large = decoded(good, 8), decoded(good, 16)
    assert small.hashes == large.hashes == tuple(content_hash(np.asarray(Image.open(file))) for file in good)
    assert small.sizes.tolist() == large.sizes.tolist() == [[20, 30], [22, 30], [23, 30]]
    assert large.read(np.array([2, 0])).shape == (2, 16, 16, 3)
    assert np.array_equal(small.read(np.array([2]))[0], small.read(np.arange(3))[2])


def test_what_cannot_be_read_is_left_out_or_an_error_from_the_cache_too(files: list[Path]):
    for _ in range(2):
        left = decoded(files, skip_bad=True)
        assert left.rows.tolist() == [0, 2, 3]
        assert list(left.bad) == [1]
        with pytest.raises(DataError, match=r"1\.png"):
            decoded(files)
    with pytest.raises(DataError, match="none of its images"):
        decoded(files[1:2], skip_bad=True)


def test_a_broken_link_is_a_picture_that_cannot_be_read(files: list[Path]):
    files[1].unlink()
    files[1].symlink_to("gone.png")
    assert list(decoded(files, skip_bad=True).bad) == [1]


def test_a_box_is_cut_out_as_far_as_it_lies_within(files: list[Path]):
    whole = np.asarray(Image.open(files[0]))
    boxes = [(-5, 2, 10, 99), (40, 0, 50, 10)]
    cut = decoded([files[0], files[2]], boxes=boxes, skip_bad=True)
    assert cut.hashes == (content_hash(np.ascontiguousarray(whole[2:, :10])),)
    assert "is outside" in cut.bad[1]


def test_a_file_that_changed_is_decoded_again(files: list[Path]):
    before = decoded([files[0]])
    Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(files[0])
    assert decoded([files[0]]).hashes != before.hashes
