"""Parts with what belongs together kept together, and folds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from support.recipes import tiny
from support.sources import noise

from cellcls.engine.data import Data, prepare
from cellcls.engine.job import Job
from cellcls.errors import DataError, RecipeError
from cellcls.ops.classes import CLASSES, PARTS

Prepared = Callable[..., Data]


@pytest.fixture
def cells_of_patients(make_job: Callable[..., Job], tmp_path: Path) -> Prepared:
    """Return a function that prepares 48 images of eight classes and six patients, named ``basophil/a/0.png``."""

    def make(split: dict[str, object], **dataset: object) -> Data:
        rows = ["file,label,patient"]
        for row, pixels in enumerate(noise(48, 32)):
            patient, label = "abcdef"[row // 8], CLASSES[row % 8]
            file = tmp_path / f"cells/{label}/{patient}/{row}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
            rows.append(f"{label}/{patient}/{row}.png,{label},{patient}")
        (tmp_path / "cells/cells.csv").write_text("\n".join(rows))
        settings = {"use": "table", "file": str(tmp_path / "cells/cells.csv"), **dataset}
        return prepare(make_job(tiny=tiny(dataset=settings, split=split)).inputs)

    return make


@pytest.mark.parametrize(
    ("group", "kind"), [("patient", "table"), ("folder", "folder"), ("^[^/]+/([a-z])/", "folder"), ("/(.)/", "table")]
)
def test_a_patient_is_in_one_part(cells_of_patients: Prepared, tmp_path: Path, group: str, kind: str) -> None:
    file = tmp_path / ("cells/cells.csv" if kind == "table" else "cells")
    data = cells_of_patients({"val": 0.17, "test": 0.17, "group": group}, use=kind, file=str(file))
    assert data.source.names is not None
    held = [sorted({data.source.names[row].split("/")[1] for row in data.parts[part]}) for part in PARTS]
    assert [len(patients) for patients in held] == [4, 1, 1]
    assert sorted(patient for patients in held for patient in patients) == list("abcdef")


def test_parts_far_from_their_shares_are_told(cells_of_patients: Prepared, caplog) -> None:
    cells_of_patients({"val": 0.05, "test": 0.2, "group": "patient"})
    assert "val is 17% of the images instead of 5%" in caplog.text
    assert "test is" not in caplog.text


def test_own_parts_that_share_a_patient_are_refused(
    make_job: Callable[..., Job], cells_of_patients: Prepared, tmp_path: Path
) -> None:
    cells_of_patients({"val": 0.17, "test": 0.17})  # writes the files
    table = tmp_path / "cells/cells.csv"
    lines = table.read_text().split("\n")
    parts = [("train", "val", "test")[row // 16] for row in range(48)]
    table.write_text("\n".join([f"{lines[0]},part", *map(",".join, zip(lines[1:], parts, strict=True))]))
    recipe = tiny(dataset={"use": "table", "file": str(table)}, split={"group": "patient"})
    data = prepare(make_job(tiny=recipe).inputs)
    assert [len(data.parts[part]) for part in PARTS] == [16, 16, 16]
    table.write_text(table.read_text().replace(",a,train", ",c,train", 3))
    with pytest.raises(DataError, match=r"1 of 6 groups \(\[split\] group = 'patient'\) are in several .*: `c`"):
        prepare(make_job(tiny=recipe).inputs)


def test_folds_test_each_image_once_and_each_patient_in_one(cells_of_patients: Prepared) -> None:
    tested = []
    for fold in (1, 2, 3):
        split = {"val": 0.25, "group": "patient", "folds": 3, "fold": fold}
        parts = cells_of_patients(split).parts
        assert [len(parts[part]) for part in PARTS] == [24, 8, 16]
        tested += parts["test"].tolist()
    assert sorted(tested) == list(range(48))


def test_own_parts_have_no_folds(cells_of_patients: Prepared, make_job: Callable[..., Job], tmp_path: Path) -> None:
    cells_of_patients({"val": 0.17, "test": 0.17})  # writes the files
    table = tmp_path / "cells/cells.csv"
    table.write_text(table.read_text().replace("patient", "part").replace(",a", ",val").replace(",b", ",test"))
    table.write_text("\n".join(line[:-1] + "train" if line[-2] == "," else line for line in table.read_text().split()))
    recipe = tiny(dataset={"use": "table", "file": str(table)}, split={"folds": 3, "fold": 1})
    with pytest.raises(RecipeError, match="brings its own train, val and test, so that no folds"):
        prepare(make_job(tiny=recipe).inputs)
