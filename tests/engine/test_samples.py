"""Copies of training images: offline, anew each epoch, and up to the average class count."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cellcls.engine.augmented import augmented_samples
from cellcls.engine.device import machine
from cellcls.engine.evaluate import to_uint8
from cellcls.engine.samples import gains, samples
from cellcls.engine.session import open_session
from cellcls.engine.step import augmented
from cellcls.recipe import Expand

REAL = np.array([852, 2181, 1085, 2026, 849, 993, 2330, 1643])


def test_the_gains_of_the_real_counts():
    assert REAL.sum() / 8 == pytest.approx(1494.875)
    assert gains(REAL).tolist() == [642, 0, 409, 0, 645, 501, 0, 0]


def test_classes_below_the_average_are_brought_up_to_it():
    labels = np.repeat(np.arange(8), REAL)
    made = samples(np.arange(len(labels)), labels, Expand(below_average=True), seed=1)
    counts = np.bincount(labels[made.index])
    assert counts.tolist() == [1494, 2181, 1494, 2026, 1494, 1494, 2330, 1643]
    assert len(set(zip(made.index.tolist(), made.copy.tolist(), strict=True))) == len(made)


def test_a_class_that_needs_more_copies_than_it_has_images_takes_turns():
    labels = np.array([0] * 30 + [1] * 2)
    made = samples(np.arange(32), labels, Expand(below_average=True), seed=1)
    extra = made.index[made.copy > 0]
    assert len(extra) == 14
    assert sorted(np.bincount(extra)[30:].tolist()) == [7, 7]


def _session(make_job, expand: str, out: str):
    more = f'[expand]\n{expand}\n[[augment]]\nuse = "rotate"\n[[augment]]\nuse = "hue"\n'
    job = make_job(more, out=out)
    return open_session(job, machine(job.options, "float32"))


def test_originals_pass_unchanged_and_copies_are_drawn_once_or_anew(make_job):
    offline = _session(make_job, "copies = 1", "offline")
    anew = _session(make_job, "copies = 1\nfixed = false", "anew")
    count = len(offline.data.parts["train"])
    assert len(offline.samples) == len(anew.samples) == 2 * count
    rows = np.array([0, 1, count, count + 1])
    originals = offline.images.take(offline.samples.index[rows[:2]])
    for session, same in ((offline, True), (anew, False)):
        first, later = augmented(session, rows, 0)[0], augmented(session, rows, 5)[0]
        assert torch.equal(first[:2], originals)
        assert torch.equal(later[:2], originals)
        assert not torch.equal(first[2:], originals)
        assert torch.equal(first[2:], later[2:]) == same


@pytest.mark.parametrize(
    ("expand", "originals", "copies"),
    [("", 48, 0), ("copies = 2", 48, 96), ("copies = 1\nfixed = false", 48, 48), ("below_average = true", 48, 0)],
)
def test_every_epoch_tells_what_was_drawn_of_each_class(make_job, execute, expand: str, originals: int, copies: int):
    job = make_job(f'[expand]\n{expand}\n[[augment]]\nuse = "flip"\n[[stages]]\nepochs = 2\n')
    execute(job)
    lines = [json.loads(line) for line in job.folder.history.read_text().splitlines()]
    assert len(lines) == 2
    for line in lines:
        assert (sum(line["drawn"].values()), sum(line["copies"].values())) == (originals + copies, copies)
        assert set(line["drawn"].values()) == {(originals + copies) // 8}


def test_what_is_left_out_or_not_reached_is_not_counted(make_job, execute):
    alone = make_job("[[stages]]\nepochs = 1\n", out="alone", overrides=("train.batch_size=47",))
    rehearsed = make_job("[[stages]]\nepochs = 1\n", out="rehearsed", rehearse=True)
    for job, drawn in ((alone, 47), (rehearsed, 16)):
        execute(job)
        [line] = [json.loads(line) for line in job.folder.history.read_text().splitlines()]
        assert sum(line["drawn"].values()) == drawn


def _shown(make_job, expand: str, out: str, augment: str = "hue"):
    """Of the first class: what is shown of it, and which pictures are the image that stands before them."""
    job = make_job(f'[expand]\n{expand}\n[[augment]]\nuse = "{augment}"\n', out=out)
    found = augmented_samples(open_session(job, machine(job.options, "float32")))
    assert found["label"].tolist() == sorted(found["label"].tolist())
    first = found["label"] == 0
    return found["images"][first], list(zip(found["copy"][first].tolist(), found["epoch"][first].tolist(), strict=True))


@pytest.mark.parametrize(
    ("expand", "shown"),
    [
        ("", [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]),
        ("copies = 1", [(0, 0), (1, 0)] * 3),
        ("copies = 2", [(0, 0), (1, 0), (2, 0)] * 2),
        ("copies = 1\nfixed = false", [(0, 0), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5)]),
        ("below_average = true", [(0, 0)] * 6),
    ],
)
def test_each_class_is_shown_as_it_is_and_as_it_is_drawn(make_job, expand: str, shown: list[tuple[int, int]]):
    images, found = _shown(make_job, expand, "run")
    assert found == shown
    if "below" not in expand:
        assert len(np.unique(images.reshape(6, -1), axis=0)) == 6


def test_the_pictures_are_those_that_training_sees(make_job):
    session = _session(make_job, "copies = 1", "offline")
    found = augmented_samples(session)
    count = len(session.data.parts["train"])
    row = np.flatnonzero(session.data.source.labels[session.samples.index] == 3)[0]
    images = to_uint8(augmented(session, np.array([row, row + count]), 4)[0])
    assert np.array_equal(found["images"][found["label"] == 3][:2], images)


def test_a_run_without_augmentation_has_nothing_to_show(make_job, execute):
    for augment, there in (("", False), ('[[augment]]\nuse = "flip"\n', True)):
        job = make_job(augment + "[[stages]]\nepochs = 1\n", out=f"run-{there}")
        execute(job)
        assert job.folder.augmented.exists() == there


def test_an_expanded_run_counts_its_samples(make_job, execute):
    job = make_job('[expand]\ncopies = 2\n[[augment]]\nuse = "flip"\n[[stages]]\nepochs = 1\n')
    execute(job)
    counts = json.loads(job.folder.data.read_text())["counts"]
    assert sum(counts["samples"].values()) == 3 * sum(counts["train"].values())
