from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import accuracy_score, f1_score
from support.equality import assert_equal_runs
from support.recipes import tiny

from cellcls.api import events
from cellcls.engine.network import load_network
from cellcls.errors import DataError, MissingInputError, StoppedError
from cellcls.ops.statistics.table import METRICS, Metric
from cellcls.ops.storage.tensor_files import open_tensors, save_tensors

TWO_STAGES = """
[[augment]]
use = "flip"
[[augment]]
use = "rotate"
[head]
use = "linear"
dropout = 0.3
[[stages]]
name = "warm"
epochs = 2
[[stages]]
name = "cool"
epochs = 1
freeze = "backbone"
optimizer = { use = "lion", lr = 1e-4 }
[[explain]]
use = "grad_cam"
images = 4
[claim]
place = "here"
test.accuracy = { above = 0.0 }
val.macro_f1 = { above = 2.0 }
"""


def test_events_come_in_their_order_and_number(make_job, execute):
    seen = execute(make_job(TWO_STAGES))
    steps = 3  # 48 images in batches of 16
    assert Counter(type(event).__name__ for event in seen) == {
        "RunStarted": 1,
        "StageStarted": 2,
        "EpochStarted": 3,
        "StepEnded": 3 * steps,
        "ValidationEnded": 3,
        "EpochEnded": 3,
        "StageEnded": 2,
        "RunEnded": 1,
    }
    names = [type(event).__name__ for event in seen if not isinstance(event, events.StepEnded)]
    epoch = ["EpochStarted", "ValidationEnded", "EpochEnded"]
    assert names == [
        "RunStarted",
        *("StageStarted", *epoch, *epoch, "StageEnded"),
        *("StageStarted", *epoch, "StageEnded"),
        "RunEnded",
    ]


def test_a_run_folder_holds_what_is_promised(make_job, execute):
    job = make_job(TWO_STAGES)
    execute(job)
    run = job.folder.path
    there = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert there == {
        *("recipe.toml", "options.json", "environment.json", "data.json", "history.jsonl", "metrics.json"),
        *("best.safetensors", "last.safetensors", "train_batch.npz", "augmented.npz", "explain/grad_cam.npz"),
        *(f"stages/{name}.{kind}" for name in ("1-warm", "2-cool") for kind in ("safetensors", "json")),
        *(f"{what}/{part}.npz" for what in ("predictions", "examples") for part in ("val", "test")),
    }
    environment = json.loads((run / "environment.json").read_text())
    assert {"python", "versions", "device", "threads", "processes", "precision"} <= environment.keys()
    data = json.loads((run / "data.json").read_text())
    parts = [index for part in data["parts"].values() for index in part]
    assert sorted(parts) == list(range(80))
    claims = json.loads((run / "metrics.json").read_text())["claims"]
    assert [claim["held"] for claim in claims] == [True, False]


def test_figures_are_those_of_the_predictions(make_job, execute):
    job = make_job(TWO_STAGES)
    execute(job)
    metrics = json.loads(job.folder.metrics.read_text())["evaluations"]["test"]
    predictions = np.load(job.folder.array("predictions", "test"))
    predicted = predictions["probabilities"].argmax(1)
    assert metrics["n"] == len(predictions["label"]) == 16
    assert metrics["accuracy"] == pytest.approx(accuracy_score(predictions["label"], predicted))
    macro = f1_score(predictions["label"], predicted, average="macro", labels=range(8), zero_division=0)
    assert metrics["macro_f1"] == pytest.approx(macro)
    low, high = metrics["accuracy_ci"]
    assert low <= metrics["accuracy"] <= high


def test_the_same_recipe_gives_the_same_run_and_another_seed_another(make_job, execute):
    jobs = [make_job(TWO_STAGES, out="a"), make_job(TWO_STAGES, out="b")]
    for job in jobs:
        execute(job)
    assert_equal_runs(jobs[0].folder.path, jobs[1].folder.path)
    other = make_job(TWO_STAGES, out="c", overrides=("seed=8",))
    execute(other)
    assert other.folder.best.read_bytes() != jobs[0].folder.best.read_bytes()


def test_frozen_layers_and_their_batch_statistics_do_not_move(make_job, execute):
    more = """
[backbone]
use = "timm"
model = "tf_mobilenetv3_small_minimal_100"
[[stages]]
name = "all"
epochs = 1
[[stages]]
name = "deep"
epochs = 1
freeze = { fraction = 0.3 }
[[stages]]
name = "head"
epochs = 1
freeze = "backbone"
"""
    job = make_job(more, tiny=tiny(backbone=None))
    execute(job)
    stages = [load_file(path) for path in sorted((job.folder.path / "stages").glob("*.safetensors"))]
    frozen = json.loads((job.folder.path / "stages" / "2-deep.json").read_text())["frozen"]
    assert len(frozen) > 10
    for name in stages[0]:
        if not name.startswith("backbone.") or name.endswith("num_batches_tracked"):
            continue
        module = name.removeprefix("backbone.").rpartition(".")[0]
        same = torch.equal(stages[0][name], stages[1][name])
        assert same == (module in frozen), name
        assert torch.equal(stages[1][name], stages[2][name]), name


def test_bn_frozen_keeps_statistics_and_trains_weights(make_job, execute):
    more = """
[backbone]
use = "timm"
model = "tf_mobilenetv3_small_minimal_100"
[[stages]]
epochs = 1
bn = "frozen"
"""
    job = make_job(more, tiny=tiny(backbone=None))
    execute(job)
    weights = load_file(job.folder.last)
    means = [name for name in weights if name.endswith("running_mean")]
    assert means
    assert all(not weights[name].any() for name in means)  # as they start: 0


