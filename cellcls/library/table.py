"""Tables for terminals and notebooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from cellcls.api import BadImage
    from cellcls.report.compare import RunComparison
    from cellcls.runs.records import EpochRecord


class Table(Sequence[Mapping[str, str]]):
    """Rows of text with their keys as headings, shown as a table in terminals and notebooks."""

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
    """The prediction for an image."""

    image: str
    """Its file name; for an array ``array 0``, or ``array 0[2]`` in a stack, by its place in the list."""
    label: str
    """The most probable class."""
    probability: float
    """The probability of this class, 0..1."""
    probabilities: Mapping[str, float]
    """The probability of each class."""
    unknown: str | None = None
    """Why the image is unlike those that the network knows; "" if it is not, None if that cannot be told."""


class PredictionTable(Table):
    """A ``Prediction`` for each image that can be read, in order."""

    def __init__(
        self,
        predictions: Sequence[Prediction],
        *,
        rehearsal: bool,
        bad_images: Sequence[BadImage] = (),
        models: Sequence[str] = (),
    ) -> None:
        self.predictions = tuple(predictions)
        self.bad_images = tuple(bad_images)
        """Images that could not be read, which have no prediction."""
        self.models = tuple(models)
        """Name, version and hash of the installed models that predicted; empty for runs."""
        self.rehearsal = rehearsal
        """Whether the weights are from a rehearsal, so that the predictions mean nothing."""
        super().__init__(
            [
                {
                    "image": prediction.image,
                    "class": prediction.label,
                    "probability": f"{prediction.probability:.3f}",
                    **({} if prediction.unknown is None else {"unknown": prediction.unknown or "-"}),
                }
                for prediction in predictions
            ]
        )

    def __getitem__(self, index: Any) -> Any:
        return self.predictions[index]

    def __iter__(self) -> Iterator[Prediction]:  # type: ignore[override]
        return iter(self.predictions)


class HistoryTable(Table):
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
    """Return the table of a comparison, the best run first."""
    from cellcls.report import compare_tables

    return Table(compare_tables.runs(comparison))
