from __future__ import annotations

import pytest

from cellcls.errors import DataError
from cellcls.ops.curation.belonging import values_of

COLUMNS = {"patient": ("p1", "p2", ""), "slide": ("1", "2", "3")}
NAMES = ("a/pat_1/x.png", "b/pat_1/y.png", "b/other/z.png")


def test_groups_come_from_a_column_or_a_pattern() -> None:
    assert values_of("slide", COLUMNS, NAMES) == ("1", "2", "3")
    assert list(values_of("/([^/]+)/", COLUMNS, NAMES)) == ["pat_1", "pat_1", "other"]


@pytest.mark.parametrize(
    ("group", "names", "message"),
    [
        ("slides", NAMES, "no such column; it has: `patient`, `slide`\n.*did you mean `slide`"),
        ("(x)", None, "no such column"),
        ("patient", None, "1 of 3 images have no value: 2\n"),
        ("pat_(.)", NAMES, "1 of 3 images have no value: b/other/z.png\n"),
    ],
)
def test_groups_that_are_not_there_are_told(group: str, names: tuple[str, ...] | None, message: str) -> None:
    with pytest.raises(DataError) as caught:
        values_of(group, COLUMNS, names)
    assert caught.match(message)
