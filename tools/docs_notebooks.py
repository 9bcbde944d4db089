"""Write the tutorials as notebooks: the same text and the same blocks, ready to run.

python tools/docs_notebooks.py build/notebooks

Links lead to the other notebooks, and to the built site where it lies beside them (``build/site``).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

TUTORIALS = Path(__file__).parents[1] / "docs/tutorials"
_BLOCK = re.compile(
    r'^(?:<!-- (?P<mark>[^>]*) -->\n+)?```(?P<language>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"^<!--.*?-->\n+", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#]+)(?P<anchor>#[^)]*)?\)")


def notebook(page: Path) -> nbformat.NotebookNode:
    """Return a page as a notebook: commands in ``%%bash``, files by ``%%writefile``, outputs left to be made."""
    text, at, cells = page.read_text(encoding="utf-8"), 0, []
    for block in _BLOCK.finditer(text):
        code = list(_cells(block))
        until = block.end() if not code else block.start()
        cells += [*_prose(text[at:until]), *map(new_code_cell, code)]
        at = block.end()
    cells += _prose(text[at:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # else drawn at random
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _prose(text: str) -> list[nbformat.NotebookNode]:
    plain = _LINK.sub(_led, _COMMENT.sub("", text)).strip()
    return [new_markdown_cell(plain)] if plain else []


def _led(link: re.Match[str]) -> str:
    """Lead a link of the page to the notebook beside it, or to the built site."""
    path = PurePosixPath(link["path"])
    if path.suffix == ".md":
        target = f"{path.stem}.ipynb" if len(path.parts) == 1 else f"../site/tutorials/{path.with_suffix('.html')}"
    else:
        target = f"../site/tutorials/{path}"
    return f"]({target}{link['anchor'] or ''})"


def _cells(block: re.Match[str]) -> Iterator[str]:
    """Yield the cells of a block; none where it is not to be run."""
    language, title, text = block["language"], block["title"], block["text"].rstrip()
    if (block["mark"] or "").startswith("not run"):
        return
    if title:
        if "/" in title:
            yield f"%mkdir -p {PurePosixPath(title).parent}"
        yield f"%%writefile {title}\n{text}"
    elif language == "console":
        yield f"%%bash -e\n{_script(text)}"
    elif language == "python":
        yield text


def _script(console: str) -> str:
    """Return the commands of a console block without their output; one that may fail shows its exit code."""
    lines, going_on = [], False
    for line in console.splitlines():
        if line == "$ echo $?":
            lines[-1] += " || echo $?"
        elif going_on or line.startswith("$ "):
            lines.append(line if going_on else line.removeprefix("$ "))
            going_on = line.endswith("\\")
    return "\n".join(lines)


def main() -> None:
    """Write all."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for page in sorted(TUTORIALS.glob("*.md")):
        nbformat.write(notebook(page), folder / f"{page.stem}.ipynb")


if __name__ == "__main__":
    main()
