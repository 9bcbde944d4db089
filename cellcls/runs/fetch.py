"""Downloads the files of data sets: interrupted downloads continue, and files get their final name only after size and
checksum are verified."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import attrs
from filelock import FileLock, Timeout

from cellcls.api import Download
from cellcls.errors import DataError, MissingInputError, StoppedError, UsageError, WriteError
from cellcls.ops.storage.cache import cache_key
from cellcls.ops.storage.files import cache_folder
from cellcls.ops.storage.paths import FILE_NAME, is_file_name
from cellcls.runs.connection import SCHEMES, Connection, connected

Progress = Callable[[str, int, int], None]
"""Called with a description, the number of megabytes done, and their total (0: unknown)."""
PARTIAL = ".cellcls-part"
"""Suffix of incomplete files. No other program uses it, so such files may be appended to and removed."""
_MEGA = 1_000_000
_MOST_BYTES = 100_000 * _MEGA
"""Of a file whose size its data set does not say."""
_TELL = "tell the plugin's authors"
_TRY_LATER = (408, 425, 429, 500, 502, 503, 504)
"""Status codes of temporary errors."""


@attrs.frozen(kw_only=True)
class Fetched:
    """A file with the correct checksum."""

    path: Path
    downloaded: bool
    """Whether it was downloaded now; otherwise it existed before."""


def fetch(wanted: Download, folder: Path, progress: Progress) -> Fetched:
    """Download into ``folder``, or verify an existing file.

    If the connection breaks, the data received so far stay in ``NAME.cellcls-part``, where the next call continues. No
    other file is changed or removed.

    Raises ``MissingInputError`` (no network, no such file), ``StoppedError`` (the connection broke), ``DataError``
    (not the expected file), ``WriteError``, ``UsageError`` (another process downloads it).
    """
    _refuse_invalid(wanted)
    target = folder / wanted.name
    with _locked(target):
        if target.is_dir():
            raise WriteError(f"{target}: a folder has that name", "move it away or choose another folder with --to")
        if target.exists():
            if not _is_right(wanted, target):
                raise DataError(
                    f"{target}: its checksum is not the expected {wanted.checksum}",
                    "it is damaged or a different file: move it away and run the command again",
                )
            return Fetched(path=target, downloaded=False)
        part = target.with_name(f"{target.name}{PARTIAL}")
        with _writing(target):
            folder.mkdir(parents=True, exist_ok=True)
        _receive(wanted, part, progress)
        progress(f"{wanted.name}: checking", 0, 0)
        if not _is_right(wanted, part):
            part.unlink()
            raise DataError(
                f"{wanted.address}: the download was removed: its checksum is not the expected {wanted.checksum}",
                "run the command again; if that fails, too, the file has changed: tell the plugin's authors",
            )
        if target.exists():
            raise WriteError(f"{target}: appeared while {part} was downloaded", "move one of them away")
        with _writing(target):
            part.rename(target)
        return Fetched(path=target, downloaded=True)


def _refuse_invalid(wanted: Download) -> None:
    problem = None
    if not is_file_name(wanted.name):
        problem = f"`{wanted.name}` is not a file name: {FILE_NAME}"
    elif _scheme(wanted.address) not in SCHEMES:
        problem = f"{wanted.address}: not an http or https address"
    elif not re.fullmatch("md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", wanted.checksum):
        problem = f"{wanted.name}: its checksum `{wanted.checksum}` is neither md5:HEX nor sha256:HEX"
    if problem:
        raise DataError(problem, _TELL)


def _scheme(address: str) -> str:
    try:
        return urlsplit(address).scheme
    except ValueError:
        return ""


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Keep a second process from downloading the same file."""
    place = cache_folder() / f"fetch-{cache_key(target.resolve())}.lock"
    lock = FileLock(place, timeout=0)
    with _writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise UsageError(f"{target}: another cellcls fetch is downloading it", "wait until it is done") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"{path}: cannot write: {error.strerror or error}",
            "free some space or choose another folder with --to; the data received so far are kept",
        ) from error


