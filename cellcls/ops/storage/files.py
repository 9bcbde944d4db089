"""Atomic file writes: after a crash, a kill or a full disk, a file has its old or its new content, never a mixture."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cellcls.errors import WriteError
from cellcls.ops.storage.paths import folder_in

JsonObject = dict[str, Any]
"""An object of a JSON file as it was read; what its values are is found out where it becomes a record."""

_TEMPORARY = ".cellcls-tmp"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder, which replaces ``path`` when the block ends.

    If the block raises, the temporary file is removed and ``path`` is unchanged. Raises ``WriteError`` for errors of
    the operating system (full disk, no permission).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # safetensors creates files that only the owner can read
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise WriteError(
            f"{path}: cannot write: {error.strerror or error}",
            "free some space or choose another folder with --out; existing files are unchanged",
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def replacing_within(path: Path) -> Iterator[Path]:
    """Like ``replacing``, for writers that create temporary files next to the given path, which is therefore in a
    private folder."""
    folder = path.with_name(f".{path.name}.{os.getpid()}.within{_TEMPORARY}")
    with replacing(path) as temporary:
        folder.mkdir(exist_ok=True)
        try:
            yield folder / path.name
            (folder / path.name).replace(temporary)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows cannot sync a folder
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)  # Windows syncs what can be written
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def printable(path: Path | str) -> str:
    r"""Return a path as text; bytes that are not valid UTF-8 are escaped (``x\xff.png``)."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    write_bytes(path, text.encode())


def to_json(value: Any) -> str:
    """Return ``value`` as indented JSON. Raises ``ValueError`` for NaN, which is not valid JSON."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON to ``path`` atomically."""
    write_text(path, to_json(value))


def is_temporary(path: Path) -> bool:
    """Return whether a file is a temporary file of ``replacing``."""
    return path.name.startswith(".") and path.name.endswith(_TEMPORARY)


def temporaries(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the temporary files of ``replacing`` in ``folder``, each with the file that it was to replace."""
    for path in folder.glob(f".*{_TEMPORARY}"):
        name, _, _process = path.name.removeprefix(".").removesuffix(_TEMPORARY).rpartition(".")
        if name:
            yield path, path.with_name(name)


def sweep(folder: Path) -> None:
    """Remove temporary files that a killed process left in ``folder`` and below."""
    for leftover in list(folder.rglob(f".*{_TEMPORARY}")):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Return the folder for data that can be recomputed, such as decoded images: ``$CELLCLS_CACHE`` if set."""
    configured = folder_in("CELLCLS_CACHE")
    if configured is not None:
        return configured
    import platformdirs

    return Path(platformdirs.user_cache_dir("cellcls"))
