"""The page of a run."""

from __future__ import annotations

import json
from pathlib import Path

from support.seen import page_of

from cellcls.report.page import Charts
from cellcls.report.read import read_run
from cellcls.report.run_page import run_page, verdict


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


def test_two_networks_are_compared_side_by_side_and_depth_by_depth(written):
    html = (written / "report.html").read_text(encoding="utf-8")
    assert html.count('class="card chart photos"') == 1  # not inverted in a dark page
    assert "speaks for the given class" in html
    assert "From the dotted one on they stay different" in html
    assert "Where it looked: depth" not in html


def test_what_was_foreseen_heads_the_page(change):
    page = page_of(change(warnings=["no training image is of `c` (4 in test)", "<b>bold</b>"]))
    assert page.text.count("WARNING") == 2
    assert page.text.index("no training image is of c (4 in test).") < page.text.index("Evaluations")
    assert "<b>bold</b>" in page.text


def test_without_figures_the_verdict_tells_how_far_training_is(run: Path) -> None:
    (run / "metrics.json").unlink()
    best = max(json.loads(line)["val.accuracy"] for line in (run / "history.jsonl").read_text().splitlines())
    said = verdict(read_run(run))
    assert said.startswith(
        "Nothing has been evaluated yet after 14 epochs; the best accuracy on the validation images so far"
    )
    assert said.endswith(f"so far is {100 * best:.1f}%.")


def test_a_page_without_drawings_has_no_charts(run: Path) -> None:
    page = run_page(read_run(run), {})
    assert not [block for section in page.sections for block in section.blocks if isinstance(block, Charts)]
    assert [section.title for section in page.sections][:2] == ["Claimed and measured", "Evaluations"]


def test_claims_are_counted_by_how_they_ended(run: Path) -> None:
    claimed = run_page(read_run(run), {}).sections[0]
    assert claimed.title == "Claimed and measured"
    text, table = claimed.blocks
    assert text.text == "1 of 2 claims held."
    assert [row["verdict"] for row in table.rows] == ["held", "not held"]


def test_the_commands_to_repeat_it_survive_a_name_with_spaces(run: Path) -> None:
    odd = run.rename(run.with_name("my run; rm -rf"))
    page = page_of(odd)
    assert "cellcls run 'my run; rm -rf/recipe.toml'" in page.text
    assert "cellcls evaluate 'my run; rm -rf' --data PATH" in page.text
