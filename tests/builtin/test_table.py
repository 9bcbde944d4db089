"""Labels in a table, written as people and their tools write them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cellcls.api import Input, Source
from cellcls.builtin.datasets.table import Table
from cellcls.builtin.datasets.table_files import find_file
from cellcls.errors import DataError, MissingPluginError
from cellcls.registry import load_registry
from cellcls.runs.inputs import recognised

SHADES = {"a.png": 10, "b.png": 20, "c.png": 30, "d.png": 40}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four gray images, each of another shade, in a folder ``cells``."""
    (tmp_path / "cells").mkdir()
    for name, shade in SHADES.items():
        Image.new("RGB", (8, 8), (shade, shade, shade)).save(tmp_path / "cells" / name)
    return tmp_path / "cells"


def opened(file: Path, **settings: object) -> Source:
    dataset = Table(file=file, **settings)  # type: ignore[arg-type]
    return dataset.build(path=file, input=Input(size=8), cache=file.parent / ".cache")


def table(folder: Path, text: str | bytes, name: str = "cells.csv", **settings: object) -> Source:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return opened(folder / name, **settings)


def told(source: Source) -> dict[int, str]:
    """The class of each image by its shade: image and label belong together."""
    shades = source.read(np.arange(len(source)))[:, 0, 0, 0].tolist()
    return dict(zip(shades, (source.class_names[label] for label in source.labels), strict=True))


AS_TOLD = {10: "monocyte", 20: "platelet", 30: "monocyte", 40: "platelet"}
ROWS = "a.png,monocyte\nb.png,platelet\nc.png,monocyte\nd.png,platelet\n"


@pytest.mark.parametrize(
    "text",
    [
        "file,label\n" + ROWS,
        "Image Path,Class\n" + ROWS,
        "label,id,filename\nmonocyte,1,a.png\nplatelet,2,b.png\nmonocyte,3,c.png\nplatelet,4,d.png\n",
        "\ufefffile;category\r\n" + ROWS.replace(",", ";").replace("\n", "\r\n"),
        ("file\tlabel\n" + ROWS.replace(",", "\t")).encode("utf-16"),
        'file,label,note\n"a.png","Monocytes","large, pale"\nb.png, Thrombocyte ,\n\nc.png,MONOCYTE\nd.png,platelet\n',
        "file_name,target\n.\\a.png,monocyte\n.\\b.png,platelet\n.\\c.png,monocyte\n.\\d.png,platelet\n",
        "path,label\n" + ROWS.replace(".png", ""),
        "path,label\n" + ROWS.replace("a.png", r"C:\lab\cells\a.png").replace("b.png", "/home/ann/cells/b.png"),
        "image,id,choice\n"
        + "".join(  # Label Studio
            f"/data/upload/3/0a1b2c3d-{row}".replace(",", ",7,") + "\n" for row in ROWS.split()
        ),
        "image,choice\n" + "".join(f"/data/local-files/?d=lab%2Fcells%2F{row}\n" for row in ROWS.split()),
        "filename,monocyte,platelet\na.png,1,0\nb.png,0,1\nc.png,1.0,0.0\nd.png,0,1\n",  # Roboflow, ISIC
    ],
)
def test_a_table_is_read_as_it_is_written(folder: Path, text: str | bytes) -> None:
    source = table(folder, text)
    assert told(source) == AS_TOLD
    assert source.parts is None


def test_a_tsv_may_contain_commas(folder: Path) -> None:
    source = table(folder, "file\tlabel,or,so\tlabel\na.png\t,,\tx\nb.png\t,,\ty\n", "cells.tsv")
    assert told(source) == {10: "x", 20: "y"}


def test_a_spreadsheet_of_windows_has_umlauts(folder: Path) -> None:
    (folder / "a.png").rename(folder / "größe.png")
    source = table(folder, "file;label\ngröße.png;x\nb.png;übrige\n".encode("cp1252"))
    assert told(source) == {10: "x", 20: "übrige"}


