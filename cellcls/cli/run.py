"""``cellcls run``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import rich_click as click

from cellcls.cli.output import json_option, machine_options, print_json, say, table
from cellcls.cli.progress import progress
from cellcls.errors import CellclsError, ExitCode, InterruptedRunError, MissingInputError, UsageError
from cellcls.ops.files import write_text
from cellcls.recipe import Loaded, dump, load
from cellcls.registry import Registry, load_registry
from cellcls.run.folder import RunFolder, free_folder, make_folder, read_json, write_options
from cellcls.run.inputs import Inputs, find_inputs
from cellcls.run.options import Options


@attrs.frozen(kw_only=True)
class _Planned:
    """A run to be made: its inputs are found, its folder is chosen."""

    inputs: Inputs
    folder: RunFolder


@click.command()
@click.argument("recipes", nargs=-1, type=click.Path(path_type=Path), metavar="RECIPE|FOLDER...")
@machine_options
@click.option("--out", type=click.Path(path_type=Path), help="The run folder to make; default: runs/NAME-N.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting: train.batch_size=64.")
@click.option("--variant", help="Run one variant of the recipe only.")
@click.option("--rehearse", is_flag=True, help="Rendered cells, random weights, one step a stage: does it work?")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a run that was stopped.")
@click.option("--fail-on-claims", is_flag=True, help="Exit with 1 when a claim does not hold.")
@json_option
def run(
    recipes: tuple[Path, ...],
    out: Path | None,
    overrides: tuple[str, ...],
    variant: str | None,
    resume: Path | None,
    fail_on_claims: bool,
    as_json: bool,
    **machine: Any,
) -> int:
    """Train, measure and explain what a recipe says, into a run folder.

    A file with variants or seeds, a folder of recipes, or several recipes make one run each, in folders below RUN.
    """
    registry = load_registry()
    if resume is not None:
        if recipes or out or overrides or variant:
            raise UsageError("--resume takes a run folder alone: it holds the recipe")
        folders = _unfinished(resume)
        results = [_resumed(folder, registry) for folder in folders]
    else:
        if not recipes:
            raise UsageError("which recipe? cellcls recipes ls shows the shipped ones", "cellcls run RECIPE")
        options = Options(**machine)
        loaded = [
            one
            for path in _files(recipes)
            for one in load(path, registry, overrides=overrides, variant=variant, rehearse=options.rehearse)
        ]
        results = _all(loaded, registry, options, out)
    if int(os.environ.get("RANK", "0")) == 0:
        _print(results, as_json)
    failed = next((one["exit_code"] for one in results if one["exit_code"]), None)
    if failed is not None:
        return int(failed)
    missed = [claim for one in results for claim in one["metrics"]["claims"] if not claim["held"]]
    return ExitCode.WANTING if missed and fail_on_claims else ExitCode.DONE


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        below = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        if not below:
            raise MissingInputError(f"{path}: a folder without recipes (*.toml)")
        found += below
    return found


def _all(loaded: list[Loaded], registry: Registry, options: Options, out: Path | None) -> list[dict[str, Any]]:
    """Make every run; with several, one that fails is told and the others go on."""
    if len(loaded) == 1:
        inputs = find_inputs(loaded[0].recipe, loaded[0].file, registry, options)
        folder = _shared_folder(lambda: make_folder(out or free_folder(loaded[0].recipe.name)))
        _write_plan(folder, inputs, options)
        return [_made(_Planned(inputs=inputs, folder=folder), registry, options)]
    name = loaded[0].file.stem if len({one.file for one in loaded}) == 1 else "runs"
    results = []
    planned: list[_Planned] = []
    parent = _shared_folder(lambda: make_folder(out or free_folder(name)))
    for one in loaded:
        child = parent.path / _child_name(one)
        try:
            inputs = find_inputs(one.recipe, one.file, registry, options)
        except CellclsError as error:
            results.append(_failure(child, error))
            continue
        folder = _shared_folder(lambda child=child: make_folder(child))
        _write_plan(folder, inputs, options)
        planned.append(_Planned(inputs=inputs, folder=folder))
    if not planned:
        shutil.rmtree(parent.path, ignore_errors=True)
        raise results[0]["error"]
    for plan in planned:
        try:
            results.append(_made(plan, registry, options))
        except InterruptedRunError:
            raise
        except CellclsError as error:
            results.append(_failure(plan.folder.path, error))
    return results


def _shared_folder(make: Any) -> RunFolder:
    """Make a folder in the first process of torchrun, and name it to the others."""
    if "RANK" not in os.environ:
        folder: RunFolder = make()
        return folder
    from cellcls.engine.device import machine

    here = machine(Options(), "float32")
    return RunFolder(Path(here.agreed(str(make().path) if here.first else None)))


def _child_name(loaded: Loaded) -> str:
    return f"{loaded.recipe.name}-seed{loaded.recipe.seed}" if loaded.seeded else loaded.recipe.name


def _write_plan(folder: RunFolder, inputs: Inputs, options: Options) -> None:
    """Write what resuming needs even if the run is killed before its first step."""
    if int(os.environ.get("RANK", "0")) == 0:
        write_text(folder.recipe, dump(inputs.recipe))
        write_options(folder, options.to_data())
        folder.state.mkdir(exist_ok=True)


def _failure(path: Path, error: CellclsError) -> dict[str, Any]:
    say(f"cellcls: {path}: {error}")
    return {"run": str(path), "exit_code": int(error.exit_code), "error": error, "metrics": None}


def _made(plan: _Planned, registry: Registry, options: Options) -> dict[str, Any]:
    """Execute one run and draw its report. A run that fails before its first state leaves no folder."""
    say("cellcls: importing torch")
    from cellcls import report
    from cellcls.engine.device import leave
    from cellcls.engine.job import Job, Stop
    from cellcls.engine.train import run as execute

    first = int(os.environ.get("RANK", "0")) == 0
    with Stop().listening() as stop:
        job = Job(inputs=plan.inputs, folder=plan.folder, options=options, registry=registry, stop=stop)
        try:
            with progress(silent=not first) as shows, _lock(plan.folder, first):
                for event in execute(job):
                    shows(event)
        except CellclsError as error:
            if first and not isinstance(error, InterruptedRunError):
                _remove_if_nothing_happened(plan.folder)
            raise
        finally:
            leave()
        if first:
            report.write(plan.folder.path)
            return {"run": str(plan.folder.path), "exit_code": 0, "metrics": read_json(plan.folder.metrics)}
    return {"run": str(plan.folder.path), "exit_code": 0, "metrics": {"claims": []}}


def _lock(folder: RunFolder, first: bool) -> Any:
    from contextlib import nullcontext

    return folder.locked() if first else nullcontext()


def _remove_if_nothing_happened(folder: RunFolder) -> None:
    if not folder.best.exists() and not any(folder.state.glob("*.safetensors")):
        shutil.rmtree(folder.path, ignore_errors=True)


def _unfinished(path: Path) -> list[RunFolder]:
    """Return the runs below ``path``, or itself, that are not complete."""
    folder = RunFolder(path)
    runs = [folder] if folder.recipe.exists() else folder.children()
    if not runs:
        raise MissingInputError(f"{path}: no run folder", "it would have a recipe.toml, or folders that have one")
    open_ones = [one for one in runs if one.state.exists()]
    if not open_ones:
        raise UsageError(f"{path}: complete; there is nothing to resume", f"its report: {path}/report.html")
    return open_ones


def _resumed(folder: RunFolder, registry: Registry) -> dict[str, Any]:
    options = Options.from_data(read_json(folder.options)) if folder.options.exists() else Options()
    loaded = load(folder.recipe, registry, rehearse=options.rehearse)[0]
    inputs = find_inputs(loaded.recipe, folder.recipe, registry, options)
    return _made(_Planned(inputs=inputs, folder=folder), registry, options)


def _print(results: list[dict[str, Any]], as_json: bool) -> None:
    from cellcls.report import tables
    from cellcls.report.read import read_run

    shown = [{key: value for key, value in one.items() if key != "error"} for one in results]
    if as_json:
        print_json(shown[0] if len(shown) == 1 else shown)
        return
    for one in shown:
        if one["metrics"] is None:
            continue
        record = read_run(Path(one["run"]))
        table(one["metrics"]["name"], tables.summary(record))
        table("claimed and measured", tables.claims(record))
        print(f"report: {one['run']}/report.html")
