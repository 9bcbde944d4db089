"""Writing the report of a run folder, finished or not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from support.seen import Seen

from cellcls.errors import WriteError
from cellcls.report import write

FIGURES = {
    "curves.png",
    "classes.png",
    "per_class.png",
    "confusion_val.png",
    "confusion_test.png",
    "confusion_remote.png",
    "confused_val.png",
    "confused_test.png",
    "confused_remote.png",
    "heatmaps_grad_cam.png",
    "compared_depth.png",
    "depths_depth.png",
    "train_batch.png",
    "augmented.png",
    "draws.png",
}


def figures_of(run: Path) -> set[str]:
    return {path.name for path in (run / "figures").iterdir()}


def test_a_run_in_progress_has_a_page(run):
    for name in ("metrics.json", "train_batch.npz", "augmented.npz", "examples/test.npz"):
        (run / name).unlink()
    shutil.rmtree(run / "explain")
    page = Seen(write(run).read_text(encoding="utf-8"))
    assert "INCOMPLETE" in page.text
    assert "cellcls run --resume final-1" in page.text
    assert "Nothing has been evaluated yet after 14 epochs" in page.text
    assert figures_of(run) == {"curves.png", "classes.png", "draws.png"}


def test_a_run_that_only_began_has_a_page(tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "young"')
    page = Seen(write(tmp_path).read_text(encoding="utf-8"))
    assert "Nothing has been measured yet" in page.text
    assert page.headings == ["Repeat it"]


def test_equal_runs_make_equal_files(run, written):
    with mpl.rc_context({"font.size": 20, "figure.dpi": 30}):  # a user's matplotlibrc changes nothing
        write(run)
        assert mpl.rcParams["font.size"] == 20
    assert figures_of(run) == figures_of(written)
    for first in [written / "report.html", *(written / "figures").iterdir()]:
        assert first.read_bytes() == (run / first.relative_to(written)).read_bytes(), first.name


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "young"')
    (tmp_path / "report.html" / "in the way").mkdir(parents=True)
    with pytest.raises(WriteError, match=r"report\.html"):
        write(tmp_path)
    assert not list(tmp_path.glob(".*tmp"))


def test_a_report_needs_no_torch(tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "young"')
    code = "import pathlib, sys, cellcls.report as r; r.write(pathlib.Path(sys.argv[1])); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_finished_run_gets_every_figure_and_section_in_order(written):
    page = Seen((written / "report.html").read_text(encoding="utf-8"))
    assert figures_of(written) == FIGURES
    assert page.headings == [
        "Claimed and measured",
        "Evaluations",
        "Classes",
        "Figures",
        "Data",
        "Training",
        "Environment",
        "Repeat it",
    ]
    assert "never the challenge's hidden set" in page.text
    assert "cellcls evaluate final-1 --data PATH" in page.text
    assert "INCOMPLETE" not in page.text
    assert "REHEARSAL" not in page.text


def test_the_page_asks_for_nothing_outside_itself(written):
    page = Seen((written / "report.html").read_text(encoding="utf-8"))
    assert len(page.addresses) > 60
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in page.addresses)
    assert "script" not in page.tags
    assert "url(" not in page.text


def test_markup_in_names_is_shown_not_obeyed(change):
    evil = '<script>alert("x")</script>'
    names = [evil, "$\\frac{", "../../etc", "細胞", *"efgh"]
    shown = {"part": evil, "n": 8, "classes": names, "accuracy": 0.5, "confusion": (7 - np.eye(8, dtype=int)).tolist()}
    shown["per_class"] = {name: {"recall": 0.5, "support": 1} for name in names}
    run = change(name=evil, evaluations={evil: shown}, claims=[])
    page = Seen(write(run).read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert page.text.count(evil) >= 3
    assert all(path.parent == run / "figures" for path in run.rglob("*.png"))
