"""What a browser would see of a page."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from cellcls.report.page import render
from cellcls.report.read import read_run
from cellcls.report.run_page import run_page


class Seen(HTMLParser):
    """What a browser would see: text, tags, and the addresses it would ask for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        if self.tags[-1:] == ["h2"] and data.strip():
            self.headings.append(data.strip())
        self.text += data


def page_of(run: Path) -> Seen:
    """The page without its figures, which take most of the time."""
    return Seen(render(run_page(read_run(run), {})))
