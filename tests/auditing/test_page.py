"""The page in a browser: opened from a file, filtered, ticked, downloaded, and what it downloads replayed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest

from cellcls.api import Source
from cellcls.auditing.audit import Audit
from cellcls.auditing.findings import Finding, decision_rows
from cellcls.auditing.results import write
from cellcls.builtin.cleaners import Decisions
from cellcls.errors import DataError
from cellcls.ops.curation.decisions import read_decisions

from .conftest import cell, save
from .test_findings import copied, noisy, relabelled, repeated

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[..., Any]


@pytest.fixture
def audit(cells: Path, run_audit) -> Audit:
    repeated(cells)
    noisy(cells)
    (cells / "basophil/noise.png").rename(cells / "basophil/=noise,1.png")
    copied(cells)
    relabelled(cells)
    save(cells / "eosinophil/turned.png", np.rot90(cell(1)).copy())
    return run_audit(cells)


@pytest.fixture
def folder(audit: Audit, tmp_path: Path) -> Path:
    return write(audit, tmp_path / "out").parent


def replay(file: Path, audit: Audit) -> set[int]:
    data = audit.data
    kept = np.ones(len(data), dtype=bool)
    decisions = Decisions(file=file).build(source=data.source, groups=data.groups, kept=kept)
    return {decision.index for decision in decisions}


def test_the_suggestions_replay(audit: Audit, folder: Path):
    assert replay(folder / "decisions.csv", audit) == set(np.flatnonzero(~audit.kept).tolist())


def test_the_record_holds_every_finding(audit: Audit, folder: Path):
    record = json.loads((folder / "audit.json").read_text())
    assert len(record["findings"]) == len(audit.findings)
    assert record["kept"] == int(audit.kept.sum())
    assert record["counts"] == audit.counts()
    assert {"read", "near_copies", "findings", "page"} <= record["seconds"].keys()


def test_the_page_needs_nothing_else(folder: Path):
    page = (folder / "audit.html").read_text()
    names = re.findall(r"""<[^>]+ id=["']([^"']+)""", page)
    assert names
    assert len(names) == len(set(names))
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert {path.name for path in (folder / "figures").iterdir()} == {
        *("classes.png", "samples.png", "mean_cells.png", "colours.png", "stains.png"),
    }


class _Other(Source):
    """The same images under other labels."""

    def __init__(self, source: Source) -> None:
        self.labels = np.roll(source.labels, 1)
        self.class_names = source.class_names
        self.read = source.read  # type: ignore[method-assign]

    def read(self, indices):
        raise NotImplementedError


def test_decisions_on_other_data_are_refused(audit: Audit, folder: Path):
    data = audit.data
    kept = np.ones(len(data), dtype=bool)
    with pytest.raises(DataError, match="decided on other data"):
        Decisions(file=folder / "decisions.csv").build(source=_Other(data.source), groups=data.groups, kept=kept)


def test_an_edited_hash_is_refused(audit: Audit, folder: Path):
    path = folder / "decisions.csv"
    lines = path.read_text().splitlines()
    row = next(number for number, line in enumerate(lines) if line.endswith(",drop"))
    cells = next(csv.reader([lines[row]]))
    lines[row] = lines[row].replace(cells[2], "0" * 32)
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match="was the file edited"):
        replay(path, audit)


@pytest.fixture
def page(folder: Path, visit: Visit) -> Page:
    return visit(folder / "audit.html")


def download(page: Page, target: Path) -> Path:
    with page.expect_download() as found:
        page.click("#download")
    found.value.save_as(target)
    return target


def test_untouched_it_downloads_the_suggestions(page: Page, folder: Path, audit: Audit):
    got = download(page, folder / "got.csv")
    assert read_decisions(got) == read_decisions(folder / "decisions.csv")


