"""Tables that a terminal and a notebook both show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from cellcls.report.compare import RunComparison
    from cellcls.runs.records import EpochRecord


class Table(Sequence[Mapping[str, str]]):
    """Rows of text, their keys as headings: a table in a terminal and in a notebook."""

    def __init__(self, rows: Sequence[Mapping[str, str]]) -> None:
        self.rows = tuple(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __str__(self) -> str:
        if not self.rows:
            return "no rows"
        lines = [list(self.rows[0]), *([str(cell) for cell in row.values()] for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        def cells(tag: str, values: Sequence[object]) -> str:
            return "".join(f"<{tag}>{escape(str(value))}</{tag}>" for value in values)

        head = cells("th", list(self.rows[0])) if self.rows else ""
        body = "".join(f"<tr>{cells('td', list(row.values()))}</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@attrs.frozen(kw_only=True)
class Prediction:
    """What a network says of one image."""

    image: str
    """Its file name; of an array, ``array[0]``."""
    label: str
    """The likeliest class."""
    probability: float
    """Of that class, 0..1."""
    probabilities: Mapping[str, float]
    """Of each class."""


class Predictions(Table):
    """A ``Prediction`` for each image, in their order."""

    def __init__(self, predictions: Sequence[Prediction], *, rehearsal: bool) -> None:
        self.predictions = tuple(predictions)
        self.rehearsal = rehearsal
        """Whether the weights come from a rehearsal, so that the answers mean nothing."""
        super().__init__(
            [{"image": one.image, "class": one.label, "probability": f"{one.probability:.3f}"} for one in predictions]
        )

    def __getitem__(self, index: Any) -> Any:
        return self.predictions[index]

    def __iter__(self) -> Iterator[Prediction]:  # type: ignore[override]
        return iter(self.predictions)


class History(Table):
    """The epochs of a run, each an ``EpochRecord``."""

    def __init__(self, epochs: Sequence[EpochRecord]) -> None:
        from cellcls.report import tables

        self.epochs = tuple(epochs)
        super().__init__(tables.history(epochs))

    def __getitem__(self, index: Any) -> Any:
        return self.epochs[index]

    def __iter__(self) -> Iterator[EpochRecord]:  # type: ignore[override]
        return iter(self.epochs)


def comparison_table(comparison: RunComparison) -> Table:
    """Return a comparison's rows, the best run first."""
    from cellcls.report import compare_tables

    return Table(compare_tables.runs(comparison))
