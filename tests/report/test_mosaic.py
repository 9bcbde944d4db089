"""Tiles in groups: in lines of as many as fit, each with its text, none over another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

from cellcls.report import style
from cellcls.report.mosaic import WIDTH, mosaic
from cellcls.report.pictures import Group, Tile


@pytest.fixture(autouse=True)
def styled() -> Iterator[None]:
    with style.drawing():
        yield


def tile(*lines: str, pictures: int = 1, tone: Any = "") -> Tile:
    return Tile(pictures=(np.zeros((4, 4, 3), np.uint8),) * pictures, lines=lines, tone=tone)


def places(figure: Any) -> list[tuple[int, float]]:
    """Return the column and the upper end of each picture."""
    extents = [image.get_extent() for image in figure.axes[0].images]
    return [(int(left), round(min(bottom, top), 3)) for left, _, bottom, top in extents]


def test_tiles_fill_lines_from_the_left() -> None:
    found = places(mosaic([Group(tiles=(tile(),) * 5)], columns=3))
    assert [column for column, _ in found] == [0, 1, 2, 0, 1]
    upper, lower = found[0][1], found[3][1]
    assert [top for _, top in found] == [upper] * 3 + [lower] * 2
    assert lower >= upper + 1


def test_a_tile_of_two_pictures_takes_two_columns() -> None:
    assert [column for column, _ in places(mosaic([Group(tiles=(tile(pictures=2),) * 3)], columns=5))] == [
        0,
        1,
        2,
        3,
        0,
        1,
    ]


def test_a_group_begins_below_the_one_before() -> None:
    groups = [Group(title="first", tiles=(tile("a", "b"),)), Group(title="second", tiles=(tile(),), share=0.25)]
    figure = mosaic(groups, columns=4)
    axes = figure.axes[0]
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    (_, first), (_, second) = places(figure)
    assert heights["first"] < first < heights["a"] < heights["b"] < heights["second"] < second
    (bar,) = axes.patches
    assert bar.get_width() == pytest.approx(0.25 * 4, rel=0.03)
    assert figure.get_figwidth() == WIDTH
    assert figure.get_figheight() == pytest.approx(axes.get_ylim()[0] * WIDTH / 4)


def test_text_has_the_colour_of_its_tone_and_is_cut_to_its_tile() -> None:
    long = "a name of very many letters that does not fit"
    axes = mosaic([Group(tiles=(tile("fine", tone="good"), tile(long, tone="bad"), tile(long, pictures=2)))]).axes[0]
    good, bad, wide = axes.texts
    assert (to_hex(good.get_color()), to_hex(bad.get_color())) == (style.GOOD.lower(), style.BAD.lower())
    assert bad.get_text().endswith("…")
    assert len(wide.get_text()) > len(bad.get_text())


def test_no_text_runs_over_another() -> None:
    tiles = tuple(tile("immature granulocyte", "given: erythroblast", "99.9% sure") for _ in range(12))
    figure = mosaic([Group(title="One pair", tiles=tiles), Group(title="Another", tiles=tiles)])
    style.to_png(figure)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(not one.overlaps(other) for one, other in combinations(boxes, 2))


def test_nothing_is_still_a_figure() -> None:
    assert mosaic([]).get_figheight() > 0
    assert places(mosaic([Group(title="no example was kept")])) == []
