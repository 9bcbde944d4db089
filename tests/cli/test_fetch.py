"""Downloads from a server of this test's own: resumed, broken, changed, refused."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from cellcls.api import Download
from cellcls.builtin.datasets import MedMNIST
from cellcls.errors import CellclsError, DataError, ExitCode, MissingInputError, StoppedError, UsageError, WriteError
from cellcls.runs.fetch import Fetched, fetch

from .conftest import Cli

BODY = np.random.default_rng(0).bytes(3_000_000)
MD5 = f"md5:{hashlib.md5(BODY).hexdigest()}"
SHA256 = f"sha256:{hashlib.sha256(BODY).hexdigest()}"


@attrs.define
class Server:
    """What the server does, and what it was asked."""

    body: bytes = BODY
    ranges: bool = True
    cut: int | None = None
    status: int = 200
    location: str | None = None
    asked: list[dict[str, str]] = attrs.field(factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/cells.npz?download=1"


class _Handler(BaseHTTPRequestHandler):
    does: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        does = self.does
        does.asked.append(dict(self.headers.items()))
        if does.status != 200:
            self.send_response(does.status)
            if does.location:
                self.send_header("Location", does.location)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = 0
        told = self.headers.get("Range")
        if told and does.ranges:
            start = int(told.removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(does.body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(does.body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(does.body) - 1}/{len(does.body)}")
        self.send_header("Content-Length", str(len(does.body) - start))
        self.end_headers()
        with suppress(ConnectionError):  # the client may have refused it
            self.wfile.write(does.body[start : does.cut])


@pytest.fixture
def server() -> Iterator[Server]:
    does = Server()
    made = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"does": does}))
    made.daemon_threads = True
    does.port = made.server_address[1]
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield does
    made.shutdown()
    made.server_close()
    thread.join()


def wanted(server: Server, checksum: str = MD5, size: int | None = None) -> Download:
    return Download(name="cells.npz", address=server.address, bytes=size, checksum=checksum)


def get(download: Download, to: Path) -> Fetched:
    return fetch(download, to, lambda *_: None)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "tiny.toml")


@pytest.mark.parametrize("checksum", [MD5, SHA256])
def test_a_download_is_checked_and_leaves_nothing_else(server: Server, tmp_path: Path, checksum: str) -> None:
    got = get(wanted(server, checksum, len(BODY)), tmp_path / "new" / "folder")
    assert got.path.read_bytes() == BODY
    assert got.downloaded
    assert files(got.path.parent) == ["cells.npz"]


def test_a_file_that_is_there_is_checked_and_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cells.npz").write_bytes(BODY)
    assert not get(wanted(server), tmp_path).downloaded
    assert server.asked == []
    (tmp_path / "cells.npz").write_bytes(BODY[:-1])
    with pytest.raises(DataError, match="is not the expected"):
        get(wanted(server), tmp_path)
    assert (tmp_path / "cells.npz").read_bytes() == BODY[:-1], "a person's file is not removed"


@pytest.mark.parametrize("size", [None, len(BODY)])
def test_a_broken_download_continues_where_it_stopped(server: Server, tmp_path: Path, size: int | None) -> None:
    server.cut = 1_234_567
    with pytest.raises(StoppedError, match="1,234,567 of 3,000,000 bytes"):
        get(wanted(server, MD5, size), tmp_path)
    assert (tmp_path / "cells.npz.cellcls-part").stat().st_size == 1_234_567
    server.cut = None
    assert get(wanted(server, MD5, size), tmp_path).path.read_bytes() == BODY
    assert server.asked[-1]["Range"] == "bytes=1234567-"
    assert not [name for name in files(tmp_path) if "part" in name]


def test_a_file_that_changed_meanwhile_is_refused_then_starts_over(server: Server, tmp_path: Path) -> None:
    server.cut = 1000
    server.body = BODY[::-1]
    with pytest.raises(StoppedError):
        get(wanted(server), tmp_path)
    server.body, server.cut = BODY, None
    with pytest.raises(DataError, match="was removed"):
        get(wanted(server), tmp_path)
    assert get(wanted(server), tmp_path).path.read_bytes() == BODY


def test_files_of_other_programs_stay_as_they_are(server: Server, tmp_path: Path) -> None:
    """A browser's partial file has the name NAME.part."""
    others = {name: name.encode() for name in ("cells.npz.part", "cells.npz.part.mark", "cells.npz.sha256", "cells")}
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
    server.cut = 1000
    with pytest.raises(StoppedError):
        get(wanted(server), tmp_path)
    server.body, server.cut = BODY[::-1], None
    with pytest.raises(DataError):
        get(wanted(server), tmp_path)
    server.body = BODY
    get(wanted(server), tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in others} == others


