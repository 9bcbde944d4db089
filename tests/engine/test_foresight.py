"""What is told of a run by its numbers: by ``check`` and by the run alike."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cellcls.engine.check import check_run
from cellcls.engine.job import Job
from cellcls.errors import DataError, RecipeError

Make = Callable[..., Job]
Execute = Callable[[Job], list[Any]]

NORMED = """
[dataset]
use = "synthetic"
images_per_class = 8
[input]
size = 32
[backbone]
use = "timm"
model = "test_resnet"
[train]
batch_size = 15
accumulate = 2
[[stages]]
epochs = 1
"""
"""48 training images, a map of 1 x 1 and BatchNorm: the last batch of 3 would come as 2 + 1."""


def checked(job: Job) -> tuple[str, ...]:
    return check_run(job.inputs, job.options, job.registry).warnings


def make_set(folder: Path, **counts: int) -> str:
    """Make pictures in ``part_class`` folders and return the recipe's section."""
    for number, (place, count) in enumerate(counts.items()):
        inside = folder.joinpath(*place.split("_"))
        inside.mkdir(parents=True)
        for image in range(count):
            noise = np.random.default_rng([number, image]).integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(noise).save(inside / f"{image}.png")
    network = '[input]\nsize = 32\n[backbone]\nuse = "cnn5"\nfilters = [4]\n[[stages]]\nepochs = 1\n'
    return f'[dataset]\nuse = "folder"\nfile = "{folder}"\n{network}'


# --- parts of one image -----------------------------------------------------------------------------------------


def test_a_last_batch_is_not_parted_into_one_image(make_job: Make, execute: Execute):
    job = make_job(tiny=NORMED)
    assert checked(job) == ()
    execute(job)
    assert json.loads(job.folder.metrics.read_text())["complete"]


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "said"),
    [
        (1, 1, "set train.batch_size to 2 at least"),
        (8, 8, "set train.accumulate to 4"),
        (3, 7, "train.accumulate to 1"),
    ],
)
def test_parts_of_one_image_are_refused_where_batchnorm_needs_two(
    make_job: Make, execute: Execute, batch_size: int, accumulate: int, said: str
):
    job = make_job(tiny=NORMED, overrides=(f"train.batch_size={batch_size}", f"train.accumulate={accumulate}"))
    for attempt in (checked, execute):
        with pytest.raises(RecipeError, match="BatchNorm") as refused:
            attempt(job)
        assert any(said in hint for hint in refused.value.hints)
    assert not job.folder.history.exists()


@pytest.mark.parametrize(
    "setting",
    [
        'backbone={use="cnn5", filters=[4, 4]}',  # no BatchNorm
        "input.size=64",  # a map of 2 x 2
        'stages.0.bn="frozen"',
        'stages.0.freeze="backbone"',
    ],
)
def test_parts_of_one_image_are_fine_elsewhere(make_job: Make, setting: str):
    overrides = ("train.batch_size=1", "train.accumulate=1", setting)
    assert checked(make_job(tiny=NORMED, overrides=overrides, rehearse="freeze" in setting)) == ()


# --- classes ----------------------------------------------------------------------------------------------------


