"""The explanations that a recipe asks for, written where the report looks for them."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from cellcls.engine.device import machine
from cellcls.engine.explain import explain_run
from cellcls.engine.job import Job
from cellcls.engine.session import Session, open_session

MAPS = '[[explain]]\nuse = "grad_cam"\nimages = 8\n'


@pytest.fixture
def opened(make_job: Callable[..., Job]) -> Callable[..., Session]:
    def make(more: str, *overrides: str) -> Session:
        job = make_job(more, overrides=overrides)
        return open_session(job, machine(job.options, "float32"))

    return make


def test_heat_maps_are_of_test_images_of_every_class(opened: Callable[..., Session]) -> None:
    session = opened(MAPS)
    metrics = explain_run(session, session.network.eval())
    with np.load(session.job.folder.array("explain", "grad_cam")) as made:
        assert made["maps"].shape == (8, 32, 32)
        assert sorted(made["label"]) == list(range(8))
        assert set(made["index"]) <= set(session.data.parts["test"])
        assert np.array_equal(made["images"], session.data.source.read(made["index"]))
    assert 0 <= metrics["grad_cam"]["heat_inside"] <= 1


def test_without_test_images_those_of_val_are_explained(opened: Callable[..., Session]) -> None:
    session = opened(MAPS, "split.test=0")
    explain_run(session, session.network.eval())
    with np.load(session.job.folder.array("explain", "grad_cam")) as made:
        assert set(made["index"]) <= set(session.data.parts["val"])


def test_names_keep_two_apart(opened: Callable[..., Session]) -> None:
    session = opened(f'{MAPS}name = "few"\n{MAPS}name = "other"\n')
    assert list(explain_run(session, session.network.eval())) == ["few", "other"]


def test_a_stage_compared_with_itself_is_the_same_at_every_depth(opened: Callable[..., Session]) -> None:
    stages = '[[stages]]\nname = "a"\n[[stages]]\nname = "b"\n'
    session = opened(f'{stages}{MAPS}compare = ["a", "b"]\n')
    for number, name in enumerate("ab"):
        session.write_weights(session.job.folder.stage(number, name), session.network)
    explain_run(session, session.network.eval())
    path = session.job.folder.array("explain", "grad_cam")
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["names"] == ["a", "b"]
    assert [depth["layer"] for depth in record["depths"]] == ["blocks.0.relu", "blocks.1.relu"]
    assert [depth["similarity"] for depth in record["depths"]] == pytest.approx([1, 1], abs=1e-3)
    assert record["advised"] is None
    with np.load(path) as made:
        assert np.array_equal(made["maps"][:, 0], made["maps"][:, 1])
