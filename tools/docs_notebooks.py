"""Write the tutorials as notebooks: the same text and the same blocks, ready to run.

python tools/docs_notebooks.py build/notebooks
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import jupytext
from nbformat import NotebookNode

TUTORIALS = Path(__file__).parents[1] / "docs/tutorials"
_BLOCK = re.compile(
    r'^```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)
_COMMENT = re.compile(r"^<!--.*?-->\n+", re.MULTILINE | re.DOTALL)


def notebook(page: Path) -> NotebookNode:
    """Return a page as a notebook: commands after ``!``, files written by ``%%writefile``, outputs left to be made."""
    text = _COMMENT.sub("", page.read_text(encoding="utf-8"))
    return jupytext.reads(_BLOCK.sub(_cell, text), fmt="md")


def _cell(block: re.Match[str]) -> str:
    text = block["text"]
    if block["title"]:
        text = f"!mkdir -p {Path(block['title']).parent}\n%%writefile {block['title']}\n{text}"
        text = text if "/" in block["title"] else text.partition("\n")[2]
    elif block["language"] == "console":
        text = "".join(f"!{line.removeprefix('$ ')}\n" for line in text.splitlines() if line.startswith("$ "))
    return f"```python\n{text}```"


def main() -> None:
    """Write all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for page in sorted(TUTORIALS.glob("*.md")):
        jupytext.write(notebook(page), folder / f"{page.stem}.ipynb")


if __name__ == "__main__":
    main()
