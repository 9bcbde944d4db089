"""Write CHANGELOG.md from the fragments in docs/changes, in the order of their numbers.

python tools/changelog.py [--check]
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import tomli

ROOT = Path(__file__).parents[1]
HEAD = """\
# Changelog

Made by `make changelog` from the fragments in `docs/changes/`, one for each change that a user notices; do not edit.

"""


def page(folder: Path = ROOT / "docs/changes") -> str:
    """Return the text of the changelog of the fragments in ``folder``."""
    version = tomli.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    fragments = sorted(folder.glob("*.md"), key=_place)
    entries = ["- " + "\n  ".join(_fragment(path).splitlines()) for path in fragments]
    return f"{HEAD}## {version}, not released\n\n" + "\n".join(entries) + "\n"


def _fragment(path: Path) -> str:
    """Return a fragment's text. Raises ``ValueError`` where it is no plain paragraph."""
    text = path.read_text(encoding="utf-8").strip()
    if not text or text.startswith(("-", "*", "#")) or "\n\n" in text:
        raise ValueError(f"{path}: a fragment is one paragraph, as it becomes one item of a list")
    return text


def _place(path: Path) -> tuple[int, str]:
    number = re.match(r"\d+", path.name)
    return int(number[0]) if number else 10**6, path.name


def main() -> int:
    """Write the page, or with --check tell whether it is up to date."""
    target = ROOT / "CHANGELOG.md"
    if "--check" in sys.argv:
        return 0 if target.exists() and target.read_text(encoding="utf-8") == page() else 1
    target.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
