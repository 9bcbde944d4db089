"""``cellcls serve``: a model over HTTP, and its page in a browser."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from cellcls.ops.rendering.cells import render

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def address(shared_run: Path, cache: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "cellcls", "serve", str(shared_run), "--port", "0", "--device", "cpu"]
    environment = {**os.environ, "CELLCLS_CACHE": str(cache), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as served:
        assert served.stdout is not None
        found = served.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", found), served.stderr and served.stderr.read()
        yield found
        served.send_signal(signal.SIGINT)
        _, told = served.communicate(timeout=60)
    assert served.returncode == 0, told
    assert "cellcls: stopped" in told
    assert "Traceback" not in told


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.fromarray(render(3, 5, size=32).image).save(tmp_path / "=cell.png")
    return tmp_path / "=cell.png"


def test_it_answers_as_predict_does(cli, address: str, shared_run: Path, picture: Path):
    (expected,) = cli("predict", shared_run, picture, "--device", "cpu", "--json").json()
    request = urllib.request.Request(f"{address}predict?heat=true", picture.read_bytes(), method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.load(answer)
    assert found.pop("heat").startswith("data:image/png;base64,")
    assert found["predicted"] == expected["predicted"]
    assert found["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-5)


def test_a_cell_is_named_corrected_and_its_label_downloaded(
    chromium: Browser, address: str, picture: Path, tmp_path: Path
):
    (tmp_path / "broken.png").write_bytes(b"no image")
    context = chromium.new_context(accept_downloads=True)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(address)
    page.get_by_label("Images", exact=True).set_input_files([picture, tmp_path / "broken.png"])
    page.get_by_text("2 of 2 images done").wait_for(timeout=30_000)
    assert page.get_by_text("cannot be read").count() == 1
    choice = page.get_by_label("Correct class")
    choice.focus()
    choice.select_option("platelet")
    page.get_by_role("button", name="Where it looks").press("Enter")
    page.get_by_alt_text("Where the network looked").wait_for(timeout=30_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download labels").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0] == "file,label,predicted,probability,unknown"
    assert len(lines) == 2
    assert lines[1].startswith("'=cell.png,platelet,")
    context.close()
    assert problems == []


def test_beyond_this_machine_a_token_is_made(shared_run: Path, cache: Path):
    command = [sys.executable, "-m", "cellcls", "serve", str(shared_run), "--host", "0.0.0.0", "--port", "0", "--json"]
    environment = {**os.environ, "CELLCLS_CACHE": str(cache)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, env=environment) as served:
        assert served.stdout is not None
        told = json.loads("".join(served.stdout.readline() for _ in range(4)))
        address = told["address"].replace("0.0.0.0", "127.0.0.1")
        with urllib.request.urlopen(f"{address}health", timeout=60) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{address}model", timeout=60)
        request = urllib.request.Request(f"{address}model", headers={"Authorization": f"Bearer {told['token']}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert len(json.load(answer)["classes"]) == 8
        served.terminate()
        served.communicate(timeout=60)


def test_a_taken_port_is_told(cli, shared_run: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = cli("serve", shared_run, "--port", taken.getsockname()[1])
    assert said.code == 2
    assert "cannot listen on 127.0.0.1" in said.err


def test_without_the_extra_it_says_what_to_install(cli, shared_run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    said = cli("serve", shared_run, "--port", 0)
    assert said.code == 69
    assert 'pip install "cellcls[serve]"' in said.err
