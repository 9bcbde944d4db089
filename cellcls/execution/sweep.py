"""Executes a search: batches of trials, each an ordinary run, and a journal from which the search can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import attrs

from cellcls.api import Search, Trial, changed
from cellcls.errors import CellclsError, DataError, ExitCode, InterruptedRunError
from cellcls.execution import launch
from cellcls.execution.context import ChosenLauncher, Context
from cellcls.execution.result import RunResult, failed, result_of
from cellcls.execution.single import make_run, plan_run, resume_line, resume_run, with_hints
from cellcls.ops.storage.files import write_json, write_text
from cellcls.recipe import Loaded, dump, load
from cellcls.recipe.sweep import Best, as_text, settings_of
from cellcls.runs.folder import RunFolder, free_folder, make_folder
from cellcls.runs.init import find_all
from cellcls.runs.options import kept_options, write_options
from cellcls.runs.plan import Plan, PlannedFile, PlannedRun, write_plan
from cellcls.runs.records import TrialRecord, read_lines, write_lines

_RECIPE, _JOURNAL = "sweep.toml", "sweep.jsonl"
"""Files in a sweep's folder: the recipe with its search, and a journal with one line per trial."""
_STOPPED = (ExitCode.INTERRUPTED, ExitCode.TERMINATED)
REHEARSED = 2
"""Number of trials in a rehearsal."""


@attrs.frozen(kw_only=True)
class Sweep:
    """A search in its folder."""

    folder: Path
    search: Search
    seed: int
    context: Context

    @property
    def trials(self) -> int:
        """The number of trials: at most the number of combinations."""
        asked = min(REHEARSED, self.search.trials) if self.context.options.rehearse else self.search.trials
        different = self.search.combinations()
        return asked if different is None else min(asked, different)

    def execute(self) -> list[RunResult]:
        """Run the missing trials; return the results of all. Failures are reported, and the search continues."""
        with RunFolder(self.folder).locked():
            self._announce()
            return self._executed()

    def _announce(self) -> None:
        """Report if the number of trials differs from the number of combinations."""
        different, asked = self.search.combinations(), self.search.trials
        if different is not None and different < asked:
            self.context.output.say(f"cellcls: only {different} combinations exist: {different} trials, not {asked}")
        elif different is not None and different > asked:
            self.context.output.say(
                f"cellcls: the first {asked} of {different} combinations; trials = {different} runs all"
            )

    def _executed(self) -> list[RunResult]:
        propose = self.search.build(seed=self.seed)
        journal = list(read_lines(self.folder / _JOURNAL, TrialRecord))
        for first in range(0, self.trials, self.search.at_once):
            batch = range(first, min(first + self.search.at_once, self.trials))
            finished = [_trial(record) for record in journal[:first]]
            proposed = [
                TrialRecord(trial=number, settings=dict(propose(number, finished)))
                for number in batch[max(0, len(journal) - first) :]
            ]
            if proposed:
                journal += proposed
                write_lines(self.folder / _JOURNAL, journal)
            for ended in self._run([record for record in journal[first : batch.stop] if record.exit_code is None]):
                journal[ended.trial] = ended
                write_lines(self.folder / _JOURNAL, journal)
        self._tell(journal)
        return [self._result(record) for record in journal[: self.trials]]

    def _name(self, number: int) -> str:
        return f"trial-{number:03}"

    def _run(self, records: Sequence[TrialRecord]) -> Iterator[TrialRecord]:
        """Run the trials of a batch; yield the record of each when it has ended."""
        planned: list[tuple[TrialRecord, RunFolder]] = []
        for record in records:
            folder = RunFolder(self.folder / self._name(record.trial))
            try:
                make = self._planned(record, folder)
                if self.context.launcher is None or folder.complete:
                    yield self._ended(record, make())
                else:
                    planned.append((record, folder))
            except InterruptedRunError as error:
                raise with_hints(error, resume_line(self.folder)) from error
            except CellclsError as error:
                self.context.output.say(f"cellcls: {folder.path}: {error}")
                yield self._ended(record, failed(folder.path, error.exit_code))
        if self.context.launcher is not None and planned:
            yield from self._launched(self.context.launcher, planned)

    def _launched(
        self, launcher: ChosenLauncher, planned: Sequence[tuple[TrialRecord, RunFolder]]
    ) -> Iterator[TrialRecord]:
        """Let the launcher run planned trials. Trials that were stopped have no outcome yet."""
        results = launch.execute(launcher, [run.path for _, run in planned], self.folder, self.context.output)
        stopped = [result for result in results if result.exit_code in _STOPPED]
        for (record, _), result in zip(planned, results, strict=True):
            if result not in stopped:
                yield self._ended(record, result)
        if stopped:
            message = f"{', '.join(result.folder.name for result in stopped)}: stopped"
            raise InterruptedRunError(message, resume_line(self.folder), code=ExitCode.RESUMABLE)

    def _planned(self, record: TrialRecord, folder: RunFolder) -> Callable[[], RunResult]:
        """Plan a trial, if it is not planned yet; return a function that executes or resumes it."""
        settings = settings_of(record.settings)
        self.context.output.say(f"cellcls: trial {record.trial + 1} of {self.trials}: {', '.join(settings)}")
        if folder.recipe.exists():
            write_options(folder, self.context.options)
            return partial(resume_run, folder, self.context)
        overrides = [f"name={folder.path.name}", *settings]
        loaded = load(
            self.folder / _RECIPE, self.context.registry, overrides=overrides, rehearse=self.context.options.rehearse
        )[0]
        inputs = find_all(loaded, self.context.registry, self.context.options)
        planned = plan_run(folder.path, inputs, self.context.options, half_planned=True)
        return partial(make_run, inputs, planned, self.context)

    def _ended(self, record: TrialRecord, result: RunResult) -> TrialRecord:
        """Return the record of a trial with its outcome."""
        name, _, metric = self.search.metric.rpartition(".")
        value = result.metrics.evaluations[name].values[metric] if result.metrics else None
        return attrs.evolve(record, exit_code=int(result.exit_code), value=value)

    def _result(self, record: TrialRecord) -> RunResult:
        folder = self.folder / self._name(record.trial)
        return failed(folder, record.exit_code) if record.exit_code else result_of(RunFolder(folder))

    def _tell(self, journal: Sequence[TrialRecord]) -> None:
        """Write and print the best trial."""
        values = {record.trial: record.value for record in journal if record.exit_code is not None}
        best = Best(self.search.lowest).of(values)
        if best is None:
            raise DataError(f"{self.folder}: every trial failed", f"see the exit codes in {self.folder / _JOURNAL}")
        value, settings = values[best], journal[best].settings
        found = {"trial": self._name(best), self.search.metric: value, "settings": settings}
        write_json(self.folder / "best.json", found)
        rows = [{"setting": key, "value": value} for key, value in settings.items()]
        self.context.output.table(
            f"best of {len(values)} trials: {self._name(best)}, {self.search.metric} {value:.4f}", rows
        )


