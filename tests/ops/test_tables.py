from __future__ import annotations

from pathlib import Path

import pytest

from cellcls.errors import DataError
from cellcls.ops.storage.tables import is_table, read_table


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,x\n2,\n",
        b"\xef\xbb\xbfa;b\r\n1;x\r\n2;\r\n",
        b'a|"b"\n\n1|x\n2\n',
        "a\tb\n1\tx\n2\t\n".encode("utf-16-le").join([b"\xff\xfe", b""]),
    ],
)
def test_separators_quotes_marks_and_short_rows(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.CSV").write_bytes(content)
    assert is_table(tmp_path / "t.CSV")
    assert read_table(tmp_path / "t.CSV") == {"a": ["1", "2"], "b": ["x", ""]}


def test_a_separator_in_a_quoted_name_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('"a, b, c";d\n1;2\n')
    assert read_table(tmp_path / "t.csv") == {"a, b, c": ["1"], "d": ["2"]}


def test_a_folder_or_another_file_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "t.txt").touch()
    assert not is_table(tmp_path / "folder.csv")
    assert not is_table(tmp_path / "t.txt")


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv: cannot be read: No such file"):
        read_table(tmp_path / "t.csv")
