"""The style of all figures: colours, fonts, sizes, and PNG files that are reproducible byte for byte."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

CLASS_COLOURS = ("#CC6677", "#332288", "#DDCC77", "#117733", "#88CCEE", "#882255", "#44AA99", "#AA4499")
"""One per class, in the order of the labels: Paul Tol's "muted" scheme, safe for colour-blind readers."""
TRAIN, VAL, TEST = "#4477AA", "#EE6677", "#228833"
"""The parts of the data: from Paul Tol's "bright" scheme."""
OTHERS = ("#AA3377", "#CCBB44", "#66CCEE")
GOOD, BAD = "#228833", "#CC3311"
INK, FAINT, GRID, DROPPED = "#1f2328", "#656d76", "#e4e7eb", "#c9ced6"

WIDTH = 5.4
"""Width of a chart in inches: two fit side by side on a desktop page, one fills a phone."""
DPI = 160

_RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same letters on every machine
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": FAINT,
    "axes.edgecolor": DROPPED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "text.parse_math": False,  # a class may be called `$x$`
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def drawing() -> Iterator[None]:
    """Apply this style within the block, whatever the user's matplotlibrc says, and restore theirs afterwards."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a box in a figure; the page has the letter
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def new_figure(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """Return an empty figure of ``width`` x ``height`` inches with one Axes."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    return figure, figure.add_subplot()


def new_panels(
    height: float, panels: int, width: float = WIDTH, *, heights: Sequence[float] | None = None
) -> tuple[Figure, Sequence[Axes]]:
    """Return an empty figure with ``panels`` Axes below each other: of equal height and with a shared x axis, or of
    these relative ``heights``, each with its own."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = figure.subplots(panels, 1, sharex=heights is None, height_ratios=heights, squeeze=False)
    return figure, list(axes[:, 0])


def to_png(figure: Figure) -> bytes:
    """Return the figure as a PNG without date and version, so that equal figures give equal files."""
    canvas: Any = FigureCanvasAgg(figure)  # its methods are not annotated
    canvas.draw()
    return encode_png(np.asarray(canvas.buffer_rgba())[..., :3])


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """Return an image (H, W, 3), 0..255, as a PNG. Level 3: four times as fast as the default, and hardly larger."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def class_colour(position: int) -> str:
    """Return the colour of the class with this label; they repeat after eight."""
    return CLASS_COLOURS[position % len(CLASS_COLOURS)]


def pale(colour: str) -> str:
    """Return a colour (``#RRGGBB``) halfway to white."""
    return "#" + "".join(f"{(int(colour[at : at + 2], 16) + 255) // 2:02X}" for at in (1, 3, 5))


def shorten(text: str, letters: int) -> str:
    """Cut a text that is longer than ``letters``."""
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