def test_accumulation_gives_the_gradient_of_the_whole_batch(make_job, execute):
    stages = '[[stages]]\nepochs = 1\noptimizer = { use = "sgd", lr = 0.05 }\n'
    whole, parts = make_job(stages, out="whole"), make_job(stages, out="parts", overrides=("train.accumulate=4",))
    for job in (whole, parts):
        execute(job)
    one, other = load_file(whole.folder.last), load_file(parts.folder.last)
    for name, tensor in one.items():
        torch.testing.assert_close(other[name], tensor, rtol=1e-5, atol=1e-6)


def test_the_average_is_what_is_evaluated_and_kept_as_best(make_job, execute):
    job = make_job("[[stages]]\nepochs = 1\n", overrides=("train.ema_decay=0.9",))
    execute(job)
    best, last = load_file(job.folder.best), load_file(job.folder.last)
    assert any(not torch.equal(best[name], last[name]) for name in best)


def test_epochs_that_tie_are_ranked_by_their_loss(make_job, execute, monkeypatch):
    tied = Metric(title="Tied", of_predictions=lambda _: 1.0)
    monkeypatch.setitem(METRICS, "tied", tied)
    job = make_job("[[stages]]\nepochs = 4", overrides=('train.select="val.tied"',))
    history = [event for event in execute(job) if isinstance(event, events.EpochEnded)]
    losses = [event.metrics["val.loss"] for event in history]
    assert np.argmin(losses) > 0, "the first epoch must not be the one to keep"
    assert [event.best for event in history] == [loss == min(losses[: n + 1]) for n, loss in enumerate(losses)]


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_weights(make_job, execute):
    more = """
[[stages]]
epochs = 1
[[stages]]
epochs = 2
optimizer = { use = "sgd", lr = 1e38, weight_decay = 100.0 }
"""
    job = make_job(more, save_every=0.0, save_share=1.0)  # also right after the step that spoils the weights
    with pytest.raises(StoppedError, match="the loss became") as stopped:
        execute(job)
    assert "stages.1.optimizer.lr=1e+37" in str(stopped.value)
    for path in (job.folder.best, job.folder.last, job.folder.state / "state.safetensors"):
        assert all(tensor.isfinite().all() for tensor in load_file(path).values())


def test_early_stopping_ends_a_stage_and_says_so(make_job, execute):
    more = """
[[stages]]
epochs = 50
optimizer = { use = "sgd", lr = 1e-9 }
[[callbacks]]
use = "early_stopping"
watch = "val.accuracy"
patience = 2
"""
    job = make_job(more)
    seen = execute(job)
    (ended,) = [event for event in seen if isinstance(event, events.StageEnded)]
    assert ended.reason
    assert "val.accuracy" in ended.reason
    assert len(job.folder.history.read_text().splitlines()) == 3
    assert json.loads(job.folder.metrics.read_text())["stages_ended_early"] == {"1": ended.reason}


def test_a_rehearsal_takes_one_step_a_stage_and_is_marked(make_job, execute):
    job = make_job('[[stages]]\nepochs = 9\n[[stages]]\nepochs = 9\nfreeze = "backbone"\n', rehearse=True)
    seen = execute(job)
    assert sum(isinstance(event, events.StepEnded) for event in seen) == 2
    assert json.loads(job.folder.metrics.read_text())["rehearsal"] is True
    assert load_network(job.folder.path, job.registry).rehearsal


def test_best_weights_alone_are_enough_to_evaluate(make_job, execute, tmp_path: Path):
    job = make_job("[[stages]]\nepochs = 1\n")
    execute(job)
    alone = tmp_path / "elsewhere.safetensors"
    alone.write_bytes(job.folder.best.read_bytes())
    trained = load_network(alone, job.registry)
    assert trained.config.classes[0] == "basophil"
    with torch.no_grad():
        assert trained.network(torch.rand(2, 3, 32, 32)).shape == (2, 8)


def test_weights_of_another_network_are_refused(make_job, execute, tmp_path: Path):
    job = make_job("[[stages]]\nepochs = 1\n")
    execute(job)
    best = open_tensors(job.folder.best)
    tensors = {name: tensor[:5] if name.startswith("head") else tensor for name, tensor in best.read().items()}
    save_tensors(tmp_path / "five.safetensors", tensors, best.about)
    with pytest.raises(DataError, match="head"):
        load_network(tmp_path / "five.safetensors", job.registry)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains(make_job, execute, precision: str):
    job = make_job("[[stages]]\nepochs = 1\n", overrides=(f"train.precision={precision}",))
    execute(job)
    assert json.loads(job.folder.environment.read_text())["precision"] == precision
    assert all(tensor.dtype == torch.float32 for tensor in load_file(job.folder.last).values())


@pytest.mark.parametrize(
    ("freeze", "offered"), [('"none"', True), ('"backbone"', False), ("{ keras_layers = 9 }", False)]
)
def test_missing_weights_are_told_with_the_ways_out(make_job, execute, freeze: str, offered: bool, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", "/nowhere")
    stage = f"""
[backbone]
use = "timm"
model = "tf_mobilenetv3_small_100.in1k"
pretrained = true
[[stages]]
epochs = 1
freeze = {freeze}
"""
    job = make_job(stage, tiny=tiny(backbone=None))
    job = attrs.evolve(job, options=attrs.evolve(job.options, offline=True))
    with pytest.raises(MissingInputError) as told:
        execute(job)
    assert ("backbone.pretrained=false" in str(told.value)) == offered
    assert ("--set stages.0.freeze.fraction=0.37" in str(told.value)) == ("keras_layers" in freeze)
    assert "--weights DIR" in str(told.value)
    assert "--rehearse" in str(told.value)
