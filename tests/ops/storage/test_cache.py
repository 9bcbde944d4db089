from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cellcls.errors import WriteError
from cellcls.ops.storage.cache import Cached, cache_key, cached, cached_array

VALUES = np.arange(24, dtype=np.int16).reshape(4, 6)


def test_it_is_written_once(tmp_path: Path) -> None:
    calls = []

    def chunks() -> Iterator[object]:
        calls.append(1)
        yield VALUES[:1]
        yield VALUES[1:].tobytes()

    for _ in range(2):
        array = cached_array(tmp_path / "deep" / "a.npy", (4, 6), VALUES.dtype, chunks)
        np.testing.assert_array_equal(array, VALUES)
    assert len(calls) == 1


def test_another_shape_or_a_damaged_file_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"no array")
    np.testing.assert_array_equal(cached_array(path, (4, 6), VALUES.dtype, lambda: [VALUES]), VALUES)
    np.testing.assert_array_equal(cached_array(path, (2, 6), VALUES.dtype, lambda: [VALUES[:2]]), VALUES[:2])


def test_what_breaks_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> Iterator[object]:
        yield VALUES
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        cached_array(tmp_path / "a.npy", (8, 6), VALUES.dtype, chunks)
    assert not [path for path in tmp_path.iterdir() if "lock" not in path.name]


def test_too_few_bytes_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"a\.npy"):
        cached_array(tmp_path / "a.npy", (8, 6), VALUES.dtype, lambda: [VALUES])


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot create this folder"):
        cached_array(tmp_path / "file" / "a.npy", (4, 6), VALUES.dtype, lambda: [VALUES])


def test_keys_tell_parts_apart() -> None:
    keys = [cache_key(Path("a"), 1), cache_key(Path("b"), 1), cache_key(Path("a"), 2), cache_key(Path("a"), [1])]
    assert len(set(keys)) == 4
    assert keys[0] == cache_key(Path("a"), 1)


def test_a_note_is_kept(tmp_path: Path) -> None:
    noted = {"names": ["a", "ü"], "rows": {"1": "bad"}}
    for _ in range(2):
        found = cached(tmp_path / "a.npy", (4, 6), VALUES.dtype, lambda: [VALUES], lambda: noted)
        np.testing.assert_array_equal(found.array, VALUES)
        assert found.note == noted


def zeroed(data: bytes) -> bytes:
    return data[:600] + bytes(300) + data[900:]


@pytest.mark.parametrize(
    "damage",
    [
        zeroed,
        lambda data: data[:700] + bytes([data[700] ^ 1]) + data[701:],
        lambda data: data[:-30] + bytes([data[-30] ^ 1]) + data[-29:],
        lambda data: data[:-12] + bytes([data[-12] ^ 1]) + data[-11:],
        lambda data: data[:-1],
        lambda data: data[:-40],
        lambda data: data[:5],
        lambda data: b"",
        lambda data: data + b"\n",
    ],
)
def test_a_damaged_file_is_made_anew_and_that_is_told(tmp_path: Path, damage, caplog) -> None:
    """It was trained on."""
    path, values, note = tmp_path / "a.npy", np.arange(1, 2001, dtype=np.int16), {"rows": list(range(20))}

    def made() -> Cached:
        return cached(path, values.shape, values.dtype, lambda: [values], lambda: note)

    made()
    whole = path.read_bytes()
    assert np.load(path).tolist() == values.tolist(), "numpy reads it too"
    assert not caplog.messages
    path.write_bytes(damage(whole))
    found = made()
    np.testing.assert_array_equal(found.array, values)
    assert found.note == note
    assert path.read_bytes() == whole
    assert any("a.npy: not as it was written" in message for message in caplog.messages)


def killed(path: Path) -> int:
    """Start to write a cache in another process and kill it; return its exit code."""
    code = (
        "import os, sys, numpy as np; from pathlib import Path; from cellcls.ops.storage.cache import cached_array\n"
        "def chunks():\n"
        "    yield np.zeros(1000, np.uint8)\n"
        "    os._exit(9)\n"
        "cached_array(Path(sys.argv[1]), (2000,), np.dtype(np.uint8), chunks)\n"
    )
    return subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith("tmp")]


@pytest.mark.parametrize("later", ["a.npy", "b.npy"])
def test_what_a_killed_process_left_is_swept_by_the_next(tmp_path: Path, later: str) -> None:
    assert killed(tmp_path / "a.npy") == 9
    assert len(left_over(tmp_path)) == 1
    cached_array(tmp_path / later, (4, 6), VALUES.dtype, lambda: [VALUES])
    assert left_over(tmp_path) == []


def test_what_another_process_is_writing_is_not_swept(tmp_path: Path) -> None:
    def chunks() -> Iterator[object]:
        before = left_over(tmp_path)
        assert len(before) == 1
        cached_array(tmp_path / "b.npy", (4, 6), VALUES.dtype, lambda: [VALUES])
        assert left_over(tmp_path) == before
        yield VALUES

    cached_array(tmp_path / "a.npy", (4, 6), VALUES.dtype, chunks)
    assert left_over(tmp_path) == []
