"""Fixtures of several test files: the real cells and the files made from them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]

# what lands is judged by the same examples every time; `make check-all` looks for new ones
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=300)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# a background job ignores Ctrl-C, nohup the end of its terminal: processes that tests stop so would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real cells; tests that ask for it skip where it is not there."""
    named = os.environ.get("CELLCLS_TEST_DATA")
    if not named:
        pytest.skip("needs real cells: CELLCLS_TEST_DATA names no folder")
    folder = Path(named).resolve()
    if not (folder / "pbc96_train.zip").exists():
        pytest.fail(f"no pbc96_train.zip in CELLCLS_TEST_DATA={named}")  # named and not there: no reason to skip
    return folder


def _make(real_data: Path, out: Path, *options: str) -> Path:
    maker = real_data.parent / "tools" / "make_challenge_npz.py"
    pack = str(real_data / "pbc96_train.zip")
    subprocess.run([sys.executable, str(maker), str(out), "--pack", pack, *options], check=True, capture_output=True)
    return out


@pytest.fixture(scope="session")
def challenge_npz(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The challenge's training_set.npz, 13,759 images, 380 MB; made once, removed at the end."""
    path = _make(real_data, tmp_path_factory.mktemp("challenge") / "training_set.npz")
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def small_challenge_npz(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with 40 cells a class and all of the junk: 2,120 images."""
    return _make(real_data, tmp_path_factory.mktemp("small") / "training_set.npz", "--per-class", "40")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser. Without one a test skips, but fails where CI or CELLCLS_REQUIRE_BROWSER promises one."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        promised = os.environ.get("CI") or os.environ.get("CELLCLS_REQUIRE_BROWSER")
        (pytest.fail if promised else pytest.skip)("no Chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()
