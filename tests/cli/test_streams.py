"""Closed and full streams, code pages that lack a letter, pipes that close: the work is done and its result is kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cellcls.ops.rendering.cells import render

BUG, TRACE = "a bug", "Traceback"


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``cellcls`` is this cellcls."""
    command = f'cellcls() {{ {sys.executable} -m cellcls "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("encoding", ["cp437", "cp1252", "ascii", "utf-8:strict", "cp936"])
def test_what_the_encoding_lacks_becomes_an_escape(place: Path, encoding: str) -> None:
    (place / "tiny.toml").write_text((place / "tiny.toml").read_text() + '[claim]\nplace = "嗜碱性 ± \\u2265 ✓"\n')
    done = shell("cellcls show tiny.toml; echo code $?", place, PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert "code 0" in done.stdout
    assert BUG not in done.stderr + done.stdout
    assert TRACE not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_command_works_without_streams(place: Path, closed: str) -> None:
    done = shell(f"(cellcls check tiny.toml {closed}); echo code $?", place)
    assert done.stdout.endswith("code 0\n"), done.stdout + done.stderr
    assert BUG not in done.stderr


def test_a_run_without_streams_is_a_whole_run(place: Path) -> None:
    done = shell("cellcls run tiny.toml --out out <&- >&- 2>&-", place)
    assert done.returncode == 0
    assert (place / "out" / "metrics.json").is_file()
    assert (place / "out" / "best.safetensors").stat().st_size > 1000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_stdout_is_74_and_a_full_stderr_nothing(place: Path) -> None:
    done = shell("cellcls describe recipe > /dev/full; echo code $? >&2", place)
    assert "code 74" in done.stderr
    assert "cannot write to stdout: No space left" in done.stderr
    assert BUG not in done.stderr
    done = shell("cellcls run tiny.toml --out out > /dev/full; echo code $? >&2", place)
    assert "code 74" in done.stderr
    assert (place / "out" / "report.html").is_file(), "the work is done and kept"
    done = shell("cellcls run tiny.toml --out other 2> /dev/full; echo code $?", place)
    assert "code 0" in done.stdout


def test_a_pipe_that_closes_is_no_error(place: Path) -> None:
    done = shell("cellcls describe recipe | head -c 10; echo code ${PIPESTATUS[0]}", place)
    assert "code 0" in done.stdout
    assert done.stderr == ""
    done = shell("cellcls run tiny.toml --out out 2>&1 >/dev/null | head -n 1; echo code ${PIPESTATUS[0]}", place)
    assert "code 0" in done.stdout
    assert (place / "out" / "metrics.json").is_file(), "a run does not stop because nobody reads its progress"


def test_a_name_that_is_no_utf8_is_printed_alike_everywhere(place: Path, shared_run: Path) -> None:
    from PIL import Image

    (place / "p").mkdir()
    folder = os.fsencode(place / "p")
    Image.fromarray(render(0, 1, size=32).image).save(place / "a.png")
    try:
        shutil.copy(os.fsencode(place / "a.png"), folder + b"/zelle_\xe4.png")
    except OSError:
        pytest.skip("this file system takes names in UTF-8 only")
    line = (
        f"cellcls predict {shared_run} p; cellcls predict {shared_run} p --json; cellcls predict {shared_run} p --csv -"
    )
    done = shell(line, place)
    assert BUG not in done.stderr
    assert done.stdout.count("zelle_\\xe4.png") + done.stdout.count("zelle_\\\\xe4.png") == 3
