"""The page and the API over a real connection: what is answered, what is refused, and what costs nothing."""

from __future__ import annotations

import http.client
import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
import uvicorn
from PIL import Image
from support.serving import Shades, png

from cellcls.serving.app import make_app
from cellcls.serving.limits import Limits
from cellcls.serving.service import Service


@attrs.frozen
class Server:
    """A server of ``Shades`` on this machine."""

    port: int
    shades: Shades

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        found = answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        return found

    def predict(self, body: bytes, query: str = "", **headers: str) -> tuple[int, Any]:
        status, text, _ = self.ask("POST", f"/predict{query}", body, **headers)
        return status, json.loads(text) if text.startswith(b"{") else text.decode()


@contextmanager
def serving(*, token: str | None = None, waiting: int = 256, **limits: float) -> Iterator[Server]:
    shades = Shades()
    app = make_app(Service(shades, "shades 1", waiting=waiting), token=token, limits=Limits(**limits))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Server(listening.getsockname()[1], shades)
    shades.gate.set()
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(megabytes=0.1, seconds=5) as made:
        yield made


def test_200_requests_at_once_get_their_own_answers(server: Server) -> None:
    def ask(number: int) -> tuple[int, str, str]:
        status, told = server.predict(png(255 * (number % 2)), f"?name={number}")
        return status, told["image"], told["predicted"]

    with ThreadPoolExecutor(50) as clients:
        found = list(clients.map(ask, range(200)))
    assert found == [(200, str(number), ("dark", "light")[number % 2]) for number in range(200)]


def test_the_model_and_the_schema_are_told(server: Server) -> None:
    assert json.loads(server.ask("GET", "/health")[1]) == {"status": "ok"}
    assert json.loads(server.ask("GET", "/model")[1])["classes"] == ["dark", "light"]
    schema = json.loads(server.ask("GET", "/openapi.json")[1])
    assert {"/predict", "/health", "/model"} == set(schema["paths"])
    answers = schema["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answers["$ref"].endswith("/Prediction")
    assert {server.ask("GET", path)[0] for path in ("/docs", "/redoc", "/../etc/passwd", "/page.js")} == {404}


def test_the_page_runs_its_own_script_only(server: Server) -> None:
    status, page, headers = server.ask("GET", "/")
    assert status == 200
    (nonce,) = re.findall(r"script-src 'nonce-([^']+)'", headers["content-security-policy"])
    assert re.findall(rb"<(?:script|style)[^>]*>", page) == [
        f'<{tag} nonce="{nonce}">'.encode() for tag in ("style", "script")
    ]
    assert not re.findall(rb"(?:src|href)=|https?://|@import|url\(", page)
    assert headers["x-content-type-options"] == "nosniff"
    assert server.ask("GET", "/")[2]["content-security-policy"] != headers["content-security-policy"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:80"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example:99999"}, 421),
        ({"Host": "["}, 421),
        ({"Host": "127.0.0.1@evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:8000"}, 200),
    ],
)
def test_pages_of_other_sites_get_nothing(server: Server, headers: dict[str, str], status: int) -> None:
    assert server.predict(png(0), **headers)[0] == status


def bomb() -> bytes:
    to = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(to, "PNG")
    return to.getvalue()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (lambda: b"", 422),
        (lambda: b"no image", 422),
        (lambda: png(0)[:40], 422),
        (bomb, 422),
        (lambda: b"x" * 100_001, 413),
    ],
)
def test_what_is_no_image_is_one_answer(server: Server, body: Callable[[], bytes], status: int) -> None:
    found, told = server.predict(body(), "?name=%1b%5b31m.png")
    assert found == status
    assert told["detail"]
    assert server.predict(png(255))[1]["predicted"] == "light"


def test_a_file_without_an_announced_size_is_cut_off(server: Server) -> None:
    chunks = iter([b"x" * 60_000] * 3)
    status, _, _ = server.ask("POST", "/predict", chunks)
    assert status == 413


def test_a_name_too_long_is_refused(server: Server) -> None:
    assert server.predict(png(0), f"?name={'a' * 256}")[0] == 422


def test_a_dead_client_costs_nothing(server: Server) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as dead:
            dead.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
    assert server.predict(png(0))[0] == 200


def test_who_sends_too_slowly_or_waits_too_long_is_told() -> None:
    with serving(seconds=0.3) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
            assert b" 408 " in slow.recv(200)
        server.shades.gate.clear()
        assert server.predict(png(0))[0] == 504
        server.shades.gate.set()
        assert server.predict(png(0))[0] == 200


def test_more_than_can_wait_are_sent_away() -> None:
    with serving(waiting=1) as server:
        server.shades.gate.clear()
        with ThreadPoolExecutor(8) as clients:
            asked = [clients.submit(server.ask, "POST", "/predict", png(0)) for _ in range(8)]
            while sum(one.done() for one in asked) < 6:
                time.sleep(0.01)
            server.shades.gate.set()
            answers = [one.result() for one in asked]
    statuses = [status for status, _, _ in answers]
    assert statuses.count(503) >= 5
    assert statuses.count(200) + statuses.count(503) == 8
    assert all(headers["retry-after"] == "1" for status, _, headers in answers if status == 503)


def test_beyond_this_machine_a_token_is_needed() -> None:
    with serving(token="secret") as server:
        assert server.ask("GET", "/", Host="lab.example")[0] == 200
        assert server.ask("GET", "/health")[0] == 200
        for given in ("", "secre", "Bearer other", "Bearer \xe9"):
            assert server.ask("GET", "/model", Authorization=given)[0] == 401
            assert server.predict(png(0), Authorization=given)[0] == 401
        assert server.predict(png(0), Authorization="Bearer secret", Host="lab.example")[0] == 200
