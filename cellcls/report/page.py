"""Renders a self-contained page from sections of blocks. The reports of runs, audits and comparisons are such pages."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import attrs
import jinja2
import numpy as np
from markupsafe import Markup, escape
from PIL import Image

from cellcls.report.style import encode_png

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellcls.report.pictures import Group

LARGEST_TILE = 160
"""Maximum width of a gallery's images in pixels."""

_HERE = Path(__file__).parent
_NUMBER = re.compile(r"[-+–]?(\d.*)?")


@attrs.frozen
class Paragraph:
    """A paragraph; text between backticks is set as code."""

    block: ClassVar[str] = "paragraph"
    text: str


@attrs.frozen(kw_only=True)
class TableBlock:
    """Rows of text by heading. ``tones``: the tone of cells with this text; ``dots``: a colour for cells of the first
    column with this text; ``note``: a line below."""

    block: ClassVar[str] = "table"
    rows: Sequence[Mapping[str, str]]
    note: str = ""
    tones: Mapping[str, Literal["good", "bad"]] = attrs.field(factory=dict)
    dots: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def headings(self) -> list[str]:
        """The columns, in the order of the first row."""
        return list(self.rows[0]) if self.rows else []

    @property
    def numeric(self) -> set[str]:
        """The columns of numbers, which are right-aligned."""
        return {key for key in self.headings if all(_NUMBER.fullmatch(row.get(key, "")) for row in self.rows)}


@attrs.frozen(kw_only=True)
class Chart:
    """A figure on white as PNG. On a dark page its lightness is inverted, unless it contains ``photos``, which also
    take the full width."""

    block: ClassVar[str] = "chart"
    png: bytes
    alt: str
    caption: str
    photos: bool = False

    @property
    def uri(self) -> str:
        """The figure as a data URI."""
        return _png_uri(self.png)


@attrs.frozen(kw_only=True)
class Charts:
    """Charts side by side where the screen is wide enough."""

    block: ClassVar[str] = "charts"
    charts: Sequence[Chart]


@attrs.frozen(kw_only=True)
class Gallery:
    """Groups of single cells, as many side by side as fit on the screen."""

    block: ClassVar[str] = "gallery"
    groups: Sequence[Group]
    title: str = ""
    caption: str = ""


@attrs.frozen(kw_only=True)
class CodeBlock:
    """Lines of code, commands or any other preformatted text."""

    block: ClassVar[str] = "code"
    lines: Sequence[str]


@attrs.frozen(kw_only=True)
class Raw:
    """HTML that is escaped already."""

    block: ClassVar[str] = "raw"
    html: Markup


@attrs.frozen(kw_only=True)
class Fold:
    """Blocks that are hidden until the reader opens them."""

    block: ClassVar[str] = "fold"
    title: str
    blocks: Sequence[Block]


Block = Paragraph | TableBlock | Charts | Gallery | CodeBlock | Raw | Fold


@attrs.frozen(kw_only=True)
class Section:
    """A heading and its blocks."""

    title: str
    blocks: Sequence[Block]

    @property
    def anchor(self) -> str:
        """The section's ID, for links to it."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")


@attrs.frozen(kw_only=True)
class Page:
    """A title, a one-sentence verdict, key facts, prominent warnings and the sections."""

    title: str
    verdict: str
    kind: str
    facts: Mapping[str, str] = attrs.field(factory=dict)
    banners: Sequence[tuple[str, str]] = ()
    """A word in capitals, and its explanation."""
    sections: Sequence[Section] = ()
    style: str = ""
    """Additional CSS for this page."""
    script: str = ""
    """JavaScript for this page; no other script is allowed to run."""

    @property
    def script_policy(self) -> str:
        """The Content-Security-Policy directive that allows this script, by its hash, and no other."""
        digest = base64.b64encode(hashlib.sha256(self.script.encode()).digest()).decode()
        return f"; script-src 'sha256-{digest}'" if self.script else ""


def render(page: Page) -> str:
    """Return the page as one self-contained HTML file. All text in it is escaped."""
    loader = jinja2.FileSystemLoader(_HERE)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"picture": picture_uri, "prose": _prose}
    css = Markup((_HERE / "page.css").read_text(encoding="utf-8") + page.style)  # our own, not a user's text
    return environment.get_template("page.html.j2").render(page=page, css=css, script=Markup(page.script))


def picture_uri(picture: NDArray[np.uint8]) -> str:
    """Return an image (H, W, 3), 0..255, as a data URI of a PNG, shrunk to at most ``LARGEST_TILE`` pixels."""
    image = Image.fromarray(picture)
    image.thumbnail((LARGEST_TILE, LARGEST_TILE))
    return _png_uri(encode_png(np.asarray(image)))


def _prose(text: str) -> Markup:
    """Escape a text, and set what is between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _png_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