def test_settings_name_columns_and_a_root(folder: Path) -> None:
    (folder.parent / "cells.csv").write_text("file,slide,who,when,label\nx,a.png,p1,train,A\ny,b.png,p2,test,B\n")
    source = opened(folder.parent / "cells.csv", root=folder, files="slide", labels="who", parts="when")
    assert told(source) == {10: "p1", 20: "p2"}
    assert source.parts is not None
    assert source.parts.tolist() == ["train", "test"]
    assert list(source.columns["label"]) == ["A", "B"]


def test_parts_are_found_by_their_usual_names_and_other_values_are_no_parts(folder: Path) -> None:
    source = table(folder, "file,label,split\na.png,x,Training\nb.png,y,valid\n")
    assert source.parts is not None
    assert source.parts.tolist() == ["train", "val"]
    text = "file,label,split\na.png,x,left\nb.png,y,train\n"
    assert table(folder, text).parts is None
    with pytest.raises(DataError, match="`split` holds `left`; parts are train, val and test"):
        table(folder, text, parts="split")


@pytest.mark.parametrize(
    ("labels", "settings", "names"),
    [
        (("0", "10", "2"), {}, ("class_0", "class_2", "class_10")),
        (("0.0", "1.0", "0.0"), {"classes": ("IG", "other")}, ("immature_granulocyte", "other")),
        (("0", "1", "2"), {"rename": {"0": "Platelets", "1": "monocyte", "2": "platelet"}}, ("monocyte", "platelet")),
        (("giant platelet", "platelet", "IG"), {}, ("giant platelet", "immature_granulocyte", "platelet")),
        (("Giant Platelet", "platelet", "IG"), {"rename": {"giant platelet": "platelet"}},
         ("immature_granulocyte", "platelet")),
    ],
)  # fmt: skip
def test_classes_are_named(folder: Path, labels: tuple[str, ...], settings: dict, names: tuple[str, ...]) -> None:
    rows = zip(SHADES, labels, strict=False)
    source = table(folder, "file,label\n" + "".join(f"{file},{label}\n" for file, label in rows), **settings)
    assert source.class_names == names


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rename": {"monocit": "monocyte"}}, "no label `monocit`.*\n.*did you mean `monocyte`"),
        ({"classes": ("a", "b")}, "labels are names such as `monocyte`"),
        ({"labels": "lable"}, 'no column `lable` \\(labels = "lable"\\)\n.*did you mean `label`'),
    ],
)
def test_a_setting_that_does_not_fit_is_told(folder: Path, settings: dict, message: str) -> None:
    with pytest.raises(DataError) as caught:
        table(folder, "file,label\n" + ROWS, **settings)
    assert re.search(message, str(caught.value))


BAD = "file,label\na.png,x\nb.png,y\nlost.png,x\ngone.png,y\nc.png,x\nc.png,y\nd.png,\n,x\nb.png,Y\n"


def test_rows_that_cannot_be_used_are_an_error_with_counts_and_examples(folder: Path) -> None:
    with pytest.raises(DataError) as caught:
        table(folder, BAD)
    text = str(caught.value)
    assert "9 rows" in text
    assert "2 named in the table, but not there: `lost.png`, `gone.png`" in text
    assert "1 with several labels in the table: `c.png`" in text
    assert "1 without a label in the table: `d.png`" in text
    assert "1 a row of the table without a file" in text
    assert 'on_bad_image = "skip"' in text
    assert str(folder) in text


