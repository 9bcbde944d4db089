from __future__ import annotations

from pathlib import Path

import pytest

from cellcls.ops.storage.files import cache_folder
from cellcls.ops.storage.paths import expanded, folder_in, is_absolute, last_name


def test_a_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded("~/cells") == expanded(Path("~/cells")) == tmp_path / "cells"
    assert expanded("cells/~") == Path("cells/~")
    assert expanded("~nobody-of-this-name/cells") == Path("~nobody-of-this-name/cells")


def test_a_folder_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, folder in (("~/data", tmp_path / "data"), ("data", Path("data")), ("", None)):
        monkeypatch.setenv("CELLCLS_DATA", value)
        assert folder_in("CELLCLS_DATA") == folder
    monkeypatch.delenv("CELLCLS_DATA")
    assert folder_in("CELLCLS_DATA") is None
    monkeypatch.setenv("CELLCLS_CACHE", "~/cache")
    assert cache_folder() == tmp_path / "cache"


@pytest.mark.parametrize(
    ("path", "absolute", "name"),
    [
        ("/data/set.npz", True, "set.npz"),
        ("C:/data/set.npz", True, "set.npz"),
        ("C:\\data\\set.npz", True, "set.npz"),
        ("\\\\server\\share\\set.npz", True, "set.npz"),
        ("data/set.npz", False, "set.npz"),
        ("/data/a\\b.npz", True, "a\\b.npz"),
    ],
)
def test_absolute_here_or_on_windows(path: str, absolute: bool, name: str):
    assert is_absolute(Path(path)) is absolute
    assert last_name(Path(path)) == name
