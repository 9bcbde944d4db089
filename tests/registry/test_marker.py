"""A plugin that ends the process while it is imported is left out at the next start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.broken_plugins import cellcls, listed, put, works_with

CRASH = "import os\nos.kill(os.getpid(), {signal})"


class Place:
    """A folder of one plugin, ``victim``, and commands that find it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"

    def write(self, text: str, version: str = "1.0") -> None:
        put(self.folder / "site", "victim", works_with(text), version)

    def edit(self, text: str) -> None:
        (self.folder / "site" / "cellcls_victim" / "__init__.py").write_text(works_with(text).text)

    def call(self, *args: str) -> subprocess.CompletedProcess[str]:
        return cellcls(self.folder / "site", "list-plugins", "--json", *args, cwd=self.folder, cache=self.cache)

    def victim(self, *args: str) -> dict[str, Any]:
        found: dict[str, Any] = listed(self.call(*args))["victim"]
        return found

    def markers(self) -> list[Path]:
        return [path for path in self.cache.rglob("*") if path.is_file()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("import os; os._exit(0)", 0),
        (CRASH.format(signal="11"), -signal.SIGSEGV),
        (CRASH.format(signal="9"), -signal.SIGKILL),
    ],
)
def test_it_is_left_out_at_the_next_start(text: str, status: int, place: Place) -> None:
    place.write(text)
    assert place.call().returncode == status
    for _ in range(2):
        found = place.victim()
        assert found["failure"].startswith("importing it ended the process the last time")
        assert "cellcls list-plugins --check" in found["failure"]
    assert len(place.markers()) == 1


def test_a_change_makes_the_marker_void(place: Place) -> None:
    place.write("import os; os._exit(0)")
    place.call()
    assert place.victim()["failure"]
    place.edit("")
    assert place.victim()["failure"] is None
    assert place.markers() == []


def test_another_version_makes_the_marker_void(place: Place) -> None:
    place.write("import os; os._exit(0)")
    place.call()
    (marker,) = place.markers()
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "version": "0.9"}))
    assert place.call().stdout == ""  # imported again
    assert place.victim()["failure"]


def test_passing_the_check_makes_the_marker_void(place: Place) -> None:
    place.write(f"import os, pathlib\nif not pathlib.Path({str(place.folder / 'calm')!r}).exists(): os._exit(0)")
    place.call()
    assert "ended the process (exit status 0)" in place.victim("--check")["failure"]
    assert place.victim()["failure"]
    (place.folder / "calm").touch()
    assert place.victim()["failure"]
    assert place.victim("--check")["failure"] is None
    assert place.victim()["failure"] is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_process_that_is_told_to_end_leaves_no_marker(number: signal.Signals, place: Place) -> None:
    place.write(CRASH.format(signal=int(number)) + "\nimport time; time.sleep(60)")
    done = place.call()
    assert done.returncode == (130 if number == signal.SIGINT else -number)
    assert place.markers() == []


@pytest.mark.parametrize("text", ["", "import nowhere", "import sys; sys.exit(3)", "import os; os.fork()"])
def test_an_import_that_comes_to_its_end_leaves_no_marker(text: str, place: Place) -> None:
    place.write(text)
    place.victim()
    assert place.markers() == []


def test_the_marker_of_a_living_process_does_not_count(place: Place) -> None:
    """Neither that of another host, nor one that is damaged; none of them is removed."""
    place.write("")
    own = {"plugin": "victim", "origin": "cellcls_victim", "version": "1.0", "host": os.uname().nodename}
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    folder = place.cache / "plugins"
    folder.mkdir(parents=True)
    markers = {
        "alive": json.dumps({**own, "pid": os.getpid(), "started": started}),
        "elsewhere": json.dumps({**own, "pid": 1, "started": "0", "host": "elsewhere"}),
        **dict(
            enumerate(["", "[]", "null", "{}", "\x00", '{"pid": "x"}', "[" * 100_000, '{"pid": %s}' % ("9" * 5000)])
        ),
    }
    for name, text in markers.items():
        (folder / f"importing-{name}.json").write_text(text)
    assert place.victim()["failure"] is None
    assert len(place.markers()) == len(markers)


def test_where_nothing_can_be_written_there_is_no_marker(place: Place) -> None:
    place.write("")
    place.cache.write_text("no folder")
    assert place.victim()["failure"] is None
    place.edit("import os; os._exit(7)")
    assert [place.call().returncode for _ in range(2)] == [7, 7]


def test_own_components_need_no_marker(tmp_path: Path) -> None:
    code = "from cellcls.registry import load_registry; load_registry()"
    environment = {**os.environ, "CELLCLS_CACHE": str(tmp_path / "cache"), "CELLCLS_PLUGINS": ""}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not (tmp_path / "cache").exists()