def test_a_person_filters_ticks_and_downloads(page: Page, folder: Path, audit: Audit):
    assert page.locator(".finding").count() == len(audit.findings)
    page.select_option("#kind", "suspects")
    cards = page.locator(".finding")
    assert cards.count() == audit.counts()["suspects"]
    page.fill("#text", "=noise")
    assert cards.count() == 1
    before = replay(folder / "decisions.csv", audit)
    noise = next(index for index in range(len(audit.data)) if "=noise" in audit.data.file(index))
    page.check(f'input[data-index="{noise}"]')
    page.fill("#text", "")
    page.select_option("#kind", "conflicts")
    page.locator("input[data-finding]").last.uncheck()
    conflicting = [finding for finding in audit.findings if finding.kind == "conflicts"][-1].images
    expected = before - set(conflicting) | {noise}
    assert f"{len(expected)} to drop" in page.inner_text("#count")
    assert replay(download(page, folder / "got.csv"), audit) == expected
    page.click("#reset")
    assert replay(download(page, folder / "again.csv"), audit) == before


def test_a_class_and_what_is_to_drop_can_be_chosen(page: Page, audit: Audit):
    page.check("#dropped")
    gone = {row.index for row in audit.rows if row.action == "drop"}
    dropping = [finding for finding in audit.findings if gone & set(finding.images)]
    assert page.locator(".finding").count() == len(dropping)
    page.uncheck("#dropped")
    page.select_option("#class", "lymphocyte")
    own = [
        finding
        for finding in audit.findings
        if any(audit.data.class_name(index) == "lymphocyte" for index in finding.images)
    ]
    assert page.locator(".finding").count() == len(own)


def test_a_large_group_is_ticked_as_a_whole(page: Page, folder: Path, audit: Audit):
    page.select_option("#kind", "outliers")
    page.select_option("#order", "size")
    group = max(
        (finding for finding in audit.findings if finding.kind == "outliers"), key=lambda finding: len(finding.images)
    )
    assert page.locator(".finding").first.locator("input[data-index]").count() == 12 < len(group.images)
    page.locator("input[data-finding]").first.uncheck()
    assert not replay(download(page, folder / "got.csv"), audit) & set(group.images)


# --- what was decided is not lost -------------------------------------------------------------------------------


def ticked(page: Page) -> str:
    return page.inner_text("#count")


def some_suspect(audit: Audit) -> int:
    return next(
        finding.images[0] for finding in audit.findings if finding.kind == "suspects" and audit.kept[finding.images[0]]
    )


def test_a_reload_keeps_what_was_ticked(page: Page, folder: Path, audit: Audit):
    index = some_suspect(audit)
    suggested = ticked(page)
    page.locator(f'input[data-index="{index}"]').first.check()
    decided = ticked(page)
    assert decided != suggested
    page.reload()
    assert ticked(page) == decided
    assert "1 decision" in page.inner_text("#note")
    assert index in replay(download(page, folder / "got.csv"), audit)
    page.click("#reset")
    page.reload()
    assert ticked(page) == suggested


def test_another_set_is_not_decided_by_it(
    page: Page, visit: Visit, audit: Audit, cells: Path, run_audit, tmp_path: Path
):
    page.locator(f'input[data-index="{some_suspect(audit)}"]').first.check()
    save(cells / "basophil/new.png", cell(600))
    other = write(run_audit(cells), tmp_path / "other")
    assert visit(other).inner_text("#note") == ""


REFUSED = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError'); } });"


def test_where_the_browser_keeps_nothing_the_page_says_so(visit: Visit, folder: Path, audit: Audit):
    page = visit(folder / "audit.html", REFUSED)
    index = some_suspect(audit)
    page.locator(f'input[data-index="{index}"]').first.check()
    assert "download" in page.inner_text("#note")
    assert index in replay(download(page, folder / "got.csv"), audit)


def test_an_earlier_file_is_gone_on_with(page: Page, visit: Visit, folder: Path, audit: Audit, tmp_path: Path):
    index = some_suspect(audit)
    page.locator(f'input[data-index="{index}"]').first.check()
    earlier = download(page, tmp_path / "decisions.csv")
    page.click("#reset")
    page.set_input_files("#load", earlier)
    page.wait_for_function("document.querySelector('#note').textContent !== ''")
    assert earlier.name in page.inner_text("#note")
    assert read_decisions(download(page, tmp_path / "again.csv")) == read_decisions(earlier)