def _receive(wanted: Download, part: Path, progress: Progress) -> None:
    """Download the missing rest of the partial file. Raises what ``fetch`` raises."""
    done = part.stat().st_size if part.exists() else 0
    if done == wanted.bytes:
        return
    with _answer(wanted, part, done) as answer:
        if answer is None:
            return
        response = answer.response
        if done and response.status != http.HTTPStatus.PARTIAL_CONTENT:
            progress(f"{wanted.name}: the server cannot continue the download; starting over", 0, 0)
            done = 0
        length = response.headers.get("Content-Length", "")
        told = re.fullmatch("[0-9]{1,18}", length)
        total = done + int(length) if told else wanted.bytes
        if wanted.bytes not in (None, total):
            raise DataError(
                f"{wanted.address}: has {total:,} bytes, not the expected {wanted.bytes:,}",
                "the file has changed: tell the plugin's authors",
            )
        if wanted.bytes is None and (total or 0) > _MOST_BYTES:
            raise DataError(f"{wanted.address}: {total:,} bytes are more than any data set has", _TELL)
        _refuse_full(part.parent, (total or 0) - done)
        _store(wanted, answer, part, done, total, progress)


@contextmanager
def _answer(wanted: Download, part: Path, done: int) -> Iterator[Connection | None]:
    """Yield the server's answer to a request for the missing rest; None if there is nothing more."""
    headers = {"User-Agent": "cellcls", "Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
    with ExitStack() as opened:
        try:
            answer = opened.enter_context(connected(wanted.address, headers))
        except urllib.error.HTTPError as error:
            with closing(error):  # it may be closed already
                if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not done:
                    raise _refusal(wanted.address, error) from error
            yield None
            return
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise MissingInputError(
                f"{wanted.address}: cannot be reached: {_why(error)}",
                "check the network, or a proxy (https_proxy)",
                f"or download it elsewhere and save it as {part.with_suffix('')}",
            ) from error
        yield answer


def _refuse_full(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise WriteError(
            f"{folder}: {needed / _MEGA:,.0f} MB are needed, but only {free / _MEGA:,.0f} MB are free",
            "free some space or choose another folder with --to",
        )


def _refusal(address: str, error: urllib.error.HTTPError) -> Exception:
    message = f"{address}: the server answers {error.code} {str(error.reason)[:200]}"
    if error.code in _TRY_LATER:
        return StoppedError(message, "run the command again later; the data received so far are kept")
    return MissingInputError(
        message, "the file may have moved: see the data set's web page, and tell the plugin's authors"
    )


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)[:300]


def _store(wanted: Download, answer: Connection, part: Path, done: int, total: int | None, progress: Progress) -> None:
    with _writing(part):
        file = part.open("ab" if done else "wb")
    with file:
        for block in _blocks(answer, wanted, part):
            done += len(block)
            if done > (most := _MOST_BYTES if total is None else total):
                file.close()
                part.unlink()
                raise DataError(
                    f"{wanted.address}: sends more than {most:,} bytes; what came was removed",
                    "run the command again later",
                )
            with _writing(part):
                file.write(block)
            if done // _MEGA != (done - len(block)) // _MEGA:
                progress(f"{wanted.name}: megabytes", done // _MEGA, (total or 0) // _MEGA)
        with _writing(part):
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done < total:
        raise _broken(wanted, part, f"{done:,} of {total:,} bytes arrived")


def _blocks(answer: Connection, wanted: Download, part: Path) -> Iterator[bytes]:
    blocks = answer.blocks()
    while True:
        try:
            block = next(blocks, b"")
        except (OSError, http.client.HTTPException) as error:
            raise _broken(wanted, part, _why(error)) from error
        if not block:
            return
        yield block


def _broken(wanted: Download, part: Path, why: str) -> StoppedError:
    return StoppedError(f"{wanted.address}: the connection broke: {why}", f"run the command again to continue {part}")


def _is_right(wanted: Download, path: Path) -> bool:
    """Return whether a file has the expected checksum. Raises ``DataError`` if it cannot be read."""
    method, _, expected = wanted.checksum.partition(":")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.new(method, usedforsecurity=False))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read: {error.strerror or error}", "move it away and run the command again"
        ) from error
    return digest.hexdigest() == expected
