"""Writing files so that a crash, a kill or a full disk leaves the old file or the new one, never half of either."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cellcls.errors import WriteError

_TEMPORARY = ".cellcls-tmp"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; at the end it is synced and takes the place of ``path``.

    When the block raises, the temporary file is removed and ``path`` is as before. A refusal of the system (full disk,
    no permission) becomes ``WriteError``.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # safetensors puts a file in its place that only the owner may read
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise WriteError(
            f"{path}: cannot write: {error.strerror or error}",
            "make room or choose another folder with --out; what was there before is unchanged",
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows cannot sync a folder
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def printable(path: Path | str) -> str:
    r"""Return a file's name as text; bytes of it that are no UTF-8 are written out (``x\xff.png``)."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` as a whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` as a whole or not at all."""
    write_bytes(path, text.encode())


def to_json(value: Any) -> str:
    """Return ``value`` as indented JSON. NaN is not JSON: it raises ``ValueError``."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON to ``path`` as a whole or not at all."""
    write_text(path, to_json(value))


def is_temporary(path: Path) -> bool:
    """Tell whether a file is one that ``replacing`` was writing."""
    return path.name.startswith(".") and path.name.endswith(_TEMPORARY)


def sweep(folder: Path) -> None:
    """Remove temporary files that a killed process left in ``folder`` and below."""
    for leftover in folder.rglob(f".*{_TEMPORARY}"):
        leftover.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Return where things lie that can be made anew, such as decoded copies of data sets (``CELLCLS_CACHE`` moves
    it)."""
    named = os.environ.get("CELLCLS_CACHE")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("cellcls"))
