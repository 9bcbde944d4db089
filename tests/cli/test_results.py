"""``evaluate``, ``predict`` and ``explain`` on one trained run."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score
from support.recipes import ONE_EPOCH, tiny

from cellcls.ops.classes import CLASSES
from cellcls.ops.rendering.cells import render
from cellcls.registry import load_registry
from cellcls.runs.options import Options

TRUE = {"ig": "immature_granulocyte", "Basophils": "basophil", "thrombocyte": "platelet"}


def predicted(cli, run: Path, path: Path) -> list[str]:
    return [row["predicted"] for row in cli("predict", run, path, "--json").json()]


def test_the_answer_has_what_is_promised(cli, shared_run: Path, challenge: Path, labelled):
    answer = cli("evaluate", shared_run, "--data", challenge, "--json").json()
    given = [CLASSES[label] for label in labelled[1]]
    said = predicted(cli, shared_run, challenge)
    present = sorted(set(given))
    assert answer["n"] == 40
    assert answer["accuracy"] == pytest.approx(accuracy_score(given, said))
    assert answer["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(given, said))
    assert answer["macro_f1"] == pytest.approx(f1_score(given, said, labels=present, average="macro", zero_division=0))
    assert answer["confusion"] == confusion_matrix(given, said, labels=list(CLASSES)).tolist()
    assert answer["classes"] == list(CLASSES)
    assert set(answer["per_class"]) == set(CLASSES)
    for figure in ("accuracy", "balanced_accuracy", "macro_f1"):
        low, high = answer[f"{figure}_ci"]
        assert 0 <= low <= answer[figure] <= high <= 1
        assert high - low > 0.05
    assert answer["seen_in_training"] == 0
    assert answer["rehearsal"] is False


def test_classes_are_matched_by_name(cli, shared_run: Path, pictures: Path):
    answer = cli("evaluate", shared_run, "--data", pictures, "--json").json()
    rows = cli("predict", shared_run, pictures, "--json").json()
    given = [TRUE[Path(row["image"]).parent.name] for row in rows]
    said = [row["predicted"] for row in rows]
    present = sorted(set(given))
    assert answer["n"] == 12
    assert {name for name, score in answer["per_class"].items() if score["support"]} == set(present)
    shown = cli("evaluate", shared_run, "--data", pictures).out
    assert "platelet" in shown
    assert "monocyte" not in shown
    assert answer["confusion"] == confusion_matrix(given, said, labels=list(CLASSES)).tolist()
    assert answer["accuracy"] == pytest.approx(accuracy_score(given, said))
    assert answer["macro_f1"] == pytest.approx(f1_score(given, said, labels=present, average="macro", zero_division=0))
    recall = [answer["per_class"][name]["recall"] for name in present]
    assert answer["balanced_accuracy"] == pytest.approx(np.mean(recall))


def test_labels_named_in_another_order_mean_the_same(cli, place: Path, shared_run: Path, challenge: Path, labelled):
    images, labels = labelled
    names = CLASSES[::-1]
    np.savez(place / "named.npz", images=images, labels=7 - labels, class_names=np.array(names))
    one, other = (cli("evaluate", shared_run, "--data", path, "--json").json() for path in (challenge, "named.npz"))
    assert one["confusion"] == other["confusion"]


def test_a_class_the_network_does_not_know(cli, shared_run: Path, pictures: Path):
    (pictures / "ig").rename(pictures / "blast")
    said = cli("evaluate", shared_run, "--data", pictures)
    assert said.code == 65
    assert "blast" in said.err
    assert "immature_granulocyte" in said.err


@pytest.mark.parametrize(("part", "n"), [(None, 8), ("train", 24), ("val", 8), ("test", 8), ("all", 40)])
def test_a_set_with_parts_is_measured_on_its_test_part(cli, shared_run: Path, medmnist: Path, part, n: int):
    answer = cli("evaluate", shared_run, "--data", medmnist, "--json", *(["--part", part] if part else [])).json()
    assert answer["n"] == n
    assert answer["part"] == (part or "test")


def test_a_part_without_images(cli, place: Path, shared_run: Path, pictures: Path):
    (place / "parts").mkdir()
    shutil.copytree(pictures, place / "parts" / "train")
    shutil.copytree(pictures, place / "parts" / "val")
    said = cli("evaluate", shared_run, "--data", "parts")
    assert said.code == 65
    assert "train 12, val 12, test 0" in said.err
    assert cli("evaluate", shared_run, "--data", "parts", "--part", "val", "--json").json()["n"] == 12
    assert cli("explain", shared_run, "--data", "parts").code == 65


@pytest.fixture
def trained_on(place: Path, shared_run: Path) -> tuple[Path, int, int]:
    """Cells of the run's own set as an npz, how many they are and how many of them it was trained on."""
    data = json.loads((shared_run / "data.json").read_text())
    rng = np.random.default_rng(0)  # as the synthetic set shuffles
    order = rng.permutation(80)
    kinds, numbers = np.repeat(np.arange(8), 10), np.tile(np.arange(10), 8)
    cells = [(int(kinds[at]), int(numbers[at])) for at in order]
    chosen = [*data["parts"]["train"][:10], *data["parts"]["test"]]
    images = np.stack([render(cells[at][0], cells[at][1], size=32).image for at in chosen])
    np.savez(place / "own.npz", images=images, labels=np.array([cells[at][0] for at in chosen]))
    return place / "own.npz", len(chosen), 10


