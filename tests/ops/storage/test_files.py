"""After a crash, a kill or a full disk there is the old file or the new one."""

from __future__ import annotations

import json
import math
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.errors import ExitCode, WriteError
from cellcls.ops.storage.files import replacing, sweep, to_json, write_bytes, write_json, write_text

PREAMBLE = """
import os, resource, signal, sys
from pathlib import Path
from cellcls.errors import WriteError
from cellcls.ops.storage.files import replacing, write_bytes
path = Path(sys.argv[1])
"""

needs_posix = pytest.mark.skipif(os.name == "nt", reason="asks POSIX for limits and signals")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "file.txt"
    path.write_text("old")
    return path


def assert_unchanged(path: Path) -> None:
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]  # nothing half-written beside it


def test_a_file_is_replaced_as_a_whole(old: Path) -> None:
    with replacing(old) as temporary:
        assert temporary.parent == old.parent
        temporary.write_text("new")
        assert old.read_text() == "old"
    assert old.read_text() == "new"
    assert list(old.parent.iterdir()) == [old]


def test_folders_above_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "größer 📷")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "größer 📷".encode()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_whatever_breaks_off_leaves_the_old_file(old: Path, error: type[BaseException]) -> None:
    def break_off() -> None:
        with replacing(old) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        break_off()
    assert_unchanged(old)


def in_a_process(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    text = PREAMBLE + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", text, str(path)], capture_output=True, text=True, check=False, timeout=60
    )


@needs_posix
def test_a_kill_leaves_the_old_file_and_the_next_start_sweeps(old: Path) -> None:
    done = in_a_process(
        """
        with replacing(path) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
        """,
        old,
    )
    assert done.returncode == -9
    assert old.read_text() == "old"
    assert len(list(old.parent.iterdir())) == 2
    sweep(old.parent)
    assert_unchanged(old)


@needs_posix
def test_where_the_system_takes_no_more_bytes_the_old_file_stays(old: Path) -> None:
    done = in_a_process(
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            write_bytes(path, bytes(10_000))
        except WriteError as error:
            sys.exit(f"{int(error.exit_code)} {error}")
        """,
        old,
    )
    assert done.stderr.startswith(f"{int(ExitCode.CANNOT_WRITE)} {old}: cannot write: File too large\n")
    assert "unchanged" in done.stderr
    assert_unchanged(old)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
def test_a_full_disk_is_told(old: Path) -> None:
    def fill() -> None:
        with replacing(old) as temporary:
            temporary.write_text("half")
            Path("/dev/full").write_text("x")

    with pytest.raises(WriteError, match="No space left on device") as caught:
        fill()
    assert caught.value.hints
    assert_unchanged(old)


def test_a_refused_sync_leaves_the_old_file(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)  # some file systems tell only now that the disk is full
    with pytest.raises(WriteError, match="No space left"):
        write_text(old, "new")
    assert_unchanged(old)


def test_where_no_file_can_be_it_is_told(old: Path) -> None:
    for path in (old / "below.txt", old / "further" / "below.txt"):
        with pytest.raises(WriteError, match="cannot write"):
            write_text(path, "x")
    assert_unchanged(old)
    (folder := old.parent / "folder").mkdir()
    with pytest.raises(WriteError, match="cannot write"):
        write_text(folder, "x")
    assert list(folder.parent.glob(".*")) == []
    with pytest.raises(WriteError, match="cannot write"):
        write_text(old.parent / ("x" * 300), "x")


@needs_posix
def test_others_may_read_what_they_might_before(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    path = tmp_path / "file"
    with replacing(path) as temporary:
        private = temporary.with_name("private")
        private.touch(0o600)
        private.replace(temporary)  # what safetensors does
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_sweeping_takes_left_overs_only(tmp_path: Path) -> None:
    kept = [tmp_path / "file.txt", tmp_path / ".hidden", tmp_path / "deep" / "state.safetensors"]
    for path in kept:
        write_text(path, "x")
    for folder in (tmp_path, tmp_path / "deep"):
        with replacing(folder / "file.txt") as temporary:
            name = temporary.name
        (folder / name).write_text("left over by a kill")
    sweep(tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*kept, tmp_path / "deep" / "file.txt"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(json_values)
def test_json_reads_as_it_was_written(value: object) -> None:
    assert json.loads(to_json(value)) == value
    assert to_json(value).endswith("\n")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_json_is_refused_and_nothing_written(old: Path, number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(old, {"accuracy": [number]})
    assert_unchanged(old)


@given(st.binary(max_size=100))
def test_bytes_are_written_as_they_are(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes"
    write_bytes(path, data)
    assert path.read_bytes() == data
