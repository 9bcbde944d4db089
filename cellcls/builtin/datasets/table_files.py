"""Which file a row of a table means, on whatever machine and by whatever tool the table was written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from cellcls.ops.storage.decode import EXTENSIONS

_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_DRIVE = re.compile(r"^[a-zA-Z]:")
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""Label Studio puts this before the name of an uploaded file."""


def find_file(root: Path, value: str) -> Path | None:
    r"""Return the file that a table names ``value``, or None.

    A relative path is below ``root``, with ``/`` or ``\`` in it. Of an absolute path or address that is not here, the
    longest end that is below ``root`` counts: ``C:\lab\cells\1.png`` may be ``cells/1.png`` or ``1.png``. The suffix of
    an image may be left out.
    """
    return next((path for path in _candidates(root, value) if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, or one with a null byte
        return False


def _candidates(root: Path, value: str) -> Iterator[Path]:
    for path in _places(root, value):
        yield path
        if path.name and path.suffix.lower() not in EXTENSIONS:
            yield from (path.with_name(path.name + suffix) for suffix in (*sorted(EXTENSIONS), ".JPG", ".PNG"))


def _places(root: Path, value: str) -> Iterator[Path]:
    if not value:
        return
    yield root / value
    address = _address(value) if _SCHEME.match(value) or value.startswith("/data/") else None
    if address is not None:
        local = parse_qs(address.query).get("d", [unquote(address.path)])[0]  # /data/local-files/?d=cells/1.png
        yield from _ends(root, local)
        return
    forward = value.replace("\\", "/")
    if value.startswith("/") or forward.startswith("//") or _DRIVE.match(value):
        yield from _ends(root, _DRIVE.sub("", forward))
    else:
        yield root / forward


def _address(value: str) -> SplitResult | None:
    try:
        return urlsplit(value)
    except ValueError:  # such as a bracket without its end
        return None


def _ends(root: Path, path: str) -> Iterator[Path]:
    steps = [step for step in path.split("/") if step not in ("", ".", "..")]
    for start in range(len(steps)):
        yield root.joinpath(*steps[start:])
    if steps and _UPLOADED.match(steps[-1]):
        yield root / _UPLOADED.sub("", steps[-1])
