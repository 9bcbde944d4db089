"""The commands as functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from cellcls.errors import UsageError
from cellcls.execution.context import Context, Output
from cellcls.library.handles import PathLike, Run, Runs
from cellcls.library.table import Table
from cellcls.ops.storage.paths import expanded
from cellcls.registry import load_registry
from cellcls.runs.options import Options

if TYPE_CHECKING:
    from cellcls.auditing.audit import Audit
    from cellcls.engine.check import CheckedRun
    from cellcls.recipe import Loaded
    from cellcls.report.compare import RunComparison


def run(
    recipe: PathLike | Sequence[PathLike],
    *,
    out: PathLike | None = None,
    set: Mapping[str, object] | None = None,
    variant: str | None = None,
    rehearse: bool = False,
    data: PathLike | None = None,
    device: str | None = None,
    threads: int | None = None,
    offline: bool = False,
    weights: PathLike | None = None,
    launcher: str | None = None,
    quiet: bool = False,
) -> Run | Runs:
    """Run a recipe: train, evaluate, explain, and write the report.

    ``out``: the run folder to create (default: ``runs/NAME-N``); ``set``: settings to change, by dotted name
    (``{"seed": 7, "stages.0.epochs": 3}``); ``variant``: run only this variant. The other arguments are those of
    ``cellcls run``. Returns a ``Run``, or ``Runs`` for several recipes or a recipe with variants or seeds.

    Raises what is wrong with recipe, plugins or data before anything is trained. If one of several runs fails, it is
    in ``Runs.failed``.
    """
    from cellcls.execution.comparison import compare_results
    from cellcls.execution.launch import choose_launcher
    from cellcls.execution.several import run_all

    registry = load_registry()
    options = Options(
        data=_path(data), device=device, threads=threads, offline=offline, weights=_path(weights), rehearse=rehearse
    )
    context = Context(
        registry=registry,
        options=options,
        output=_output(quiet),
        launcher=choose_launcher(launcher, registry) if launcher else None,
    )
    loaded = _load(recipe, set, variant, context)
    results = run_all(loaded, _path(out), context)
    comparison = compare_results(results)
    if len(loaded) == 1 and loaded[0].sweep is None and launcher is None:
        return Run(results[0].folder, options)
    return Runs(results, comparison, options)


def resume(
    folder: PathLike,
    *,
    data: PathLike | None = None,
    device: str | None = None,
    threads: int | None = None,
    quiet: bool = False,
) -> Run | Runs:
    """Resume a run that was stopped, or those below a folder. Raises the same errors as ``run``, and ``UsageError`` if
    there is nothing to resume."""
    from cellcls.execution.comparison import compare_results
    from cellcls.execution.several import resume_all
    from cellcls.runs.folder import RunFolder

    options = Options(data=_path(data), device=device, threads=threads)
    path = expanded(folder)
    results = resume_all(path, Context(registry=load_registry(), options=options, output=_output(quiet)))
    comparison = compare_results(results)
    return Run(path, options) if RunFolder(path).is_run else Runs(results, comparison, options)


def open_run(folder: PathLike) -> Run:
    """Open a run folder, finished or not. Raises ``MissingInputError`` if it is not a run folder, ``DataError`` if one
    of its files is damaged."""
    opened = Run(folder)
    _ = opened.record
    return opened


def compare(runs: Sequence[Run | PathLike], *, by: str | None = None) -> RunComparison:
    """Compare finished runs: sorted by a metric (``by``: ``"test.accuracy"``), each tested against the best on the same
    images. Raises ``MissingInputError``, ``UsageError``, ``DataError``."""
    from cellcls.report.compare_read import read_comparison

    return read_comparison([expanded(run) for run in runs], by)


def check(
    recipe: PathLike | Sequence[PathLike],
    *,
    set: Mapping[str, object] | None = None,
    variant: str | None = None,
    rehearse: bool = False,
    data: PathLike | None = None,
    offline: bool = False,
    weights: PathLike | None = None,
) -> list[CheckedRun]:
    """Check recipes without training: plugins, data, classes, steps and memory. Returns what each run would be; raises
    the problems of all recipes in one error."""
    from cellcls.execution.checking import check_all

    options = Options(data=_path(data), offline=offline, weights=_path(weights), rehearse=rehearse)
    context = Context(registry=load_registry(), options=options)
    return check_all(_load(recipe, set, variant, context), context)


def audit(
    data: PathLike,
    *,
    out: PathLike | None = None,
    against: PathLike | None = None,
    features: str | None = None,
    offline: bool = False,
    weights: PathLike | None = None,
    quiet: bool = False,
) -> Audit:
    """Find problems in a data set: copies, conflicting labels, leaks, damaged images, wrong labels.

    ``out``: folder to write to; None: nothing is written (``auditing.results.write`` can do that later). ``against``:
    another data set to compare with; ``features``: the network whose features to use. Raises
    ``MissingInputError``, ``DataError``, ``UsageError``.
    """
    from cellcls.api import WeightPlaces
    from cellcls.auditing.audit import audit_dataset
    from cellcls.auditing.results import write
    from cellcls.runs.folder import make_folder, refuse_folder

    refuse_folder(_path(out))
    with _counting(quiet) as progress:
        places = WeightPlaces(directory=_path(weights), offline=offline)
        result = audit_dataset(
            expanded(data), load_registry(), progress, against=_path(against), features=features, weights=places
        )
    if out is not None:
        write(result, make_folder(expanded(out)).path)
    return result


def list_plugins() -> Table:
    """Return a row for each installed plugin: what it offers, or why it is not used."""
    return Table(
        [
            {
                "plugin": plugin.name,
                "version": plugin.version,
                "offers": ", ".join(plugin.offers()),
                "problem": plugin.failure or "",
            }
            for plugin in load_registry().plugins
        ]
    )


def _load(
    recipe: PathLike | Sequence[PathLike], settings: Mapping[str, object] | None, variant: str | None, context: Context
) -> list[Loaded]:
    from cellcls.recipe import load_all
    from cellcls.recipe.overlay import as_override

    paths = [recipe] if isinstance(recipe, str | Path) else list(recipe)
    if not paths:
        raise UsageError("no recipe given", 'give one: cellcls.run("recipes/quickstart.toml")')
    overrides = [as_override(key, value) for key, value in (settings or {}).items()]
    return load_all(
        [expanded(path) for path in paths],
        context.registry,
        overrides=overrides,
        variant=variant,
        rehearse=context.options.rehearse,
    )


def _output(quiet: bool) -> Output:
    """Return an output that shows progress but prints no tables, as results are returned."""
    if quiet:
        return Output()
    from cellcls.terminal import progress, say

    return Output(say=say, progress=progress)


def _counting(quiet: bool) -> AbstractContextManager[Callable[[str, int, int], None]]:
    if quiet:
        return nullcontext(lambda _text, _done, _total: None)
    from cellcls.terminal import counting

    return counting()


def _path(path: PathLike | None) -> Path | None:
    return None if path is None else expanded(path)