def test_rows_that_cannot_be_used_are_left_out_and_listed_where_that_is_set(folder: Path) -> None:
    Image.new("RGB", (8, 8)).save(folder / "extra.png")
    source = table(folder, BAD, on_bad_image="skip")
    assert told(source) == {10: "x", 20: "y"}
    listed = {(skipped.name, skipped.reason) for skipped in source.skipped_files}
    assert listed == {
        ("lost.png", "named in the table, but not there"),
        ("gone.png", "named in the table, but not there"),
        ("c.png", "with several labels in the table"),
        ("d.png", "without a label in the table"),
        ("row 9", "a row of the table without a file"),
        ("b.png", "a repeated row of the table"),
        ("extra.png", "not in the table"),
    }


def test_labels_renamed_to_one_class_do_not_contradict_each_other(folder: Path) -> None:
    text = "file,label\na.png,giant\na.png,platelet\nb.png,y\n"
    assert told(table(folder, text, rename={"giant": "platelet"})) == {10: "platelet", 20: "y"}


def test_a_table_of_no_files_at_all_says_where_they_were_looked_for(folder: Path) -> None:
    with pytest.raises(DataError, match=r"root"):
        table(folder, "file,label\nx.png,x\ny.png,y\n", on_bad_image="skip")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("file,label\n", "has no rows"),
        ("a,b\n1,2\n", "no column of files; its columns: `a`, `b`"),
        ("file,b\na.png,2\n", "no column of labels; its columns: `file`, `b`"),
        ("file,label,file\n", "two columns are called `file`"),
        ("file,label\na.png,x,y\n", "3 values for 2 columns"),
    ],
)
def test_what_is_no_table_of_labels_is_told(folder: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        table(folder, text)


@pytest.mark.parametrize("name", ["metadata.csv", "_classes.csv"])
def test_folders_of_parts_with_a_table_each_are_one_data_set(folder: Path, name: str) -> None:
    """Hugging Face's imagefolder and Roboflow's classification export."""
    for part, files in (("train", "ab"), ("valid", "c"), ("test", "d")):
        (folder / part).mkdir()
        rows = [f"{file}.png,{int(file in 'ac')},{int(file not in 'ac')}\n" for file in files]
        (folder / part / name).write_text("file_name,monocyte,platelet\n" + "".join(rows))
        for file in files:
            (folder / f"{file}.png").rename(folder / part / f"{file}.png")
    found = recognised(folder, load_registry())
    assert found == Table(file=folder)
    source = opened(folder)
    assert told(source) == AS_TOLD
    assert source.parts is not None
    assert source.parts.tolist() == ["test", "train", "train", "val"]
    assert source.names is not None
    assert source.names[0] == "test/d.png"


def test_class_folders_beside_a_table_without_labels_stay_class_folders(folder: Path) -> None:
    for number, file in enumerate(SHADES):
        (folder / "xy"[number % 2]).mkdir(exist_ok=True)
        (folder / file).rename(folder / "xy"[number % 2] / file)
    (folder / "metadata.csv").write_text("stain,date\nGiemsa,2024\n")
    found = recognised(folder, load_registry())
    assert found is not None
    assert found.component_name == "folder"


def test_parquet_is_read_or_told_what_it_needs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "cells.parquet"
    file.write_bytes(b"PAR1")
    assert recognised(file, load_registry()) == Table(file=file)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(MissingPluginError, match=r"needs pyarrow") as caught:
            opened(file)
    assert "pip install 'cellcls[table]'" in caught.value.hints
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    with pytest.raises(DataError, match="not a readable Parquet file"):
        opened(file)
    parquet.write_table(arrow.table({"file": list(SHADES), "label": [0, 1, 0, 1], "age": [1, None, 3, 4]}), file)
    source = opened(file, classes=("monocyte", "platelet"))
    assert told(source) == AS_TOLD
    assert list(source.columns["age"]) == ["1", "", "3", "4"]


@pytest.mark.parametrize("value", ["/", "\\", "http://[1.png", "a\x00b.png", "x" * 5000, "C:", "/data/", "//"])
def test_a_name_of_no_file_is_only_missing(tmp_path: Path, value: str) -> None:
    assert find_file(tmp_path, value) is None
