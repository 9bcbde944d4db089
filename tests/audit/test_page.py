"""The page in a browser: opened from a file, filtered, ticked, downloaded, and what it downloads replayed."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from cellcls.api import Source
from cellcls.audit.record import Audit, write
from cellcls.builtin.cleaners import Decisions
from cellcls.errors import DataError
from cellcls.ops.decisions import read_decisions

from .conftest import cell, save
from .test_findings import copied, noisy, relabelled, repeated

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium")


@pytest.fixture
def made(cells: Path, look) -> Audit:
    repeated(cells)
    noisy(cells)
    (cells / "basophil/99.png").rename(cells / "basophil/=noise,1.png")
    copied(cells)
    relabelled(cells)
    save(cells / "eosinophil/turned.png", np.rot90(cell(1)).copy())
    return look(cells)


@pytest.fixture
def folder(made: Audit, tmp_path: Path) -> Path:
    return write(made, tmp_path / "out").parent


def replay(file: Path, made: Audit) -> set[int]:
    subject = made.subject
    kept = np.ones(len(subject), dtype=bool)
    found = Decisions(file=file).build(source=subject.source, groups=subject.groups, kept=kept)
    return {one.index for one in found}


def test_the_suggestions_replay(made: Audit, folder: Path):
    assert replay(folder / "decisions.csv", made) == set(np.flatnonzero(~made.kept).tolist())


def test_the_record_holds_every_finding(made: Audit, folder: Path):
    record = json.loads((folder / "audit.json").read_text())
    assert len(record["findings"]) == len(made.findings)
    assert record["kept"] == int(made.kept.sum())
    assert record["counts"] == made.counts()
    assert {"read", "near_copies", "findings", "page"} <= record["seconds"].keys()


def test_the_page_needs_nothing_else(folder: Path):
    page = (folder / "audit.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert {path.name for path in (folder / "figures").iterdir()} == {
        *("classes.png", "samples.png", "mean_cells.png", "colours.png"),
    }


class _Other(Source):
    """The same images under other labels."""

    def __init__(self, source: Source) -> None:
        self.labels = np.roll(source.labels, 1)
        self.class_names = source.class_names
        self.read = source.read  # type: ignore[method-assign]

    def read(self, indices):
        raise NotImplementedError


def test_decisions_on_other_data_are_refused(made: Audit, folder: Path):
    subject = made.subject
    kept = np.ones(len(subject), dtype=bool)
    with pytest.raises(DataError, match="decided on other data"):
        Decisions(file=folder / "decisions.csv").build(source=_Other(subject.source), groups=subject.groups, kept=kept)


def test_an_edited_hash_is_refused(made: Audit, folder: Path):
    path = folder / "decisions.csv"
    lines = path.read_text().splitlines()
    row = next(number for number, line in enumerate(lines) if line.endswith(",drop"))
    cells = next(csv.reader([lines[row]]))
    lines[row] = lines[row].replace(cells[2], "0" * 32)
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match="was the file edited"):
        replay(path, made)


@pytest.fixture
def page(folder: Path) -> Iterator[Page]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        shown = opened.new_page()
        problems: list[str] = []
        shown.on("pageerror", lambda error: problems.append(str(error)))
        shown.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        shown.goto(f"file://{folder}/audit.html")
        yield shown
        opened.close()
    assert problems == []


def download(page: Page, target: Path) -> Path:
    with page.expect_download() as found:
        page.click("#download")
    found.value.save_as(target)
    return target


@browser
def test_untouched_it_downloads_the_suggestions(page: Page, folder: Path, made: Audit):
    got = download(page, folder / "got.csv")
    assert read_decisions(got) == read_decisions(folder / "decisions.csv")


@browser
def test_a_person_filters_ticks_and_downloads(page: Page, folder: Path, made: Audit):
    assert page.locator(".finding").count() == len(made.findings)
    page.select_option("#kind", "suspects")
    cards = page.locator(".finding")
    assert cards.count() == made.counts()["suspects"]
    page.fill("#text", "=noise")
    assert cards.count() == 1
    before = replay(folder / "decisions.csv", made)
    noise = next(index for index in range(len(made.subject)) if "=noise" in made.subject.file(index))
    page.check(f'input[data-index="{noise}"]')
    page.fill("#text", "")
    page.select_option("#kind", "conflicts")
    page.locator("input[data-finding]").uncheck()
    conflicting = next(one for one in made.findings if one.kind == "conflicts").images
    expected = before - set(conflicting) | {noise}
    assert f"{len(expected)} to drop" in page.inner_text("#count")
    assert replay(download(page, folder / "got.csv"), made) == expected
    page.click("#reset")
    assert replay(download(page, folder / "again.csv"), made) == before


@browser
def test_a_class_and_what_is_to_drop_can_be_chosen(page: Page, made: Audit):
    page.check("#dropped")
    gone = {row.index for row in made.rows if row.action == "drop"}
    dropping = [one for one in made.findings if gone & set(one.images)]
    assert page.locator(".finding").count() == len(dropping)
    page.uncheck("#dropped")
    page.select_option("#class", "lymphocyte")
    own = [one for one in made.findings if any(made.subject.class_name(index) == "lymphocyte" for index in one.images)]
    assert page.locator(".finding").count() == len(own)


@browser
def test_a_large_group_is_ticked_as_a_whole(page: Page, folder: Path, made: Audit):
    page.select_option("#kind", "outliers")
    page.select_option("#order", "size")
    group = max((one for one in made.findings if one.kind == "outliers"), key=lambda one: len(one.images))
    assert page.locator(".finding").first.locator("input[data-index]").count() == 12 < len(group.images)
    page.locator("input[data-finding]").first.uncheck()
    assert not replay(download(page, folder / "got.csv"), made) & set(group.images)
