"""Take the README's pictures anew: the report of the quickstart, and the audit of the tutorial's dirty set.

python tools/docs_screenshots.py docs/images

Needs Chromium. The pictures are committed, as README is read where nothing is built.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from docs_browser import opened
from docs_pictures import block, execute
from playwright.sync_api import Browser

RECIPE = Path(__file__).parents[1] / "recipes/quickstart.toml"
WIDTH = 1000


def main() -> None:
    """Take both."""
    folder = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as name, opened() as browser:
        place = Path(name)
        execute(place, "-m", "cellcls", "run", str(RECIPE), "--out", "run")
        shoot(browser, place / "run/report.html", "body", folder / "report.png")
        execute(place, "-c", block("clean-a-dirty-data-set", "python"))
        execute(place, "-m", "cellcls", "audit", "cells.npz", "--out", "audit")
        shoot(browser, place / "audit/audit.html", "#download", folder / "audit.png")


def shoot(browser: Browser, page: Path, what: str, target: Path) -> None:
    """Save what stands on a page from the heading above ``what`` on."""
    shown = browser.new_page(viewport={"width": WIDTH, "height": 850}, color_scheme="light")
    shown.goto(page.resolve().as_uri())
    top = shown.evaluate(
        "what => { const found = document.querySelector(what); const section = found.closest('section') || found;"
        " const top = section.getBoundingClientRect().top + scrollY; scrollTo(0, top - 20); return top }",
        what,
    )
    assert top >= 0
    shown.screenshot(path=target)
    shown.close()


if __name__ == "__main__":
    main()