def test_an_earlier_file_may_come_from_a_spreadsheet_and_another_audit_of_the_set(
    page: Page, folder: Path, audit: Audit, tmp_path: Path
):
    """A decision on an image that this audit found nothing about is not lost either."""
    data = audit.data
    free = next(index for index in range(len(data)) if index not in {row.index for row in audit.rows})
    lines = (folder / "decisions.csv").read_text().splitlines()
    lines.append(f'{free},{data.file(free)},{data.survey.hashes[free]},suspects,"odd; ""very""",drop')
    with (tmp_path / "sheet.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows(line[::-1] for line in csv.reader(lines))
    before = replay(folder / "decisions.csv", audit)
    page.set_input_files("#load", tmp_path / "sheet.csv")
    page.wait_for_function("document.querySelector('#note').textContent !== ''")
    assert "1 of them" in page.inner_text("#note")
    page.reload()
    assert replay(download(page, tmp_path / "again.csv"), audit) == before | {free}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda text: text.replace("data,", "data,1"), "another set"),
        (lambda text: text.replace(text.splitlines()[1].split(",")[2], "0" * 32), "another set"),
        (lambda text: text.replace(text.splitlines()[2].split(",")[2], "1" * 32), "line 3"),
        (lambda text: text.replace(",drop", ",throw"), "line"),
        (lambda text: "index,file", "columns"),
        (lambda text: "", "columns"),
        (lambda text: text + '"', "CSV"),
    ],
    ids=["count", "hash", "edited", "action", "columns", "empty", "quote"],
)
def test_a_wrong_file_changes_nothing(page: Page, folder: Path, tmp_path: Path, wrong: Callable[[str], str], said: str):
    (tmp_path / "wrong.csv").write_text(wrong((folder / "decisions.csv").read_text()))
    page.set_input_files("#load", tmp_path / "wrong.csv")
    page.wait_for_function("document.querySelector('#note').textContent !== ''")
    assert said in page.inner_text("#note")
    assert read_decisions(download(page, tmp_path / "got.csv")) == read_decisions(folder / "decisions.csv")


# --- many findings ----------------------------------------------------------------------------------------------

MANY = 6_000


@pytest.fixture
def crowded(run_audit, tmp_path: Path) -> Audit:
    """A set with a finding for each of its images."""
    images = np.random.default_rng(0).integers(0, 256, (MANY, 4, 4, 3), dtype=np.uint8)
    np.savez(tmp_path / "many.npz", images=images, labels=np.arange(MANY) % 8)
    audit = run_audit(tmp_path / "many.npz")
    found = tuple(
        Finding(kind=("suspects", "wrong_labels")[index % 5 == 0], images=(index,), score=1.0, reason=f"odd {index}")
        for index in range(MANY)
    )
    return attrs.evolve(audit, findings=found, rows=tuple(decision_rows(audit.data, list(found))))


def test_all_findings_are_listed_and_the_gravest_pictured(crowded: Audit, visit: Visit, tmp_path: Path):
    page = visit(write(crowded, tmp_path / "out"))
    assert page.inner_text("#number") == f"{MANY:,} of {MANY:,} findings"
    assert "4,000 of these 6,000 findings" in page.inner_text("#decide")
    assert page.locator(".finding").count() < 100  # the rest is drawn when it is asked for
    page.click("#more")
    assert page.locator(".finding").count() < 200
    last = MANY - 1
    page.fill("#text", f"odd {last}")
    assert page.locator(".finding").count() == 1
    assert page.locator(".finding img").count() == 0
    page.check(f'input[data-index="{last}"]')
    page.fill("#text", "")
    page.select_option("#kind", "wrong_labels")
    assert page.inner_text("#number") == f"{MANY // 5:,} of {MANY:,} findings"
    page.click("#drop-listed")
    expected = {*range(0, MANY, 5), last}
    assert replay(download(page, tmp_path / "got.csv"), crowded) == expected
    page.click("#keep-listed")
    assert replay(download(page, tmp_path / "again.csv"), crowded) == {last}
    assert len(read_decisions(tmp_path / "got.csv").rows) == MANY


def test_each_image_of_a_large_group_can_be_ticked(page: Page, folder: Path, audit: Audit):
    group = next(finding for finding in audit.findings if finding.kind == "outliers").images
    card = page.locator('.finding[data-kind="outliers"]').first
    card.locator("button.more").click()
    boxes = card.locator("input[data-index]")
    assert boxes.count() == len(group) == 20
    boxes.last.uncheck()
    assert group[-1] not in replay(download(page, folder / "got.csv"), audit)
    assert group[-2] in replay(download(page, folder / "last.csv"), audit)
