"""The page of a comparison and its files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.runs import FAIR, GOOD, write_small_run

from cellcls.errors import UsageError
from cellcls.report.compare import to_data
from cellcls.report.compare_page import page, write_comparison
from cellcls.report.compare_read import read_comparison
from cellcls.report.page import render


def labels(comparison) -> list[str]:
    return [one.label for one in comparison.standings]


def test_unfinished_runs_are_named_and_left_out(parent: Path):
    write_small_run(parent / "stopped", {"test": GOOD, "val": GOOD}, complete=False)
    found = read_comparison([parent])
    assert found.unfinished == ("stopped",)
    assert "stopped" not in labels(found)
    assert "INCOMPLETE" in render(page(found, {}))
    with pytest.raises(UsageError, match="none of these runs is finished: stopped"):
        read_comparison([parent / "stopped"])


def test_a_rehearsal_says_so(tmp_path: Path):
    write_small_run(tmp_path / "one", {"test": FAIR}, rehearsal=True)
    html = render(page(read_comparison([tmp_path / "one"]), {}))
    assert "nothing about real cells" in html
    assert "40 rendered test images" in html


def test_everything_is_written_and_redrawn_alike(parent: Path, tmp_path: Path):
    before, after = {"basophil": 40, "monocyte": 30}, {"basophil": 25, "monocyte": 25}
    write_small_run(parent / "clean", {"test": FAIR, "val": FAIR}, counts={"before": before, "after": after})
    write_small_run(parent / "raw", {"test": GOOD, "val": GOOD}, counts={"before": before, "after": before})
    for one in ("good", "fair", "poor"):
        (parent / one / "data.json").write_text((parent / "raw" / "data.json").read_text())
    written = write_comparison(read_comparison([parent]), parent)
    names = {"comparison.html", "comparison.json"}
    names |= {f"{name}.png" for name in ("comparison", "intervals", "training", "curves", "classes")}
    files = {path.name: path.read_bytes() for path in parent.iterdir() if path.is_file()}
    assert files.keys() == names
    assert written == parent / "comparison.html"
    assert json.loads(files["comparison.json"]) == json.loads(json.dumps(to_data(read_comparison([parent]))))
    assert all(np.asarray(Image.open(parent / name)).std() > 1 for name in names if name.endswith("png"))
    page = files["comparison.html"].decode()
    assert 'src="http' not in page
    assert page.count("data:image/png") == 3
    write_comparison(read_comparison([parent]), parent)
    assert all((parent / name).read_bytes() == files[name] for name in names)


def test_a_comparison_elsewhere_is_never_overwritten(parent: Path, tmp_path: Path):
    found = read_comparison([parent / "good", parent / "fair"])
    assert found.parent is None
    write_comparison(found, tmp_path / "out")
    kept = (tmp_path / "out" / "comparison.html").read_bytes()
    with pytest.raises(UsageError, match="not overwritten"):
        write_comparison(read_comparison([parent]), tmp_path / "out")
    assert (tmp_path / "out" / "comparison.html").read_bytes() == kept


def test_names_with_markup_are_shown_not_obeyed(parent: Path):
    write_small_run(parent / "evil", {"test": FAIR, "val": FAIR}, name="<script>alert(1)</script>")
    html = render(page(read_comparison([parent]), {}))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