def test_a_class_that_only_some_parts_have(
    make_job: Make, execute: Execute, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    counts = {"train_a": 6, "train_b": 6, "train_d": 5, "val_a": 2, "val_b": 2, "val_c": 1, "test_a": 2, "test_b": 2}
    job = make_job(tiny=make_set(tmp_path / "set", **counts, test_c=3))
    with caplog.at_level(logging.WARNING):
        untaught, unmeasured = checked(job)
        assert caplog.text == "", "check returns them"
        execute(job)
    assert "no training image is of `c` (1 in val, 3 in test)" in untaught
    assert "no image in val or test is of `d` (5 in train)" in unmeasured
    assert untaught in caplog.text
    assert unmeasured in caplog.text
    assert json.loads(job.folder.metrics.read_text())["warnings"] == [untaught, unmeasured]


def test_a_class_whose_training_images_were_all_dropped(make_job: Make, tmp_path: Path):
    tiny = make_set(tmp_path / "set", train_a=6, train_b=6, train_c=2, val_a=2, val_b=2)
    more = '[[cleaners]]\nuse = "drop_indices"\nranges = [[12, 13]]\n'
    assert any("`c` (2 dropped)" in said for said in checked(make_job(more, tiny=tiny)))


def test_one_class_to_learn(make_job: Make, tmp_path: Path):
    tiny = make_set(tmp_path / "set", train_a=6, val_a=2, val_b=2, test_b=2)
    assert any("all training images are of `a`" in said for said in checked(make_job(tiny=tiny)))


@pytest.mark.parametrize("settings", [(), ('loss.class_weights="balanced"',), ("train.ema_decay=0.9",)])
def test_nothing_is_said_of_an_ordinary_run(make_job: Make, settings: tuple[str, ...]):
    assert checked(make_job(overrides=("stages.0.epochs=8", *settings))) == ()


# --- weights, averages, rates ------------------------------------------------------------------------------------


def test_a_weight_of_zero_for_a_class_with_images(make_job: Make):
    (said,) = checked(make_job(overrides=("loss.class_weights=[1, 1, 0, 1, 1, 1, 1, 1]",)))
    assert "class_weights is 0 for" in said
    assert "(6 in train)" in said


def test_class_weights_that_cannot_be_are_refused_by_check_too(make_job: Make, tmp_path: Path):
    with pytest.raises(RecipeError, match="nothing to learn"):
        checked(make_job(overrides=("loss.class_weights=[0, 0, 0, 0, 0, 0, 0, 0]",)))
    with pytest.raises(RecipeError, match="2 numbers, and there are 8"):
        checked(make_job(overrides=("loss.class_weights=[1, 2]",), out="other"))
    only = make_set(tmp_path / "set", train_a=4, train_b=4, val_a=2, test_c=2)
    with pytest.raises(RecipeError, match="nothing to learn"):  # the class with a weight has no training image
        checked(make_job(tiny=only, overrides=("loss.class_weights=[0, 0, 1]",), out="third"))


def test_a_watched_part_without_images_is_refused_by_check_too(make_job: Make, tmp_path: Path):
    with pytest.raises(DataError, match="`val` has no images"):
        checked(make_job("[split]\nval = 0.0\n", tiny=make_set(tmp_path / "set", a=9, b=9)))


@pytest.mark.parametrize(
    ("decay", "epochs", "said"),
    [
        (0.9999, 8, "24 steps: the average, which is what is measured and kept, still holds 99.8% of"),  # 0.9999 ** 24
        (0.98, 8, "61.6%"),  # 0.98 ** 24
        (0.97, 8, None),  # 0.97 ** 24 = 0.48
        (0.9999, 2, "set train.ema_decay to 0, which is none"),
    ],
)
def test_an_average_that_never_arrives(make_job: Make, decay: float, epochs: int, said: str | None):
    found = checked(make_job(overrides=(f"train.ema_decay={decay}", f"stages.0.epochs={epochs}")))
    assert (said in found[0]) if said else not found


def test_the_decay_that_is_advised_arrives(make_job: Make):
    (said,) = checked(make_job(overrides=("train.ema_decay=0.9999", "stages.0.epochs=8")))
    advised = said.partition("set train.ema_decay to ")[2].partition(",")[0]
    assert float(advised) ** 24 < 0.01
    assert checked(make_job(overrides=(f"train.ema_decay={advised}", "stages.0.epochs=8"), out="again")) == ()


@pytest.mark.parametrize(("warmup", "warned"), [(3, True), (20, True), (1, False), (0, False)])
def test_a_warm_up_as_long_as_the_stage(make_job: Make, warmup: int, warned: bool):
    schedule = f'stages.0.schedule={{use="cosine", warmup_epochs={warmup}}}'
    found = checked(make_job(overrides=("stages.0.epochs=3", schedule)))
    assert bool(found) is warned
    assert all("the learning rate rises to the last of its 9 steps" in said for said in found)


@pytest.mark.parametrize(("epochs", "warned"), [(5, True), (6, False)])
def test_a_patience_that_no_stage_is_long_enough_for(make_job: Make, epochs: int, warned: bool):
    more = '[[callbacks]]\nuse = "early_stopping"\npatience = 5\n'
    found = checked(make_job(more, overrides=(f"stages.0.epochs={epochs}",)))
    assert bool(found) is warned


def test_a_rehearsal_says_nothing_of_the_numbers_it_does_not_have(make_job: Make):
    assert checked(make_job(overrides=("train.ema_decay=0.9999",), rehearse=True)) == ()
