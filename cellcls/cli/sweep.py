"""The runs of a search: one after another, each an ordinary run, with a journal from which it goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from cellcls.api import Search, Trial, changed
from cellcls.cli.output import say, table
from cellcls.errors import CellclsError, DataError, InterruptedRunError
from cellcls.ops.files import write_json, write_text
from cellcls.recipe import Loaded, dump, load
from cellcls.recipe.sweep import Best, as_text, settings_of
from cellcls.registry import Registry
from cellcls.run.folder import RunFolder, free_folder, make_folder, read_history, read_json, write_history
from cellcls.run.init import find_init
from cellcls.run.inputs import find_inputs
from cellcls.run.options import Options
from cellcls.run.plan import Plan, PlannedFile, PlannedRun, write_plan

RECIPE, JOURNAL = "sweep.toml", "sweep.jsonl"
"""In the folder of a sweep: what is searched, and a line a trial."""
REHEARSED = 2
"""Trials of a rehearsal."""

Result = dict[str, Any]
RunTrial = Callable[[Loaded, Path], Result]
"""Runs a trial's recipe in a folder, or goes on with what is there."""


@attrs.frozen(kw_only=True)
class Sweep:
    """A search in its folder."""

    folder: Path
    search: Search
    seed: int
    options: Options
    registry: Registry
    run: RunTrial

    @property
    def trials(self) -> int:
        """Number of trials."""
        return min(REHEARSED, self.search.trials) if self.options.rehearse else self.search.trials

    def execute(self) -> list[Result]:
        """Run what is missing; return the results of all trials. A trial that fails is told, and the search goes on."""
        with RunFolder(self.folder).locked():
            return self._executed()

    def _executed(self) -> list[Result]:
        propose = self.search.build(seed=self.seed)
        journal = read_history(self.folder / JOURNAL)
        results = []
        for number in range(self.trials):
            if number == len(journal):
                finished = [_trial(line) for line in journal]
                journal.append({"trial": number, "settings": dict(propose(number, finished))})
                write_history(self.folder / JOURNAL, journal)
            line = journal[number]
            if "exit_code" not in line:
                line |= self._outcome(number, line["settings"])
                write_history(self.folder / JOURNAL, journal)
            results.append(self._result(number, line))
        self._tell(journal)
        return results

    def _name(self, number: int) -> str:
        return f"trial-{number:03}"

    def _outcome(self, number: int, settings: dict[str, Any]) -> dict[str, Any]:
        """Run one trial; return what the journal keeps of it."""
        folder = self.folder / self._name(number)
        shown = ", ".join(settings_of(settings))
        say(f"cellcls: trial {number + 1} of {self.trials}: {shown}")
        try:
            if not RunFolder(folder).recipe.exists():
                shutil.rmtree(folder, ignore_errors=True)  # killed before it was planned
            overrides = [f"name={self._name(number)}", *settings_of(settings)]
            loaded = load(self.folder / RECIPE, self.registry, overrides=overrides, rehearse=self.options.rehearse)[0]
            result = self.run(loaded, folder)
        except InterruptedRunError as error:
            hint = f"go on with: cellcls run --resume {self.folder}"
            raise InterruptedRunError(error.message, hint, code=error.exit_code) from error
        except CellclsError as error:
            say(f"cellcls: {folder}: {error}")
            return {"exit_code": int(error.exit_code), "value": None}
        name, _, figure = self.search.metric.rpartition(".")
        return {"exit_code": 0, "value": result["metrics"]["evaluations"][name][figure]}

    def _result(self, number: int, line: dict[str, Any]) -> Result:
        folder = RunFolder(self.folder / self._name(number))
        metrics = read_json(folder.metrics) if line["exit_code"] == 0 else None
        return {"run": str(folder.path), "exit_code": line["exit_code"], "metrics": metrics}

    def _tell(self, journal: list[dict[str, Any]]) -> None:
        """Write which trial was best, and print it."""
        values = {line["trial"]: line["value"] for line in journal if "exit_code" in line}
        best = Best(self.search.lowest).of(values)
        if best is None:
            raise DataError(f"{self.folder}: every trial failed", f"what each was: {self.folder / JOURNAL}")
        line = journal[best]
        found = {"trial": self._name(best), self.search.metric: line["value"], "settings": line["settings"]}
        write_json(self.folder / "best.json", found)
        rows = [{"setting": key, "value": value} for key, value in line["settings"].items()]
        table(f"best of {len(values)} trials: {self._name(best)}, {self.search.metric} {line['value']:.4f}", rows)


def new_sweep(loaded: Loaded, registry: Registry, options: Options, out: Path | None, run: RunTrial) -> Sweep:
    """Plan a search: its folder, with all that going on with it needs. Raises what is wrong with its inputs."""
    assert loaded.sweep is not None
    inputs = find_init(find_inputs(loaded.recipe, loaded.file, registry, options), loaded.file)
    recipe = changed(loaded.recipe if options.rehearse else inputs.recipe, claim=None)
    folder = make_folder(out or free_folder(loaded.recipe.name)).path
    write_text(folder / RECIPE, f"{dump(recipe)}\n{as_text(loaded.sweep)}")
    write_json(folder / "options.json", options.to_data())
    made = Sweep(folder=folder, search=loaded.sweep, seed=recipe.seed, options=options, registry=registry, run=run)
    runs = tuple(PlannedRun(folder=name, recipe=name) for name in map(made._name, range(made.trials)))
    write_plan(folder, Plan(files=(PlannedFile(name=loaded.recipe.name, runs=runs),), by=loaded.sweep.metric))
    return made


def stopped_sweep(folder: Path, registry: Registry, now: Options, run: RunTrial) -> Sweep:
    """Return the search in ``folder``, to go on with it."""
    options = Options.from_data(read_json(folder / "options.json")).changed_by(now)
    loaded = load(folder / RECIPE, registry, rehearse=options.rehearse)[0]
    if loaded.sweep is None:
        raise DataError(f"{folder / RECIPE}: has no [sweep] any more")
    seed = loaded.recipe.seed
    return Sweep(folder=folder, search=loaded.sweep, seed=seed, options=options, registry=registry, run=run)


def _trial(line: dict[str, Any]) -> Trial:
    return Trial(number=line["trial"], settings=line["settings"], value=line["value"])
