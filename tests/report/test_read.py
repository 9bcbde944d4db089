import json

import numpy as np
import pytest

from cellcls.errors import DataError, MissingInputError
from cellcls.report.read import read_run


def test_a_finished_run_is_read_whole(run):
    record = read_run(run)
    assert record.name == "final"
    assert record.metrics.evaluations["test"].per_class["platelet"].support == 235
    assert [epoch.stage_name for epoch in record.history].count("finetune") == 9
    assert record.history[0].metrics["val.accuracy"] == pytest.approx(0.535)
    assert len(record.data.decisions) == 1600
    assert record.explained["grad_cam"].layer == "blocks.6"
    assert record.classes[3] == "immature_granulocyte"


def test_a_run_that_only_began_is_read(tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "young"')
    record = read_run(tmp_path)
    assert (record.name, record.metrics.complete, record.history, record.headline()) == ("young", False, (), None)


def test_a_line_still_being_written_is_left_out(run):
    with (run / "history.jsonl").open("a") as file:
        file.write('{"stage": 1, "stage_na')
    assert len(read_run(run).history) == 14


def test_the_headline_is_the_test_part(change):
    evaluations = read_run(change()).metrics.evaluations
    assert read_run(change()).headline() == ("test", evaluations["test"])
    text = json.loads((change() / "metrics.json").read_text())["evaluations"]
    assert read_run(change(evaluations={"val": text["val"], "plain": text["test"]})).headline()[0] == "plain"
    assert read_run(change(evaluations={"val": text["val"], "remote": text["remote"]})).headline()[0] == "val"


def test_a_folder_that_is_no_run_is_missing_input(tmp_path):
    with pytest.raises(MissingInputError, match="no such run folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(MissingInputError, match=r"no recipe\.toml"):
        read_run(tmp_path)


def test_a_folder_of_runs_names_them(run):
    with pytest.raises(MissingInputError, match="final-1"):
        read_run(run.parent)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("metrics.json", "{", "not JSON"),
        ("metrics.json", "[1]", "not a JSON object"),
        ("metrics.json", '{"complete": "false"}', "'false' is not of type bool"),
        ("metrics.json", '{"parameters": 1.5}', "1.5 is not of type int"),
        ("metrics.json", '{"evaluations": {"test": {"part": "test"}}}', r"evaluations.*test"),
        ("data.json", '{"classes": [1]}', "classes"),
        ("environment.json", "nonsense", "not JSON"),
        ("history.jsonl", '{"stage": 0}\nbroken\n', "history.jsonl:1"),
        ("recipe.toml", "name = ", "not TOML"),
        ("train_batch.npz", "PK", "cannot be read as an npz file"),
        ("explain/depth.json", "{}", "names"),
        ("explain/depth.npz", "PK", "cannot be read as an npz file"),
    ],
)
def test_a_damaged_file_is_named(run, name, text, says):
    (run / name).write_text(text)
    if name == "recipe.toml":
        (run / "metrics.json").unlink()
    with pytest.raises(DataError, match=says) as caught:
        read_run(run)
    assert name in caught.value.message
    assert caught.value.hints


def test_a_confusion_matrix_of_the_wrong_shape_is_refused(change):
    broken = {"part": "test", "n": 1, "classes": ["a", "b"], "accuracy": 1.0, "confusion": [[1]]}
    with pytest.raises(DataError, match="not 2 x 2"):
        read_run(change(evaluations={"test": broken}))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"label": np.zeros(2, int)}, "`images` must be"),
        ({"images": np.zeros((2, 4, 4, 3)), "label": np.zeros(2, int)}, "`images` must be"),
        ({"images": np.zeros((2, 4, 4, 3), np.uint8)}, "no `label`"),
        ({"images": np.zeros((2, 4, 4, 3), np.uint8), "label": np.zeros(3, int)}, r"`label` must be \(2,\)"),
        ({"images": np.zeros((1, 4, 4, 3), np.uint8), "label": np.array([{}])}, "never unpickled"),
    ],
)
def test_pictures_of_the_wrong_kind_are_refused(run, arrays, says):
    np.savez(run / "train_batch.npz", **arrays)
    with pytest.raises(DataError, match=says):
        read_run(run)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"layers": None}, "no `layers`"),
        ({"layers": np.array(["blocks.0.0"])}, r"`maps` must be \(1, 2, 8, 96, 96\)"),
        ({"layers": np.array(["x"] * 5)}, "were not compared: x"),
        ({"predicted": np.zeros(8, int)}, r"`predicted` must be \(2, 8\)"),
    ],
)
def test_maps_of_two_networks_of_the_wrong_kind_are_refused(run, changed, says):
    path = run / "explain" / "depth.npz"
    arrays = {**np.load(path), **changed}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(DataError, match=says):
        read_run(run)