def test_a_file_that_appears_meanwhile_is_not_replaced(server: Server, tmp_path: Path) -> None:
    def appear(*_: object) -> None:
        (tmp_path / "cells.npz").write_bytes(b"somebody's")

    with pytest.raises(WriteError, match="appeared while"):
        fetch(wanted(server), tmp_path, appear)
    assert (tmp_path / "cells.npz").read_bytes() == b"somebody's"


def test_a_server_without_ranges_starts_over_and_says_so(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cells.npz.cellcls-part").write_bytes(BODY[:1000])
    server.ranges = False
    said: list[str] = []
    got = fetch(wanted(server), tmp_path, lambda text, *_: said.append(text))
    assert got.path.read_bytes() == BODY
    assert any("starting over" in text for text in said)


@pytest.mark.parametrize("size", [None, len(BODY)])
def test_a_part_that_is_whole_is_only_checked(server: Server, tmp_path: Path, size: int | None) -> None:
    (tmp_path / "cells.npz.cellcls-part").write_bytes(BODY)
    assert get(wanted(server, MD5, size), tmp_path).path.read_bytes() == BODY


def test_a_part_longer_than_the_file_is_removed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cells.npz.cellcls-part").write_bytes(BODY + b"more")
    with pytest.raises(DataError, match="was removed"):
        get(wanted(server), tmp_path)
    assert get(wanted(server), tmp_path).path.read_bytes() == BODY


def test_corrupted_bytes_are_refused_and_removed(server: Server, tmp_path: Path) -> None:
    server.body = BODY[:-1] + b"\0"
    with pytest.raises(DataError, match="was removed"):
        get(wanted(server), tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "error"), [(404, MissingInputError), (403, MissingInputError), (503, StoppedError), (429, StoppedError)]
)
def test_refusals_of_the_server(server: Server, tmp_path: Path, status: int, error: type[CellclsError]) -> None:
    server.status = status
    with pytest.raises(error, match=f"answers {status}"):
        get(wanted(server), tmp_path)