def test_images_seen_in_training_are_counted_and_left_out_on_request(cli, shared_run: Path, trained_on):
    path, n, seen = trained_on
    said = cli("evaluate", shared_run, "--data", path, "--json")
    assert (said.json()["n"], said.json()["seen_in_training"]) == (n, seen)
    assert "warning: 10 of these" in said.err
    unseen = cli("evaluate", shared_run, "--data", path, "--json", "--unseen")
    assert unseen.json()["n"] == n - seen
    assert "warning" not in unseen.err


@pytest.mark.parametrize("size", [32, 40])
def test_pictures_of_another_size_than_the_input_are_known_again(cli, place: Path, size: int):
    """A hash that depended on the network's input would call every training image unseen."""
    for label, name in ((0, "basophil"), (5, "monocyte")):
        (place / "cells" / name).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(render(label, number, size=40).image).save(place / "cells" / name / f"{number}.png")
    recipe = tiny(ONE_EPOCH, input={"size": size}, dataset={"use": "folder", "file": "cells"})
    (place / "own.toml").write_text(recipe)
    trained = cli("run", "own.toml", "--out", "own")
    assert trained.code == 0, trained.err
    assert cli("evaluate", "own", "--data", "cells", "--json").json()["seen_in_training"] == 12
    assert cli("evaluate", "own", "--data", "cells", "--json", "--unseen").json()["n"] == 8


def test_the_test_part_gives_the_figures_of_the_run(cli, shared_run: Path, trained_on):
    measured = json.loads((shared_run / "metrics.json").read_text())["evaluations"]["test"]
    answer = cli("evaluate", shared_run, "--data", trained_on[0], "--json", "--unseen").json()
    assert answer["confusion"] == measured["confusion"]
    assert answer["accuracy"] == measured["accuracy"]


def test_unseen_without_a_record(cli, place: Path, shared_run: Path, challenge: Path):
    (place / "copy").mkdir()
    shutil.copy(shared_run / "best.safetensors", place / "copy")
    said = cli("evaluate", "copy", "--data", challenge, "--unseen")
    assert said.code == 2
    assert "data.json" in said.err


@pytest.mark.parametrize("name", ["best.safetensors", "mine.safetensors"])
def test_the_weights_file_alone_is_enough(cli, place: Path, shared_run: Path, challenge: Path, name: str):
    (place / "copy").mkdir()
    shutil.copy(shared_run / "best.safetensors", place / "copy" / name)
    run = place / "copy" if name == "best.safetensors" else place / "copy" / name
    alone, whole = (cli("evaluate", path, "--data", challenge, "--json").json() for path in (run, shared_run))
    assert alone["seen_in_training"] is None
    same = ("n", "accuracy", "accuracy_ci", "macro_f1", "confusion", "per_class")
    assert {key: alone[key] for key in same} == {key: whole[key] for key in same}
    assert cli("predict", run, challenge).code == 0
    assert cli("explain", run, "--data", challenge, "--images", "2").code == 0


def test_the_answer_goes_to_a_file_too(cli, place: Path, shared_run: Path, challenge: Path):
    said = cli("evaluate", shared_run, "--data", challenge, "--json", "--out", "answer.json")
    kept = json.loads((place / "answer.json").read_text())
    assert kept == said.json()


def test_evaluate_for_a_person(cli, shared_run: Path, challenge: Path):
    out = cli("evaluate", shared_run, "--data", challenge).out
    for word in ("accuracy", "balanced accuracy", "macro F1", "per class", "immature granulocyte", "40"):
        assert word in out


def test_predictions_stand_in_the_order_asked(cli, place: Path, shared_run: Path, challenge: Path, pictures: Path):
    first, last = pictures / "ig" / "3.png", pictures / "Basophils" / "0.png"
    rows = cli("predict", shared_run, first, challenge, last, pictures / "ig", "--json").json()
    inside = [str(pictures / "ig" / f"{number}.png") for number in range(4)]
    assert [row["image"] for row in rows] == [str(first), *(f"{challenge}[{n}]" for n in range(40)), str(last), *inside]
    assert rows[0]["probabilities"] == pytest.approx(rows[-1]["probabilities"], abs=1e-6)


