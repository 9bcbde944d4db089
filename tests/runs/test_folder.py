from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from cellcls.errors import UsageError, WriteError
from cellcls.runs.folder import RunFolder, free_folder, make_folder


def test_a_new_or_an_empty_folder_is_taken(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    for name in ("new/deep", "empty"):
        assert make_folder(tmp_path / name).path.is_dir()


def test_one_with_something_in_it_is_not(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("mine")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        make_folder(tmp_path / "run")
    with pytest.raises(UsageError, match="is a file"):
        make_folder(tmp_path / "run" / "mine")


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(WriteError, match="Permission denied"):
        make_folder(tmp_path / "run")


def test_the_first_free_number(tmp_path: Path):
    assert free_folder("x", tmp_path).name == "x-1"
    (tmp_path / "x-1").mkdir()
    (tmp_path / "x-3").mkdir()
    assert free_folder("x", tmp_path).name == "x-2"


def test_children_are_folders_with_a_recipe(tmp_path: Path):
    for name in ("b", "a", "no-run"):
        (tmp_path / name).mkdir()
    for name in ("a", "b"):
        (tmp_path / name / "recipe.toml").touch()
    assert [one.path.name for one in RunFolder(tmp_path).children()] == ["a", "b"]
    assert RunFolder(tmp_path / "nowhere").children() == []


def test_one_writer_at_a_time_and_leftovers_are_swept(tmp_path: Path):
    folder = RunFolder(tmp_path)
    leftover = tmp_path / ".metrics.json.1.cellcls-tmp"
    leftover.touch()
    with folder.locked():
        assert not leftover.exists()
        assert (tmp_path / ".lock").exists()
    assert list(tmp_path.iterdir()) == []
    with FileLock(tmp_path / ".lock"), pytest.raises(UsageError, match="another process"), folder.locked():
        pass


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / ".lock").mkdir()  # fails as a read-only folder does, for root too
    with pytest.raises(WriteError, match="cannot write here"), RunFolder(tmp_path).locked():
        pass
