"""Downloading the files of data sets: resumed where it stopped, checked, and under their name only when whole."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import attrs
from filelock import FileLock, Timeout

from cellcls.api import Download
from cellcls.errors import DataError, MissingInputError, StoppedError, UsageError, WriteError
from cellcls.ops.storage.cache import cache_key
from cellcls.ops.storage.files import cache_folder, write_text

Shows = Callable[[str, int, int], None]
"""Is told what is done, how many megabytes of it, and of how many (0: unknown)."""
_BLOCK = 1 << 20
_SECONDS = 30
_MEGA = 1_000_000
_SCHEMES = ("http", "https")
_LATER = (408, 425, 429, 500, 502, 503, 504)
"""Answers of a server that may be others a little later."""


@attrs.frozen(kw_only=True)
class Fetched:
    """A file that is there, and how it is known to be the right one."""

    path: Path
    bytes: int
    checksum: str
    """``md5:HEX`` or ``sha256:HEX``."""
    published: bool
    """Whether its authors publish the checksum; else it was recorded at the first download."""
    downloaded: bool
    """Whether it was downloaded now; else it was there."""
    recorded: bool
    """Whether the checksum was recorded just now, as there was none to compare with."""


def fetch(wanted: Download, folder: Path, shows: Shows) -> Fetched:
    """Download into ``folder``, or check the file that is there already.

    What a broken download got stays in NAME.part, and the next call goes on from there. Raises ``MissingInputError``
    (no network, no such file), ``StoppedError`` (broken off), ``DataError`` (not the file that was wanted),
    ``WriteError``, ``UsageError``.
    """
    _refuse_odd(wanted)
    target = folder / wanted.name
    with _alone(target):
        if target.is_dir():
            raise WriteError(f"{target}: a folder has that name", "move it away or choose another folder with --to")
        if target.exists():
            return _checked(wanted, target, target, downloaded=False)
        part = _Part(target)
        with _writing(target):
            folder.mkdir(parents=True, exist_ok=True)
        _receive(wanted, part, shows)
        shows(f"{wanted.name}: checking", 0, 0)
        fetched = _checked(wanted, part.path, target, downloaded=True)
        part.validator.unlink(missing_ok=True)
        return fetched


class _Part:
    """What has come of a file so far, and by which mark the server tells whether it is still the same file."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.validator = target.with_name(f"{target.name}.part.mark")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def mark(self) -> str:
        return _text(self.validator)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.validator.unlink(missing_ok=True)


def _refuse_odd(wanted: Download) -> None:
    if Path(wanted.name).name != wanted.name or wanted.name in ("", ".", ".."):
        raise DataError(f"`{wanted.name}` is no name of a file", "tell the plugin's authors")
    _refuse_scheme(wanted.address)


