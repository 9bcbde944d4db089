from __future__ import annotations

import logging
from pathlib import Path

import attrs
import numpy as np
import pytest
from PIL import Image

from cellcls.engine.inference import evaluate_on, predict_images
from cellcls.engine.resemblance import of_colour, of_scale
from cellcls.ops.classes import CLASSES
from cellcls.ops.rendering.cells import render
from cellcls.runs.options import Options
from cellcls.runs.records import TrainingImagesRecord

TRAINED = TrainingImagesRecord(
    n=100, height=(90.0, 96.0, 100.0), width=(90.0, 96.0, 100.0), mean=(0.8, 0.65, 0.7), std=(0.05, 0.06, 0.001)
)


@pytest.mark.parametrize(("side", "told"), [(96, ""), (140, ""), (66, ""), (360, "--center-crop"), (60, "less sharp")])
def test_another_scale_is_told_with_what_to_do(side, told):
    found = list(of_scale(TRAINED, attrs.evolve(TRAINED, height=(side,) * 3, width=(side,) * 3)))
    assert len(found) == bool(told)
    assert all(told in text and f"{side} x {side}" in text and "96 x 96" in text for text in found)


@pytest.mark.parametrize(
    ("mean", "told"),
    [((0.8, 0.65, 0.7), False), ((0.61, 0.65, 0.7), False), ((0.59, 0.65, 0.7), True), ((0.8, 0.65, 0.79), True)],
)
def test_a_mean_colour_four_deviations_off_is_told(mean, told):
    found = list(of_colour(TRAINED, attrs.evolve(TRAINED, mean=mean)))
    assert len(found) == told
    assert all(f"{mean[0]:.2f} {mean[1]:.2f} {mean[2]:.2f}" in text for text in found)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder of frames of 128 pixels with a cell of 32 in the middle, and files that are no images."""
    for number, name in enumerate(CLASSES):
        frame = np.full((128, 128, 3), render(number, 70 + number, size=32).image[0, 0], np.uint8)
        frame[48:80, 48:80] = render(number, 70 + number, size=32).image
        (tmp_path / "frames" / name).mkdir(parents=True)
        Image.fromarray(frame).save(tmp_path / "frames" / name / "frame.png")
    return tmp_path / "frames"


def test_frames_of_another_scale_are_told_and_cropped(make_job, execute, registry, frames, tmp_path, caplog):
    job = make_job("[[stages]]\nepochs = 1\n")
    execute(job)
    run, options = job.folder.path, Options(device="cpu")
    cells = [np.asarray(Image.open(file))[48:80, 48:80] for file in sorted(frames.glob("*/*.png"))]
    expected = predict_images(run, cells, registry, options)
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        whole = predict_images(run, [frames], registry, options)
    assert ["128 x 128 pixels" in record.getMessage() for record in caplog.records][:1] == [True]
    assert not np.allclose(whole.probabilities, expected.probabilities)
    caplog.clear()
    cropped = predict_images(run, [frames], registry, options, center_crop=32)
    assert not caplog.records
    np.testing.assert_allclose(cropped.probabilities, expected.probabilities, atol=1e-6)
    right = [expected.classes[row.argmax()] == name for row, name in zip(expected.probabilities, CLASSES, strict=True)]
    assert evaluate_on(run, frames, registry, options, center_crop=32).record.accuracy == np.mean(right)


def test_what_cannot_be_read_is_no_black_image(make_job, execute, registry, tmp_path, caplog):
    job = make_job("[[stages]]\nepochs = 1\n")
    execute(job)
    Image.fromarray(render(1, 5, size=32).image).save(tmp_path / "cell.png")
    for number in range(20):
        (tmp_path / f"broken{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    files = sorted(tmp_path.glob("*.png"))
    predict_images(job.folder.path, files, registry, Options(device="cpu"))
    assert not caplog.records
