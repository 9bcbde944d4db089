"""Connections to servers that may be slow, endless or wrong: all that they may take is limited."""

from __future__ import annotations

import http.client
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any
from urllib.parse import urlsplit

import attrs

SCHEMES = ("http", "https")
_TIMEOUT = 30
"""Seconds that a server may be silent."""
WINDOW = 60.0
"""Seconds in which at least ``LEAST_BYTES`` must come, the answer's head included."""
LEAST_BYTES = 60_000
LONGEST = 24 * 60 * 60.0
"""Seconds that a connection may last in all."""
_BLOCK = 1 << 20


@attrs.define(eq=False)
class Connection:
    """A server's answer, which is cut off when it takes too long. Reading raises ``OSError`` or ``HTTPException``."""

    _sockets: list[socket.socket] = attrs.field(factory=list)
    _received: int = 0
    _cut_because: str = ""
    _response: http.client.HTTPResponse | None = None

    @property
    def response(self) -> http.client.HTTPResponse:
        """The head of the answer."""
        assert self._response is not None
        return self._response

    def blocks(self) -> Iterator[bytes]:
        """Yield the body in blocks of at most a megabyte."""
        while block := self.response.read1(_BLOCK):
            self._received += len(block)
            yield block
            self.refuse_cut()
        self.refuse_cut()

    def refuse_cut(self) -> None:
        """Raise ``OSError`` if the connection was cut off."""
        if self._cut_because:
            raise OSError(self._cut_because)

    def watch(self, ended: threading.Event) -> None:
        """Cut the connection off as soon as it takes too long, until ``ended`` is set."""
        started, before = time.monotonic(), 0
        while not ended.wait(WINDOW):
            if self._received - before < LEAST_BYTES:
                self._cut(f"fewer than {LEAST_BYTES:,} bytes came in {WINDOW:g} s")
            elif time.monotonic() - started > LONGEST:
                self._cut(f"it took more than {LONGEST / 3600:g} hours")
            before = self._received

    def _cut(self, because: str) -> None:
        self._cut_because = self._cut_because or because
        for copy in self._sockets:
            with suppress(OSError):
                copy.shutdown(socket.SHUT_RDWR)


@contextmanager
def connected(address: str, headers: dict[str, str]) -> Iterator[Connection]:
    """Ask a server, following its redirects within the web, and yield its answer.

    Raises ``urllib.error.HTTPError`` for a refusal, and ``OSError``, ``HTTPException`` or ``ValueError`` (a redirect to
    what is no address) if there is no answer.
    """
    connection, ended = Connection(), threading.Event()
    watching = threading.Thread(target=connection.watch, args=(ended,), daemon=True)
    watching.start()
    opener = urllib.request.build_opener(
        _Http(connection._sockets), _Https(connection._sockets), _RedirectsWithinTheWeb()
    )
    try:
        try:
            response = opener.open(urllib.request.Request(address, headers=headers), timeout=_TIMEOUT)
        except (OSError, http.client.HTTPException):
            connection.refuse_cut()
            raise
        with response:
            connection.refuse_cut()  # what was cut off in its head reads like a whole head
            connection._response = response
            yield connection
    finally:
        ended.set()
        watching.join()
        for copy in connection._sockets:
            copy.close()


class _Plain(http.client.HTTPConnection):
    """Keeps a second descriptor of its socket, by which it can be shut down while TLS or the answer is awaited."""

    sockets: list[socket.socket]

    def connect(self) -> None:
        super().connect()
        self.sockets.append(self.sock.dup())


class _Secure(http.client.HTTPSConnection, _Plain):
    """``HTTPSConnection.connect`` calls that of ``_Plain`` before it begins TLS."""


class _Http(urllib.request.HTTPHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.sockets = sockets

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)

    def _connection(self, host: str, **settings: Any) -> _Plain:
        made = _Plain(host, **settings)
        made.sockets = self.sockets
        return made


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self.sockets = sockets

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)

    def _connection(self, host: str, **settings: Any) -> _Secure:
        made = _Secure(host, **settings)
        made.sockets = self.sockets
        return made


class _RedirectsWithinTheWeb(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme not in SCHEMES:
            raise urllib.error.URLError(f"redirected to {newurl[:200]}, which is not on the web")
        fp.close()  # urllib would read all that comes with a redirect
        return super().redirect_request(req, fp, code, msg, headers, newurl)
