"""Runs as objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from cellcls.library.table import HistoryTable, PredictionTable, Table, comparison_table
from cellcls.ops.storage.paths import expanded
from cellcls.registry import load_registry
from cellcls.runs.options import Options

if TYPE_CHECKING:
    from cellcls.engine.export import Export
    from cellcls.engine.inference import DataEvaluation, Explained
    from cellcls.execution.result import RunResult
    from cellcls.library.using import Image
    from cellcls.report.compare import RunComparison
    from cellcls.report.read import RunRecord
    from cellcls.runs.records import EvaluationRecord

PathLike: TypeAlias = "str | Path"


class Run:
    """A run folder, finished or not."""

    def __init__(self, folder: PathLike, options: Options | None = None) -> None:
        self.folder = expanded(folder)
        self._options = options or Options()

    def __fspath__(self) -> str:
        return str(self.folder)

    @cached_property
    def record(self) -> RunRecord:
        """The contents of the folder. Raises ``MissingInputError`` and ``DataError``."""
        from cellcls.report.read import read_run

        return read_run(self.folder)

    @property
    def name(self) -> str:
        """The name of the recipe."""
        return self.record.name

    @property
    def metrics(self) -> Mapping[str, EvaluationRecord]:
        """The evaluations by name: ``run.metrics["test"].accuracy``; empty until the run is complete."""
        return self.record.metrics.evaluations

    @property
    def history(self) -> HistoryTable:
        """The epochs so far."""
        return HistoryTable(self.record.history)

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names in the order of the labels."""
        return self.record.classes

    @property
    def report(self) -> Path:
        """The path of the report."""
        return self.folder / "report.html"

    def predict(
        self,
        images: Image | list[Image],
        *,
        center_crop: int | None = None,
        device: str | None = None,
        threads: int | None = None,
    ) -> PredictionTable:
        """Predict the class of images with the run's best weights.

        ``images``: a file, a folder or an npz, an array (H, W, 3) or (N, H, W, 3) uint8, RGB, or a list of these.
        Of larger images, the middle ``center_crop`` pixels are cut out first. Images that cannot be read are in
        ``bad_images`` of the result, with a warning. Raises ``MissingInputError``, and ``DataError`` if no image can be
        read.
        """
        from cellcls.library.using import predict

        options = self._machine(device, threads)
        return predict(images, run=self, center_crop=center_crop, device=options.device, threads=options.threads)

    def evaluate(
        self,
        data: PathLike,
        *,
        part: Literal["train", "val", "test", "all"] | None = None,
        unseen: bool = False,
        corrupt: str | None = None,
        views: Sequence[str] = (),
        classes_present: bool = False,
        device: str | None = None,
        threads: int | None = None,
    ) -> DataEvaluation:
        """Evaluate the best weights on a labelled data set. Classes are matched by name.

        ``unseen`` leaves out images that the run was trained on; ``corrupt`` and ``views`` are as in a recipe's
        ``[[evaluate]]``; ``classes_present`` restricts probabilities to the classes that occur. Raises
        ``MissingInputError``, ``DataError``, ``UsageError``.
        """
        from cellcls.library.using import evaluate

        options = self._machine(device, threads)
        return evaluate(
            data,
            run=self,
            part=part,
            unseen=unseen,
            corrupt=corrupt,
            views=views,
            classes_present=classes_present,
            device=options.device,
            threads=options.threads,
        )

    def explain(
        self,
        data: PathLike | None = None,
        *,
        other: Run | PathLike | None = None,
        use: str = "grad_cam",
        images: int = 16,
        depths: int = 16,
        device: str | None = None,
        threads: int | None = None,
    ) -> Explained:
        """Return heat maps of the best weights on ``data`` (None: the run's own test part), compared layer by layer
        with those of ``other``, or else those after the first stage with those after the last."""
        from cellcls.engine.inference import explain_on

        return explain_on(
            self.folder,
            None if data is None else expanded(data),
            load_registry(),
            self._machine(device, threads),
            use=use,
            images=images,
            other=expanded(other) if other is not None else None,
            depths=depths,
        )

    def export(self, format: Literal["codabench", "onnx", "hub"], out: PathLike) -> Export:
        """Write the best weights to ``out`` in another format, after comparing them with the run. Raises
        ``UsageError``, ``MissingPluginError``, ``DataError``."""
        from cellcls.engine.export import export_run

        return export_run(self.folder, format, expanded(out), load_registry())

    def _machine(self, device: str | None, threads: int | None) -> Options:
        return Options(device=device or self._options.device, threads=threads or self._options.threads)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def summary(self) -> Table:
        """Return a row for each evaluation."""
        from cellcls.report import tables

        return Table(tables.summary(self.record))

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.name)}: <code>{escape(str(self.folder))}</code></p>{self.summary()._repr_html_()}"


class Runs(Sequence[Run]):
    """The runs of variants, seeds or several recipes. Those that failed are in ``failed``."""

    def __init__(self, results: Sequence[RunResult], comparison: RunComparison | None, options: Options) -> None:
        self.comparison = comparison
        """The comparison of the runs, None if none was finished."""
        self.failed = {result.folder: result.exit_code for result in results if result.exit_code}
        self._runs = tuple(Run(result.folder, options) for result in results if not result.exit_code)

    @overload
    def __getitem__(self, index: int) -> Run: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Run]: ...

    def __getitem__(self, index: int | slice) -> Run | Sequence[Run]:
        return self._runs[index]

    def __len__(self) -> int:
        return len(self._runs)

    def __repr__(self) -> str:
        return f"Runs({list(self._runs)!r})"

    def _repr_html_(self) -> str:
        return comparison_table(self.comparison)._repr_html_() if self.comparison else ""