def test_another_size_than_published_is_refused_before_anything_is_stored(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3,000,000 bytes, not the expected 5"):
        get(wanted(server, MD5, 5), tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://example.org/a", "data:,x"])
def test_only_the_web(server: Server, tmp_path: Path, address: str) -> None:
    with pytest.raises(DataError, match="not an http or https address"):
        get(Download(name="a", address=address, checksum=MD5), tmp_path)
    server.status, server.location = 302, address
    with pytest.raises(MissingInputError):
        get(wanted(server), tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize("address", ["http://[", "http://a b/", "http://x:port/", "http://", "http://\xb2/", "//["])
def test_bad_addresses_and_redirects_to_them(server: Server, tmp_path: Path, address: str) -> None:
    with pytest.raises((DataError, MissingInputError)):
        get(Download(name="a", address=address, checksum=MD5), tmp_path)
    server.status, server.location = 302, address
    with pytest.raises(MissingInputError):
        get(wanted(server), tmp_path)
    assert files(tmp_path) == []


class Raw:
    """A server that sends one block, and then another every ``pause`` seconds, as long as anybody reads."""

    def __init__(self, head: bytes, block: bytes = b"", pause: float = 0.0) -> None:
        self.head, self.block, self.pause = head, block, pause
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listening.getsockname()[1]}/cells.npz"
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self.listening.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(self.head)
                while self.block:
                    connection.sendall(self.block)
                    time.sleep(self.pause)

    def __enter__(self) -> Download:
        self.thread.start()
        return Download(name="cells.npz", address=self.address, checksum=MD5)

    def __exit__(self, *_: object) -> None:
        self.listening.close()
        self.thread.join(5)
        assert not self.thread.is_alive(), "the connection was closed"


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("length", [b"\xb2", "\u0663".encode(), b"-5", b"1e3", b"9" * 5000, b"", b"3, 3"])
def test_a_length_that_is_none_is_ignored(tmp_path: Path, length: bytes) -> None:
    with Raw(OK + b"Content-Length: " + length + b"\r\n\r\n" + BODY) as download:
        assert get(download, tmp_path).path.read_bytes() == BODY


DRIPPING = {
    "before the status": (b"", b"H"),
    "in the head": (OK, b"X"),
    "in the body": (OK + b"Content-Length: 3000000\r\n\r\n", b"x"),
    "in a body of no length": (OK + b"\r\n", b"x"),
    "in the length of a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "with a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /\r\nX: ", b"x"),
}


@pytest.mark.parametrize("where", DRIPPING)
def test_a_server_that_drips_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr("cellcls.runs.connection.WINDOW", 0.2)
    error = StoppedError if "body" in where or "chunk" in where else MissingInputError
    with (
        Raw(*DRIPPING[where], pause=0.02) as download,
        pytest.raises(error, match=r"fewer than 60,000 bytes came in 0\.2 s"),
    ):
        get(download, tmp_path)


def test_a_connection_does_not_last_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellcls.runs.connection.WINDOW", 0.1)
    monkeypatch.setattr("cellcls.runs.connection.LONGEST", 0.36)
    with Raw(OK + b"\r\n", bytes(100_000), 0.01) as download, pytest.raises(StoppedError, match="it took more than"):
        get(download, tmp_path)


def test_a_server_that_sends_without_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cellcls.runs.fetch._MOST_BYTES", 5_000_000)
    with Raw(OK + b"\r\n", bytes(1 << 20)) as download, pytest.raises(DataError, match="more than 5,000,000 bytes"):
        get(download, tmp_path)
    assert files(tmp_path) == []
    with (
        Raw(OK + b"Content-Length: 5000001\r\n\r\n", b"x") as download,
        pytest.raises(DataError, match="5,000,001 bytes are more than any data set has"),
    ):
        get(download, tmp_path)
    assert files(tmp_path) == []


def test_what_comes_with_a_redirect_is_not_read(server: Server, tmp_path: Path) -> None:
    head = f"HTTP/1.1 302 Found\r\nLocation: {server.address}\r\n\r\n".encode()
    with Raw(head, bytes(1 << 20)) as download:
        assert get(download, tmp_path).path.read_bytes() == BODY


def test_redirects_within_the_web_are_followed(server: Server, tmp_path: Path) -> None:
    first = Server(status=302, location=server.address)
    made = ThreadingHTTPServer(("127.0.0.1", 0), type("First", (_Handler,), {"does": first}))
    first.port = made.server_address[1]
    thread = threading.Thread(target=made.handle_request)
    thread.start()
    assert get(wanted(first), tmp_path).path.read_bytes() == BODY
    thread.join()
    made.server_close()


@pytest.mark.parametrize("name", ["../cells.npz", "a/b", "..", "", "a" * 300, "a\0b", "-x", ".hidden", "con"])
def test_a_name_never_leads_out_of_the_folder(server: Server, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="is not a file name"):
        get(Download(name=name, address=server.address, checksum=MD5), tmp_path)


@pytest.mark.parametrize("checksum", ["", "md5:", "sha1:" + "0" * 40, MD5.upper()])
def test_a_checksum_that_is_none(server: Server, tmp_path: Path, checksum: str) -> None:
    with pytest.raises(DataError, match="is neither md5:HEX nor sha256:HEX"):
        get(wanted(server, checksum), tmp_path)
    assert server.asked == []


def test_two_at_once_do_not_write_to_one_part(server: Server, tmp_path: Path) -> None:
    def again(*_: object) -> None:
        with pytest.raises(UsageError, match="another cellcls fetch"):
            get(wanted(server), tmp_path)

    assert fetch(wanted(server), tmp_path, again).path.read_bytes() == BODY


def test_no_network(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="cannot be reached") as caught:
        get(Download(name="cells.npz", address="http://127.0.0.1:1/cells.npz", checksum=MD5), tmp_path)
    assert str(tmp_path / "cells.npz") in str(caught.value)


def test_a_full_disk_keeps_what_came(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("cellcls.runs.fetch.shutil.disk_usage", lambda _: usage)
    (tmp_path / "cells.npz.cellcls-part").write_bytes(BODY[:1000])
    with pytest.raises(WriteError, match="3 MB are needed, but only 0 MB are free"):
        get(wanted(server), tmp_path)
    assert (tmp_path / "cells.npz.cellcls-part").read_bytes() == BODY[:1000]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_while_writing(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cells.npz.cellcls-part").symlink_to("/dev/full")
    with pytest.raises(WriteError, match="No space left"):
        get(wanted(server), tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(server: Server, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(WriteError, match="cannot write"):
            get(wanted(server), tmp_path / "new")
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_in_the_files_place_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cells.npz").mkdir()
    with pytest.raises(WriteError, match="a folder has that name"):
        get(wanted(server), tmp_path)
    assert server.asked == []


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read and write everywhere")
def test_a_lock_that_may_not_be_made_and_a_file_that_may_not_be_read(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cells.npz").write_bytes(BODY)
    (tmp_path / "cells.npz").chmod(0)
    with pytest.raises(DataError, match="cannot be read"):
        get(wanted(server), tmp_path)
    (tmp_path / "cache").mkdir(mode=0o500)
    monkeypatch.setenv("CELLCLS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WriteError, match="cannot write"):
        get(wanted(server), tmp_path)


def test_a_lock_that_cannot_be_made_is_told(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cellcls.runs.fetch.FileLock.acquire", refuses)
    with pytest.raises(WriteError, match="Permission denied"):
        get(wanted(server), tmp_path)


# --- the command ------------------------------------------------------------------------------------------------


@pytest.fixture
def offered(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(MedMNIST, "sources", (wanted(server),))
    return server


def test_the_list(cli: Cli) -> None:
    said = cli("fetch", "--json")
    names = [row["name"] for row in said.json()]
    assert names[:4] == ["bloodmnist.npz", "bloodmnist_64.npz", "bloodmnist_128.npz", "bloodmnist_224.npz"]
    assert all(row["checksum"].startswith("md5:") and len(row["checksum"]) == 36 for row in said.json()[:4])
    assert said.json()[0]["bytes"] == 35_461_855
    shown = cli("fetch").out
    assert all(name in shown for name in names)


def test_a_file_lands_where_recipes_look(cli: Cli, offered: Server, place: Path) -> None:
    said = cli("fetch", "cells")
    assert (said.code, Path(said.out.strip())) == (0, Path("data/cells.npz"))
    assert (place / "data" / "cells.npz").read_bytes() == BODY
    again = cli("fetch", "medmnist", "--json").json()
    assert not again["downloaded"]
    assert again["checksum"] == MD5


PLUGIN = """
from cellcls.api import Dataset, Download, component, hookimpl

@component("smears")
class Smears(Dataset):
    \"\"\"A plugin's data set.\"\"\"

    sources = (Download(name="smears.zip", address="{address}", bytes={bytes}, licence="CC0", checksum="{checksum}"),)

@hookimpl
def cellcls_components():
    return [Smears]
"""


def test_a_plugins_file_is_offered_and_fetched(server: Server, process: Cli, place: Path) -> None:
    site = place / "site"
    (site / "cellcls_smears-1.dist-info").mkdir(parents=True)
    (site / "smears.py").write_text(PLUGIN.format(address=server.address, bytes=len(BODY), checksum=MD5))
    (site / "cellcls_smears-1.dist-info" / "METADATA").write_text("Name: cellcls-smears\nVersion: 1\n")
    (site / "cellcls_smears-1.dist-info" / "entry_points.txt").write_text("[cellcls]\nsmears = smears\n")
    path = os.pathsep.join([str(site), *sys.path])
    said = process("fetch", "smears", "--to", "here", "--json", PYTHONPATH=path)
    assert said.code == 0, said.err
    assert (said.json()["checksum"], said.json()["licence"]) == (MD5, "CC0")
    assert (place / "here" / "smears.zip").read_bytes() == BODY


def test_names_nobody_offers_and_names_of_several(cli: Cli) -> None:
    assert cli("fetch", "nothing").code == ExitCode.NO_INPUT
    said = cli("fetch", "medmnist")
    assert said.code == ExitCode.USAGE
    assert "cellcls fetch bloodmnist_64.npz" in said.err


def test_ctrl_c_keeps_the_part(cli: Cli, offered: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "cells.npz.cellcls-part").write_bytes(BODY[:500])
    with monkeypatch.context() as patch:
        patch.setattr("cellcls.runs.fetch.os.fsync", interrupted)
        said = cli("fetch", "cells.npz", "--to", tmp_path / "to")
    assert said.code == ExitCode.INTERRUPTED
    assert "to continue the download" in said.err
    assert (tmp_path / "to" / "cells.npz.cellcls-part").stat().st_size >= 500
    assert cli("fetch", "cells.npz", "--to", tmp_path / "to").code == 0
