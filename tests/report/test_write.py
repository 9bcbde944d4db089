import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import attrs
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cellcls.errors import WriteError
from cellcls.report import heat, style, write
from cellcls.report.draw import augmented_groups, batch_groups, draw, file_name
from cellcls.report.page import CodeBlock, Page, Paragraph, Section, Table, render
from cellcls.report.pictures import overlay
from cellcls.report.read import read_run
from cellcls.report.run_page import run_page, verdict

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


class Seen(HTMLParser):
    """What a browser would see: text, tags, and the addresses it would ask for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        if self.tags[-1:] == ["h2"] and data.strip():
            self.headings.append(data.strip())
        self.text += data


def page_of(run: Path) -> Seen:
    """The page without its figures, which take most of the time."""
    return Seen(render(run_page(read_run(run), {})))


def figures_of(run: Path) -> set[str]:
    return {path.name for path in (run / "figures").iterdir()}


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


def test_equal_runs_make_equal_files(run, written):
    with mpl.rc_context({"font.size": 20, "figure.dpi": 30}):  # a user's matplotlibrc changes nothing
        write(run)
        assert mpl.rcParams["font.size"] == 20
    assert figures_of(run) == figures_of(written)
    for first in [written / "report.html", *(written / "figures").iterdir()]:
        assert first.read_bytes() == (run / first.relative_to(written)).read_bytes(), first.name


def test_the_verdict_is_one_plain_sentence(written):
    said = verdict(read_run(written))
    assert said.startswith("The network classified 96.8% of 1,710 test images correctly")
    assert "(95% interval: 95.8% to 97.6%)" in said
    assert said.count(". ") == 0


def test_a_rehearsal_says_so(change):
    page = page_of(change(rehearsal=True))
    assert "random weights and rendered cells: shows that the recipe works, nothing about real cells" in page.text
    assert "of 1,710 rendered test images" in page.text
    assert "No claim was checked" in page.text


def test_a_run_in_progress_has_a_page(run):
    for name in ("metrics.json", "train_batch.npz", "augmented.npz", "examples/test.npz"):
        (run / name).unlink()
    shutil.rmtree(run / "explain")
    page = Seen(write(run).read_text(encoding="utf-8"))
    assert "INCOMPLETE" in page.text
    assert "cellcls run --resume final-1" in page.text
    assert "Nothing has been evaluated yet after 14 epochs" in page.text
    assert figures_of(run) == {"curves.png", "classes.png", "draws.png"}


def test_originals_stand_before_their_copies(run):
    first, *_ = augmented_groups(read_run(run))
    assert first.title == "basophil"
    assert [tile.lines for tile in first.tiles[:3]] == [("original",), ("copy 1, epoch 1",), ("copy 1, epoch 2",)]
    assert "originals unchanged beside their copies" in page_of(run).text
    [batch] = batch_groups(read_run(run))
    assert [tile.lines[1] for tile in batch.tiles[:2]] == ["original", "copy 1"]


def test_a_run_without_copies_has_no_figure_of_draws(run):
    path = run / "history.jsonl"
    lines = [{**json.loads(line), "copies": {}} for line in path.read_text().splitlines()]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert "draws.png" not in draw(read_run(run))


def test_a_run_that_only_began_has_a_page(tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "young"')
    page = Seen(write(tmp_path).read_text(encoding="utf-8"))
    assert "Nothing has been measured yet" in page.text
    assert page.headings == ["Repeat it"]


def test_what_was_foreseen_heads_the_page(change):
    page = page_of(change(warnings=["no training image is of `c` (4 in test)", "<b>bold</b>"]))
    assert page.text.count("WARNING") == 2
    assert page.text.index("no training image is of c (4 in test).") < page.text.index("Evaluations")
    assert "<b>bold</b>" in page.text


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


def test_two_networks_are_compared_side_by_side_and_depth_by_depth(written):
    html = (written / "report.html").read_text(encoding="utf-8")
    assert html.count('class="card chart photos"') == 1  # not inverted in a dark page
    assert "speaks for the given class" in html
    assert "From the dotted one on they stay different" in html
    assert "Where it looked: depth" not in html


def test_a_comparison_without_its_maps_is_still_shown(run):
    (run / "explain" / "depth.npz").unlink()
    record = read_run(run)
    assert (set(record.depths), record.map_pairs) == ({"depth"}, {})
    assert "depth" not in record.explained


def test_the_advised_layer_is_named_among_many(run):
    record = read_run(run).depths["depth"]
    with style.drawing():
        labels = heat.depths(record).axes[1].get_xticklabels()
    texts = [label.get_text() for label in labels]
    assert "blocks.4.0" in texts
    assert len(texts) <= heat.MOST_LABELS
    never = attrs.evolve(record, advised=None, lasting=None)
    with style.drawing():
        assert heat.depths(never).axes[0].get_title(loc="left") == "the maps never differ"


def test_no_text_beside_the_maps_runs_over_another(run):
    record = read_run(run)
    long = attrs.evolve(record.depths["depth"], names=("a_run_of_a_long_name_1", "a_run_of_a_long_name_2"))
    with style.drawing():
        figure = heat.pairs(long, record.map_pairs["depth"], ["a_class_of_a_very_long_name_indeed"] * 8)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(not one.overlaps(other) for one, other in combinations(boxes, 2))
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert min(text.get_fontsize() for text in figure.axes[0].texts) >= 8


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "nul\0", "été"])
def test_a_figure_stays_in_its_folder(name):
    made = file_name("confusion", name)
    assert made.startswith("confusion_")
    assert not set(made) & set("/\\\0")


@pytest.mark.parametrize("matrix", [[[3, 0], [0, 5]], [[0, 0], [0, 5]], [[0, 4], [0, 0]]])
def test_a_matrix_without_mistakes_or_images_is_drawn(change, matrix):
    shown = {"part": "test", "n": 8, "classes": ["a", "b"], "accuracy": 1.0, "confusion": matrix}
    shown["per_class"] = {"b": {"recall": None, "support": 0}}
    run = change(evaluations={"test": shown})
    (run / "examples" / "test.npz").unlink()
    assert ("No mistakes on test" in page_of(run).text) == (matrix[0][1] == 0)
    assert {"confusion_test.png", "per_class.png"} <= set(draw(read_run(run)))


def test_history_with_gaps_is_drawn(run):
    lines = [
        '{"stage": 0, "stage_name": "all", "epoch": 0, "train.loss": null}\n',
        '{"stage": 0, "stage_name": "all", "epoch": 1}\n',
    ]
    (run / "history.jsonl").write_text("".join(lines))
    assert "curves.png" in draw(read_run(run))


def test_a_heat_map_leaves_cold_spots_as_they_are():
    image = np.random.default_rng(0).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    heat = np.zeros((6, 6), np.float32)
    heat[2, 3] = 1
    shown = overlay(image, heat)
    changed = (shown != image).any(axis=-1)
    assert changed[2, 3]
    assert changed.sum() == 1
    assert shown[2, 3, 2] < shown[2, 3, 0]  # yellow


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "young"')
    (tmp_path / "report.html" / "in the way").mkdir(parents=True)
    with pytest.raises(WriteError, match=r"report\.html"):
        write(tmp_path)
    assert not list(tmp_path.glob(".*tmp"))


def test_a_page_is_made_of_any_sections():
    rows = [{"what": "a & b", "n": "1"}, {"what": "held", "n": "–"}]
    table = Table(rows=rows, tones={"held": "good"}, note="<note>")
    blocks = [Paragraph("see `x < y`"), table, CodeBlock(lines=["a < b"])]
    html = render(Page(title="T", verdict="V", kind="audit", sections=[Section(title="What is wrong?", blocks=blocks)]))
    page = Seen(html)
    assert "#what-is-wrong" in page.addresses
    assert "<code>x &lt; y</code>" in html
    assert '<span class="pill good">held</span>' in html
    assert "&lt;note&gt;" in html
    assert table.numeric == {"n"}


def test_a_report_needs_no_torch(tmp_path):
    (tmp_path / "recipe.toml").write_text('name = "young"')
    code = "import pathlib, sys, cellcls.report as r; r.write(pathlib.Path(sys.argv[1])); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
