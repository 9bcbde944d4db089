"""A plugin's data set says itself how it skips what cannot be read."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Literal, Self

from cellcls.api import Dataset, Input, Source, changed, component, param
from cellcls.auditing.audit import audit_dataset
from cellcls.auditing.results import write
from cellcls.builtin.datasets.folder import open_folder
from cellcls.testing.runs import registry_with


@component("slides")
class Slides(Dataset):
    """A folder with slides.txt in it, whose setting for unreadable images is called as no built-in calls it."""

    file: Path = param(help="The folder.")
    unreadable: Literal["refuse", "leave_out"] = param(default="refuse", help="What to do with an unreadable image.")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        return (path / "slides.txt").exists()

    def leniently(self) -> Self:
        return changed(self, unreadable="leave_out")

    def build(self, *, path: Path | None, input: Input, cache: Path) -> Source:
        return open_folder(path or self.file, input, cache, skip_bad=self.unreadable == "leave_out")


def test_an_audit_skips_by_the_sets_own_setting(cells: Path, tmp_path: Path):
    (cells / "slides.txt").touch()
    (cells / "basophil" / "broken.png").write_text("no picture")
    audit = audit_dataset(cells, registry_with(Slides), lambda *_: None)
    assert [bad.name for bad in audit.data.source.bad_images] == ["basophil/broken.png"]
    page = html.unescape(write(audit, tmp_path / "out").read_text())
    assert 'use = "slides"\n' in page
    assert 'unreadable = "leave_out"\n' in page


def test_an_audit_says_no_setting_where_all_can_be_read(cells: Path, tmp_path: Path):
    (cells / "slides.txt").touch()
    audit = audit_dataset(cells, registry_with(Slides), lambda *_: None)
    assert "unreadable = " not in html.unescape(write(audit, tmp_path / "out").read_text())
