"""A page of sections, self-contained and escaped."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.seen import Seen

from cellcls.report.page import (
    LARGEST_TILE,
    Chart,
    Charts,
    CodeBlock,
    Fold,
    Gallery,
    Page,
    Paragraph,
    Section,
    TableBlock,
    picture_uri,
    render,
)
from cellcls.report.pictures import Group, Tile


def test_a_page_is_made_of_any_sections():
    rows = [{"what": "a & b", "n": "1"}, {"what": "held", "n": "–"}]
    table = TableBlock(rows=rows, tones={"held": "good"}, note="<note>")
    blocks = [Paragraph("see `x < y`"), table, CodeBlock(lines=["a < b"])]
    html = render(Page(title="T", verdict="V", kind="audit", sections=[Section(title="What is wrong?", blocks=blocks)]))
    page = Seen(html)
    assert "#what-is-wrong" in page.addresses
    assert "<code>x &lt; y</code>" in html
    assert '<span class="pill good">held</span>' in html
    assert "&lt;note&gt;" in html
    assert table.numeric == {"n"}


def empty(**parts: Any) -> str:
    return render(Page(title="T", verdict="V", kind="audit", **parts))


def test_text_from_outside_is_escaped_everywhere() -> None:
    evil = "<script>alert(1)</script>"
    blocks = [
        Paragraph(evil),
        TableBlock(rows=[{evil: evil}], note=evil, dots={evil: "#123456"}),
        CodeBlock(lines=[evil]),
        Fold(title=evil, blocks=[Paragraph(evil)]),
        Charts(charts=[Chart(png=b"", alt=evil, caption=evil)]),
        Gallery(groups=[Group(title=evil, tiles=(Tile(pictures=(PIXELS,), lines=(evil,)),))], title=evil, caption=evil),
    ]
    html = empty(facts={evil: evil}, banners=[(evil, evil)], sections=[Section(title=evil, blocks=blocks)])
    assert "<script" not in html
    assert html.count("alert(1)") >= 12


PIXELS = np.random.default_rng(2).integers(0, 256, (300, 200, 3), dtype=np.uint8)


def test_a_picture_is_shrunk_to_what_is_shown_and_never_blown_up() -> None:
    def opened(picture: np.ndarray) -> Image.Image:
        return Image.open(io.BytesIO(base64.b64decode(picture_uri(picture).partition(",")[2])))

    assert opened(PIXELS).size == (round(200 * LARGEST_TILE / 300), LARGEST_TILE)
    small = PIXELS[:12, :9]
    assert np.array_equal(np.asarray(opened(small)), small)


def test_only_the_pages_own_script_may_run() -> None:
    assert "script-src" not in empty()
    html = empty(script="count()")
    digest = base64.b64encode(hashlib.sha256(b"count()").digest()).decode()
    assert f"script-src &#39;sha256-{digest}&#39;" in html or f"script-src 'sha256-{digest}'" in html
    assert html.count("<script>count()</script>") == 1


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["1", "97.4% [96.1, 98.3]", "–", "-5.0"], True),
        (["", "12 ms"], True),
        (["3 cells", "none"], False),
        (["v1"], False),
    ],
)
def test_columns_of_numbers_stand_to_the_right(cells: list[str], numeric: bool) -> None:
    table = TableBlock(rows=[{"figure": cell} for cell in cells])
    assert (table.numeric == {"figure"}) is numeric


def test_an_empty_table_has_no_columns() -> None:
    table = TableBlock(rows=[])
    assert (table.headings, table.numeric) == ([], set())
    assert "<td" not in empty(sections=[Section(title="s", blocks=[table])])


@pytest.mark.parametrize(
    ("title", "anchor"), [("What is wrong?", "what-is-wrong"), ("細胞 & co", "細胞-co"), ("?!", "")]
)
def test_a_section_has_a_place_in_the_address(title: str, anchor: str) -> None:
    assert Section(title=title, blocks=[]).anchor == anchor
