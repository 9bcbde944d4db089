"""What a stopped run may go on with: its own recipe and data; another environment is only reported."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable

import attrs
import numpy as np
import pytest
from support.sources import CPU, Held, noise

from cellcls.api import changed
from cellcls.engine.data import Data
from cellcls.engine.job import Job
from cellcls.engine.resuming import fingerprint, refuse_changes
from cellcls.errors import DataError, RecipeError
from cellcls.recipe import Recipe
from cellcls.runs.environment import environment
from cellcls.runs.records import write

PARTS = {"train": np.array([0, 1, 2]), "val": np.array([3]), "test": np.array([4, 5])}
DATA = Data(source=Held(noise(6), [0, 1, 0, 1, 0, 1]), hash="f00", parts=PARTS, decisions=(), hashes=tuple("abcdef"))


@pytest.fixture
def job(make_job: Callable[..., Job]) -> Job:
    """A run that was stopped: its records are those of ``DATA`` and of this machine."""
    made = make_job('[[stages]]\nepochs = 3\n[[stages]]\nname = "late"\n[[augment]]\nuse = "flip"\n')
    write(made.folder.data, DATA.record("held"))
    write(made.folder.environment, CPU.record_in(environment(made.registry)))
    return made


def go_on(job: Job, *, recipe: Recipe | None = None, data: Data = DATA) -> None:
    refuse_changes(job.folder, fingerprint(job.recipe), recipe or job.recipe, data, CPU, job.registry)


def test_the_same_run_goes_on_without_a_word(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    before = {path: path.read_bytes() for path in job.folder.path.iterdir()}
    with caplog.at_level(logging.WARNING):
        go_on(job)
    assert not caplog.records
    assert {path: path.read_bytes() for path in job.folder.path.iterdir()} == before


def test_each_change_of_the_recipe_is_named(job: Job) -> None:
    late = changed(job.recipe.stages[1], name="later")
    other = changed(job.recipe, seed=8, stages=(job.recipe.stages[0], late))
    with pytest.raises(RecipeError, match=re.escape("seed: 7 -> 8, stages.1.name: late -> later")):
        go_on(job, recipe=other)


def test_a_stage_more_or_an_augmentation_less_is_a_change(job: Job) -> None:
    with pytest.raises(RecipeError, match=r"stages\.2\.\S+: nothing -> "):
        go_on(job, recipe=changed(job.recipe, stages=(*job.recipe.stages, job.recipe.stages[0])))
    with pytest.raises(RecipeError, match=r"augment\S*: .* -> nothing"):
        go_on(job, recipe=changed(job.recipe, augment=()))


def test_many_changes_are_counted_not_listed(job: Job) -> None:
    stages = tuple(changed(stage, epochs=99, name=f"s{number}") for number, stage in enumerate(job.recipe.stages))
    train = changed(job.recipe.train, batch_size=3, accumulate=2)
    with pytest.raises(RecipeError, match=r", and 3 more\n") as told:  # of seven
        go_on(job, recipe=changed(job.recipe, seed=8, stages=stages, train=train))
    assert told.value.message.count("->") == 4


def test_the_fingerprint_leaves_out_where_files_lie(make_job: Callable[..., Job]) -> None:
    seen = fingerprint(make_job('[init]\nfrom = "runs/a"\n', overrides=("name=x",)).recipe)
    assert not {"init.from", "dataset.file"} & seen.keys()
    assert (seen["seed"], seen["dataset.images_per_class"], seen["name"]) == (7, 10, "x")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"source": Held(noise(6), DATA.source.labels, ("a", "c"))}, "classes a, b -> a, c"),
        ({"source": Held(noise(1200), np.arange(1200) % 2)}, "6 -> 1,200 images"),
        ({"hash": "beef"}, "images or labels have changed"),
        (
            {"parts": {**PARTS, "val": PARTS["test"], "test": PARTS["val"]}},
            r"images are in other parts \(train, val, test\)",
        ),
    ],
)
def test_other_data_are_refused_by_what_differs(job: Job, other: dict[str, object], said: str) -> None:
    with pytest.raises(DataError, match=f"not the data that this run was started with: {said}\n"):
        go_on(job, data=attrs.evolve(DATA, **other))


def test_another_environment_is_reported(job: Job, caplog: pytest.LogCaptureFixture) -> None:
    found = json.loads(job.folder.environment.read_text())
    found["threads"], found["versions"]["torch"], found["commit"] = 7, "1.0", "an older one"
    job.folder.environment.write_text(json.dumps(found))
    with caplog.at_level(logging.WARNING):
        go_on(job)
    (said,) = caplog.messages
    assert "threads: 7 -> 1" in said
    assert "versions.torch: 1.0 -> " in said
    assert "commit" not in said, "another commit of the same version is no other environment"


def test_an_environment_that_cannot_be_read_stops_nobody(job: Job) -> None:
    job.folder.environment.write_text("{")
    go_on(job)
    job.folder.environment.unlink()
    go_on(job)
