"""Copies of training images: offline, anew each epoch, and up to the average class count."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from cellcls.engine.device import machine
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


def test_an_expanded_run_counts_its_samples(make_job, execute):
    job = make_job('[expand]\ncopies = 2\n[[augment]]\nuse = "flip"\n[[stages]]\nepochs = 1\n')
    execute(job)
    counts = json.loads(job.folder.data.read_text())["counts"]
    assert sum(counts["samples"].values()) == 3 * sum(counts["train"].values())