def _refuse_scheme(address: str) -> None:
    if urlsplit(address).scheme not in _SCHEMES:
        raise DataError(f"{address}: only http and https are followed", "tell the plugin's authors")


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keep a second process from writing to the same part."""
    place = cache_folder() / f"fetch-{cache_key(target.resolve())}.lock"
    lock = FileLock(place, timeout=0)
    with _writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout as error:
            raise UsageError(f"{target}: another cellcls fetch downloads it just now", "wait for it to end") from error
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
            "make room or choose another folder with --to; what has come so far is kept",
        ) from error


# --- receiving --------------------------------------------------------------------------------------------------


def _receive(wanted: Download, part: _Part, shows: Shows) -> None:
    if part.size and not (wanted.checksum or part.mark):
        part.forget()  # nothing could tell whether the rest belongs to the same file
    if wanted.bytes is not None and part.size > wanted.bytes:
        part.forget()
    if wanted.bytes is not None and part.size == wanted.bytes:
        return
    with _answer(wanted, part) as answer:
        if answer is None:  # the server has nothing beyond what is here
            return
        start, total = _extent(answer, part.size)
        if wanted.bytes is not None and total is not None and total != wanted.bytes:
            raise DataError(
                f"{wanted.address}: has {total:,} bytes, where {wanted.bytes:,} are expected",
                "the file has changed since its size was published; ask its authors",
            )
        if part.size and not start:
            shows(
                f"{wanted.name}: the server cannot go on where it stopped (or the file changed); from the start", 0, 0
            )
        total = wanted.bytes if total is None else total
        _room(part.path.parent, (total or 0) - start)
        with _writing(part.path):
            mark = _mark(answer)
            write_text(part.validator, mark) if mark else part.validator.unlink(missing_ok=True)
        _store(wanted, answer, part, start, total, shows)


@contextmanager
def _answer(wanted: Download, part: _Part) -> Iterator[http.client.HTTPResponse | None]:
    """Yield the server's answer to a request for what is missing; None where nothing is."""
    headers = {"User-Agent": "cellcls", "Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        if part.mark:
            headers["If-Range"] = part.mark
    request = urllib.request.Request(wanted.address, headers=headers)  # the scheme was looked at
    try:
        answer = _OPENER.open(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.size:
                if _of_range(error.headers.get("Content-Range")) != part.size:
                    part.forget()
                    raise StoppedError(
                        f"{part.path}: is no beginning of {wanted.address} and was removed", "run it again"
                    ) from error
                yield None
                return
            raise _refused(wanted.address, error) from error
    except (OSError, http.client.HTTPException) as error:
        raise MissingInputError(
            f"{wanted.address}: cannot be reached: {_why(error)}",
            "check the network, or a proxy (https_proxy)",
            f"or download it elsewhere and put it there as {part.path.with_suffix('')}",
        ) from error
    with answer:
        yield answer


class _OnlyWeb(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https, and never from https to http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Return the next request. Raises ``DataError``."""
        _refuse_scheme(newurl)
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise DataError(f"{req.full_url}: leads to {newurl}, which is not encrypted", "tell the plugin's authors")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_OnlyWeb)


def _refused(address: str, error: urllib.error.HTTPError) -> Exception:
    if 300 <= error.code < 400:  # urllib says where it leads
        return DataError(f"{address}: {error.msg}", "only http and https are followed; tell the plugin's authors")
    said = f"{address}: the server answers {error.code} {error.reason}"
    if error.code in _LATER:
        return StoppedError(said, "run it again later; what has come so far is kept")
    return MissingInputError(said, "the file may have moved: look at the data set's own page, and tell its plugin")


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)


def _extent(answer: http.client.HTTPResponse, have: int) -> tuple[int, int | None]:
    """Return where the answer starts in the file, and the file's size where it is told. Raises ``DataError``."""
    if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
        told = answer.headers.get("Content-Range", "")
        if not told.startswith(f"bytes {have}-"):
            raise DataError(
                f"{answer.url}: answers with another piece than was asked for: {told}", "run it again later"
            )
        return have, _of_range(told)
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _of_range(told: str | None) -> int | None:
    total = (told or "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


def _mark(answer: http.client.HTTPResponse) -> str:
    """Return what ``If-Range`` takes: a strong ETag, else the date of the last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")


def _room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise WriteError(
            f"{folder}: {needed / _MEGA:,.0f} MB are still to come and {free / _MEGA:,.0f} MB are free",
            "make room or choose another folder with --to",
        )


def _store(wanted: Download, answer: IO[bytes], part: _Part, start: int, total: int | None, shows: Shows) -> None:
    done = start
    with _writing(part.path):
        file = part.path.open("ab" if start else "wb")
    with file:
        for block in _blocks(answer, wanted, part):
            done += len(block)
            if total is not None and done > total:
                raise DataError(f"{wanted.address}: sends more than the {total:,} bytes it has", "run it again later")
            with _writing(part.path):
                file.write(block)
            shows(f"{wanted.name}: megabytes", done // _MEGA, (total or 0) // _MEGA)
        with _writing(part.path):
            file.flush()
            os.fsync(file.fileno())
    if total is not None and done < total:
        raise _broken(wanted, part, f"{done:,} of {total:,} bytes came")


def _blocks(answer: IO[bytes], wanted: Download, part: _Part) -> Iterator[bytes]:
    while True:
        try:
            block = answer.read(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise _broken(wanted, part, _why(error)) from error
        if not block:
            return
        yield block


def _broken(wanted: Download, part: _Part, why: str) -> StoppedError:
    return StoppedError(f"{wanted.address}: the connection broke: {why}", f"run it again: it goes on from {part.path}")


# --- checking ---------------------------------------------------------------------------------------------------


def _checked(wanted: Download, file: Path, target: Path, *, downloaded: bool) -> Fetched:
    """Check ``file`` by the published checksum or the recorded one, and give it its name. Raises ``DataError``."""
    record = target.with_name(f"{target.name}.sha256")
    expected = wanted.checksum or _recorded(record)
    method = expected.partition(":")[0] if expected else "sha256"
    if method not in ("md5", "sha256"):
        raise DataError(
            f"{wanted.name}: its checksum `{expected}` is neither md5 nor sha256", "tell the plugin's authors"
        )
    found = f"{method}:{_digest(file, method)}"
    if expected and found != expected.lower():
        if downloaded:
            _Part(target).forget()
        raise DataError(
            f"{target}: its {found} is not the expected {expected}",
            f"what came was removed; run it again. Twice the same: {wanted.address} has changed"
            if downloaded
            else "it is damaged or another file: move it away and run it again",
        )
    with _writing(target):
        size = file.stat().st_size
        if downloaded:
            file.replace(target)
        if not expected:
            write_text(record, f"{found.partition(':')[2]}  {target.name}\n")
    return Fetched(
        path=target,
        bytes=size,
        checksum=found,
        published=wanted.checksum is not None,
        downloaded=downloaded,
        recorded=not expected,
    )


def _digest(file: Path, method: str) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, lambda: hashlib.new(method, usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise DataError(
            f"{file}: cannot be read: {error.strerror or error}", "move it away and run it again"
        ) from error


def _recorded(record: Path) -> str | None:
    words = _text(record).split()
    return f"sha256:{words[0].lower()}" if words else None


def _text(note: Path) -> str:
    """Return what a note beside a file says, stripped; nothing where there is none or it is no text."""
    try:
        return note.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