def test_probabilities_are_probabilities(cli, shared_run: Path, pictures: Path):
    for row in cli("predict", shared_run, pictures, "--json").json():
        probabilities = row["probabilities"]
        assert list(probabilities) == list(CLASSES)
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert row["predicted"] == max(probabilities, key=probabilities.get)
        assert row["probability"] == probabilities[row["predicted"]]
        rest = {name: value for name, value in probabilities.items() if name != row["predicted"]}
        assert row["second"] == max(rest, key=rest.get)


def test_a_file_and_an_array_of_the_same_image_agree(cli, place: Path, shared_run: Path, labelled):
    image = labelled[0][3]
    Image.fromarray(image).save(place / "cell.png")
    np.savez(place / "cell.npz", images=image[None])
    one, other = cli("predict", shared_run, "cell.png", "cell.npz", "--json").json()
    assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)


def test_npz_files_of_every_layout_are_predicted(cli, place: Path, shared_run: Path, challenge: Path, medmnist: Path):
    images = np.load(challenge)["images"]
    np.savez(place / "gray.npz", images=images[..., 0])
    np.savez(place / "unlabelled.npz", images=images)
    assert len(cli("predict", shared_run, "gray.npz", "--json").json()) == 40
    with_labels, without, parts = (
        [row["probabilities"] for row in cli("predict", shared_run, path, "--json").json()]
        for path in (challenge, "unlabelled.npz", medmnist)
    )
    assert with_labels == without
    assert np.allclose([list(row.values()) for row in parts], [list(row.values()) for row in without], atol=1e-6)


def test_csv(cli, place: Path, shared_run: Path, pictures: Path):
    rows = cli("predict", shared_run, pictures, "--json").json()
    assert cli("predict", shared_run, pictures, "--csv", "table.csv").out == ""
    printed = cli("predict", shared_run, pictures, "--csv", "-").out
    assert printed == (place / "table.csv").read_text()
    table = list(csv.DictReader(io.StringIO(printed)))
    assert list(table[0]) == ["image", "predicted", "probability", "unknown", *CLASSES]
    assert [(row["image"], row["predicted"]) for row in table] == [(row["image"], row["predicted"]) for row in rows]
    for shown, row in zip(table, rows, strict=True):
        assert float(shown["probability"]) == pytest.approx(row["probability"], abs=1e-6)
        assert float(shown["basophil"]) == pytest.approx(row["probabilities"]["basophil"], abs=1e-6)


def test_csv_and_json_together(cli, place: Path, shared_run: Path, pictures: Path):
    rows = cli("predict", shared_run, pictures, "--csv", "table.csv", "--json").json()
    assert len((place / "table.csv").read_text().splitlines()) == len(rows) + 1


def test_predict_for_a_person(cli, shared_run: Path, pictures: Path):
    out = cli("predict", shared_run, pictures / "ig").out
    assert all(f"{number}.png" in out for number in range(4))


def test_a_rehearsal_is_marked_everywhere(cli, place: Path, challenge: Path):
    made = cli("run", "tiny.toml", "--rehearse", "--out", "out")
    assert made.code == 0
    assert "(rehearsal)" in made.out
    assert "say nothing about real cells" in made.err
    evaluated = cli("evaluate", "out", "--data", challenge, "--json")
    assert evaluated.json()["rehearsal"] is True
    assert "rehearsal" in evaluated.err
    assert "rehearsal" in cli("predict", "out", challenge).err
    assert "rehearsal" in (place / "out" / "report.html").read_text().lower()


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        picture.load()
        return picture.size


def test_a_run_has_its_report(shared_run: Path):
    assert (shared_run / "report.html").stat().st_size > 10_000
    assert _size(shared_run / "figures" / "curves.png") > (100, 100)


def test_explain_draws_a_picture(cli, place: Path, shared_run: Path, challenge: Path):
    own = cli("explain", shared_run, "--images", "4", "--out", place / "own.png", "--json").json()
    given = cli("explain", shared_run, "--data", challenge, "--images", "8", "--out", "given.png", "--json").json()
    assert (own["images"], given["images"]) == (4, 8)
    assert min(_size(place / "own.png")) > 50
    assert _size(place / "given.png") > _size(place / "own.png")
    for answer in (own, given):
        assert 0 <= answer["heat_inside"] <= 1
        assert 0 < answer["cell_area"] < 1


def test_explain_finds_a_new_name_in_the_run(cli, place: Path, shared_run: Path, challenge: Path):
    (place / "copy").mkdir()
    shutil.copy(shared_run / "best.safetensors", place / "copy")
    names = [
        Path(cli("explain", "copy", "--data", challenge, "--images", "1", "--json").json()["picture"]) for _ in range(2)
    ]
    assert names[0] != names[1]
    assert all(_size(place / name) for name in names)


