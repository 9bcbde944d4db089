"""The page of a run."""

from __future__ import annotations

from support.seen import page_of

from cellcls.report.read import read_run
from cellcls.report.run_page import verdict


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
