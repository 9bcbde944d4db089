"""Every sort of picture file: right pixels, a warning that names what was assumed, or a refusal."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.picture_modes import GRAY16, MODES, Mode, png16, tiff

from cellcls.api import Input
from cellcls.errors import DataError
from cellcls.ops.storage.decode import decode
from cellcls.ops.storage.image_cache import decode_once


def test_the_number_of_modes() -> None:
    assert len(MODES) == len({mode.name for mode in MODES}) == 42


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_right_pixels_a_warning_or_a_refusal(mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        if mode.right is None:
            with pytest.raises(DataError, match=mode.says) as refused:
                decode(mode.data(), name="cell.tif")
            assert "cell.tif" in refused.value.message
            return
        pixels = decode(mode.data(), name="cell.tif")
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(float) - mode.right.astype(float)).max() <= mode.within
    if mode.says:
        assert [record.getMessage().partition(": ")[0] for record in caplog.records] == ["cell.tif"]
        assert mode.says in caplog.text
    else:
        assert not caplog.records


def test_the_writer_of_deep_pngs_writes_what_pillow_reads() -> None:
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png16(GRAY16, 0)))), GRAY16)


def test_a_set_says_once_what_was_assumed_of_its_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = [tmp_path / f"{number}.tif" for number in range(3)]
    for file in files:
        file.write_bytes(tiff(GRAY16 >> 4))
    for _ in ("decoded", "from the cache"):
        caplog.clear()
        decode_once(tmp_path, files, Input(size=8), cache=tmp_path / "cache")
        assert [record.getMessage() for record in caplog.records] == [
            f"{files[0]} and 2 more: 16-bit integers, all of them below 4096: read as 12-bit"
        ]