def is_sweep(folder: Path) -> bool:
    """Return whether a folder is that of a search."""
    return (folder / _RECIPE).is_file() and RunFolder(folder).options.is_file()


def new_sweep(loaded: Loaded, out: Path | None, context: Context) -> Sweep:
    """Plan a search: create its folder with all that resuming needs. Raises what is wrong with its inputs."""
    assert loaded.sweep is not None
    inputs = find_all(loaded, context.registry, context.options)
    recipe = changed(loaded.recipe if context.options.rehearse else inputs.recipe, claim=None)
    folder = make_folder(out or free_folder(loaded.recipe.name)).path
    planned = Sweep(
        folder=folder,
        search=loaded.sweep,
        seed=recipe.seed,
        context=context,
    )
    runs = tuple(PlannedRun(folder=name, recipe=name) for name in map(planned._name, range(planned.trials)))
    write_plan(folder, Plan(files=(PlannedFile(name=loaded.recipe.name, runs=runs),), by=loaded.sweep.metric))
    write_options(RunFolder(folder), context.options)
    write_text(folder / _RECIPE, f"{dump(recipe)}\n{as_text(loaded.sweep)}")  # last: it marks the search as planned
    return planned


def stopped_sweep(folder: Path, context: Context) -> Sweep:
    """Return the search in ``folder``, to resume it."""
    options = kept_options(RunFolder(folder), context.options)
    loaded = load(folder / _RECIPE, context.registry, rehearse=options.rehearse)[0]
    if loaded.sweep is None:
        raise DataError(f"{folder / _RECIPE}: no longer has a [sweep]")
    return Sweep(
        folder=folder,
        search=loaded.sweep,
        seed=loaded.recipe.seed,
        context=attrs.evolve(context, options=options),
    )


def _trial(record: TrialRecord) -> Trial:
    return Trial(number=record.trial, settings=record.settings, value=record.value)