def test_explain_for_a_person(cli, place: Path, shared_run: Path):
    out = cli("explain", shared_run, "--images", "1", "--out", "own.png").out
    assert "heat on the cell" in out
    assert "own.png" in out


def test_explain_where_the_data_have_gone(cli, place: Path, challenge: Path):
    assert cli("run", "tiny.toml", "--data", challenge, "--out", "out").code == 0
    challenge.rename(place / "moved.npz")
    said = cli("explain", "out")
    assert said.code == 66
    assert "cells.npz" in said.err
    assert cli("explain", "out", "--data", "moved.npz").code == 0


def test_a_suite_of_corruptions_is_measured_on_the_images_given(cli, shared_run: Path, challenge: Path):
    plain = cli("evaluate", shared_run, "--data", challenge, "--json").json()
    first, again = (
        cli("evaluate", shared_run, "--data", challenge, "--corrupt", "medmnist_c", "--json").json() for _ in range(2)
    )
    assert first["accuracy"] == again["accuracy"]  # seeded
    assert first["n"] == plain["n"] == 40  # each image counts once
    assert len(first["balanced_error"]) == 11
    assert set(first["relative_balanced_error"]) == {*first["balanced_error"], "mean"}
    assert all(len(errors) == 5 and all(0 <= one <= 1 for one in errors) for errors in first["balanced_error"].values())
    assert first["accuracy"] != plain["accuracy"]


def test_a_suite_that_is_not_there_is_refused(cli, shared_run: Path, challenge: Path):
    said = cli("evaluate", shared_run, "--data", challenge, "--corrupt", "medmnist")
    assert said.code == 2
    assert "medmnist_c" in said.err


def test_views_count_what_they_fix_and_break(cli, shared_run: Path, challenge: Path):
    plain = cli("evaluate", shared_run, "--data", challenge, "--json").json()
    answer = cli("evaluate", shared_run, "--data", challenge, "--view", "flips", "--view", "turns", "--json").json()
    right = round(plain["accuracy"] * 40)
    assert len(answer["views"]) >= 6
    for view in answer["views"].values():
        assert right + view["fixed"] - view["broken"] == round(view["accuracy"] * 40)


def test_evaluate_tells_calibration_and_risk_by_corruption(cli, shared_run: Path, challenge: Path):
    answer = cli("evaluate", shared_run, "--data", challenge, "--corrupt", "brightness_down", "--json").json()
    assert {"calibration_error", "aurc"} <= answer.keys()
    for metric in ("calibration_error", "aurc"):
        assert len(answer["by_corruption"][metric]["brightness_down"]) == 5
    shares, risks = zip(*answer["risk_coverage"], strict=True)
    assert shares == (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
    assert risks[-1] == pytest.approx(1 - answer["accuracy"])
    shown = cli("evaluate", shared_run, "--data", challenge, "--corrupt", "brightness_down").out
    assert "corruptions: calibration error at each severity" in shown
    assert "risk by coverage" in shown


def test_classes_present_restricts_probabilities_to_them(cli, place: Path, shared_run: Path, pictures: Path):
    rows = cli("predict", shared_run, pictures, "--json").json()
    given = [TRUE[Path(row["image"]).parent.name] for row in rows]
    present = sorted(set(given), key=list(CLASSES).index)
    likeliest = [max(present, key=lambda name, row=row: row["probabilities"][name]) for row in rows]
    answer = cli("evaluate", shared_run, "--data", pictures, "--classes-present", "--json").json()
    assert answer["accuracy"] == pytest.approx(accuracy_score(given, likeliest))
    assert answer["restricted_to"] == present
    assert answer["confusion"] == confusion_matrix(given, likeliest, labels=list(CLASSES)).tolist()
    whole = cli("evaluate", shared_run, "--data", pictures, "--json").json()
    assert "restricted_to" not in whole
    said = cli("evaluate", shared_run, "--data", pictures, "--classes-present")
    assert "probabilities restricted to the classes that occur" in said.err
    viewed = cli("evaluate", shared_run, "--data", pictures, "--classes-present", "--view", "flips", "--json").json()
    assert viewed["views"]["as_it_is"]["accuracy"] == answer["accuracy"]


def test_weights_loaded_once_predict_the_same_again_and_again(cli, shared_run: Path, pictures: Path):
    from cellcls.engine.inference import Predictor

    expected = cli("predict", shared_run, pictures, "--device", "cpu", "--json").json()
    predictor = Predictor(shared_run, load_registry(), Options(device="cpu"))
    for _ in range(2):
        assert [row.to_data() for row in predictor.predict([pictures]).rows()] == expected
