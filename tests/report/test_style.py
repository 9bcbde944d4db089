"""One look, whatever the user's own settings are, and files that are equal for equal figures."""

from __future__ import annotations

import io
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from cellcls.report import style


def drawn(text: str = "x") -> bytes:
    with style.drawing():
        figure, axes = style.new_figure(1.0, 2.0)
        axes.set_title(text)
        return style.to_png(figure)


def test_a_picture_is_its_size_in_inches_and_no_larger() -> None:
    with Image.open(io.BytesIO(drawn())) as image:
        assert image.size == (2 * style.DPI, style.DPI)
        assert image.mode == "RGB"
        assert not image.info, "no date and no version"


def test_a_users_settings_change_nothing_and_are_left_as_they_were() -> None:
    plain = drawn()
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "black", "text.usetex": False, "savefig.dpi": 20}):
        assert drawn() == plain
        assert mpl.rcParams["font.size"] == 20
        assert mpl.rcParams["axes.facecolor"] == "black"


def test_a_letter_that_no_font_has_is_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn("嗜 $x^")


def test_pixels_survive_the_file() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(style.encode_png(picture)))), picture)


@pytest.mark.parametrize(("colour", "half"), [("#000000", "#7F7F7F"), ("#FFFFFF", "#FFFFFF"), ("#FF0080", "#FF7FBF")])
def test_pale_is_half_way_to_white(colour: str, half: str) -> None:
    assert style.pale(colour) == half


def test_colours_of_classes_repeat_beyond_eight() -> None:
    colours = [style.class_colour(label) for label in range(16)]
    assert len(set(colours[:8])) == 8
    assert colours[:8] == colours[8:]


@pytest.mark.parametrize(("text", "shown"), [("four", "four"), ("seven77", "seve…"), ("", "")])
def test_a_long_text_is_cut_to_the_letters_there_are(text: str, shown: str) -> None:
    assert style.shorten(text, 5) == shown


def test_panels_share_an_axis_unless_each_has_its_own_height() -> None:
    _, shared = style.new_panels(2.0, 3)
    shared[0].set_xlim(0, 9)
    assert [axes.get_xlim() for axes in shared] == [(0, 9)] * 3
    figure, own = style.new_panels(4.0, 2, heights=(1, 3))
    own[0].set_xlim(0, 9)
    assert own[1].get_xlim() != (0, 9)
    figure.draw_without_rendering()
    low, high = (axes.get_position().height for axes in own)
    assert high == pytest.approx(3 * low, rel=0.05)
