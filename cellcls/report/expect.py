"""Checks what a recipe file expects of its runs: held, not held, or not checked (missing runs and rehearsals)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from statistics import mean

import attrs

from cellcls.ops.statistics.table import lower_is_better
from cellcls.recipe import Expect
from cellcls.recipe.expect import RUNNING, is_glob
from cellcls.report.numbers import NOTHING, decimal
from cellcls.report.read import RunRecord
from cellcls.report.tables import HELD, NOT_CHECKED, NOT_HELD, Row
from cellcls.runs.plan import Plan, PlannedFile, PlannedRun
from cellcls.runs.records import MetricsRecord

Records = Mapping[str, RunRecord]
"""Finished runs by their folder, as the plan names it."""
_EQUAL = 1e-9


@attrs.frozen(kw_only=True)
class Verdict:
    """An expectation and what was measured. ``held`` is None where it was not checked; ``reason`` says why."""

    file: str
    expectation: str
    run: str = ""
    """The run whose evaluations it compares; empty if it compares runs."""
    measured: str = ""
    held: bool | None = None
    reason: str = ""


@attrs.frozen
class _Entry:
    """An entry with its mean over the seeds. ``value`` is None where there is none; ``reason`` says why."""

    shown: str
    value: float | None = None
    reason: str = ""
    rehearsal: bool = False


def metric_names(metrics: MetricsRecord) -> list[str]:
    """Return the names of all metrics of a run: ``test.accuracy``, ``train_running.loss``, ``grad_cam.heat_inside``."""
    named = [f"{name}.{metric}" for name, record in metrics.evaluations.items() for metric in record.values]
    named += [f"{RUNNING}.{metric}" for metric in metrics.train_running or {}]
    named += [f"{name}.{metric}" for name, values in metrics.explanations.items() for metric in values]
    return [name for name in named if metric_value(metrics, name) is not None]


def metric_value(metrics: MetricsRecord, name: str) -> float | None:
    """Return a metric's value by its dotted name, or None if it was not measured."""
    source, _, metric = name.rpartition(".")
    if source in metrics.evaluations:
        return metrics.evaluations[source].values.get(metric)
    if source == RUNNING:
        return (metrics.train_running or {}).get(metric)
    return metrics.explanations.get(source, {}).get(metric)


def check_expectations(plan: Plan, records: Records) -> tuple[Verdict, ...]:
    """Check all expectations of a plan against its finished runs."""
    return tuple(
        verdict for file in plan.files for expected in file.expect for verdict in _check(expected, file, plan, records)
    )


def rows(verdicts: Sequence[Verdict]) -> list[Row]:
    """Return a row for each expectation: expected, measured and the verdict."""
    several = len({verdict.file for verdict in verdicts}) > 1
    about = any(verdict.run for verdict in verdicts)
    return [
        {
            **({"recipe": verdict.file} if several else {}),
            **({"run": verdict.run or NOTHING} if about else {}),
            "expected": verdict.expectation,
            "measured": verdict.measured or NOTHING,
            "verdict": NOT_CHECKED if verdict.held is None else HELD if verdict.held else NOT_HELD,
            **({"why": verdict.reason or NOTHING} if any(verdict.reason for verdict in verdicts) else {}),
        }
        for verdict in verdicts
    ]


def summary(verdicts: Sequence[Verdict]) -> str:
    """Return a sentence on how many expectations held."""
    checked = [verdict.held for verdict in verdicts if verdict.held is not None]
    waiting = len(verdicts) - len(checked)
    unchecked = f" {waiting} {'was' if waiting == 1 else 'were'} not checked." if waiting and checked else ""
    return (
        f"{sum(checked)} of {len(checked)} expectations held.{unchecked}" if checked else "No expectation was checked."
    )


def _check(expected: Expect, file: PlannedFile, plan: Plan, records: Records) -> Iterator[Verdict]:
    if not expected.of_evaluations:
        yield _verdict(expected, file, [_entry(entry, expected, file, plan, records) for entry in expected.entries])
        return
    for name in dict.fromkeys(run.variant or run.recipe for run in file.runs):
        runs = [run for run in file.runs if (run.variant or run.recipe) == name]
        entries = [_mean(entry, runs, f"{entry}.{expected.metric}", records) for entry in expected.entries]
        yield _verdict(expected, file, entries, run=name)


def _verdict(expected: Expect, file: PlannedFile, entries: Sequence[_Entry], run: str = "") -> Verdict:
    values = [entry.value for entry in entries if entry.value is not None]
    whole = len(values) == len(entries)
    measured = ", ".join(f"{entry.shown} {decimal(entry.value)}" for entry in entries if entry.value is not None)
    reasons = list(dict.fromkeys(entry.reason for entry in entries if entry.reason))
    if any(entry.rehearsal for entry in entries):
        reasons.append("rehearsals are not checked")
    return Verdict(
        file=file.name,
        expectation=str(expected),
        run=run,
        measured=measured + (_summed(expected, values) if whole else ""),
        held=holds(expected, values) if whole and not reasons else None,
        reason="; ".join(reasons),
    )


def holds(expected: Expect, values: Sequence[float]) -> bool:
    """Return whether the entries' values, in their order, are as expected."""
    if expected.order is not None:
        sign = -1 if expected.lower_is_better else 1
        return all(sign * better >= sign * worse - expected.slack - _EQUAL for better, worse in pairwise(values))
    if expected.within is not None:
        return max(values) - min(values) <= expected.within + _EQUAL
    off = values[0] - values[1] - (expected.value or 0.0)
    return abs(off) <= (expected.tolerance or 0.0) + _EQUAL


def _summed(expected: Expect, values: Sequence[float]) -> str:
    if expected.among is not None:
        return f"; {max(values) - min(values):.4f} apart"
    return f"; difference {values[0] - values[1]:.4f}" if expected.difference is not None else ""


# --- entries ----------------------------------------------------------------------------------------------------


def _entry(entry: str, expected: Expect, file: PlannedFile, plan: Plan, records: Records) -> _Entry:
    variants = [run for run in file.runs if run.variant is not None]
    if is_glob(entry):
        fitting = {run.variant for run in variants if run.variant and fnmatchcase(run.variant, entry)}
        return _best(entry, sorted(fitting), variants, expected.metric, records)
    runs = [run for run in variants if run.variant == entry] or list(_named(entry, plan))
    return _mean(entry, runs, expected.metric, records)


def _named(recipe: str, plan: Plan) -> Iterator[PlannedRun]:
    for file in plan.files:
        yield from (run for run in file.runs if run.recipe == recipe or (file.name == recipe and run.variant is None))


def _best(entry: str, variants: Sequence[str], runs: Sequence[PlannedRun], metric: str, records: Records) -> _Entry:
    """Return the metric of the variant that is best by ``train.select``; the test part must not be used to choose."""
    groups = {name: [run for run in runs if run.variant == name] for name in variants}
    missing = [name for name, runs in groups.items() if any(run.folder not in records for run in runs)]
    if missing or not groups:
        return _Entry(entry, reason=f"no finished run of {', '.join(missing) or entry}")
    chosen = {name: [_selected(records[run.folder]) for run in runs] for name, runs in groups.items()}
    if any(value is None for values in chosen.values() for value in values):
        return _Entry(entry, reason=f"a run of {entry} has no history of `train.select`")
    best = max(chosen, key=lambda name: mean(value or 0.0 for value in chosen[name]))
    found = _mean(best, groups[best], metric, records)
    return attrs.evolve(found, shown=f"{entry} ({best})")


def _selected(record: RunRecord) -> float | None:
    """Return the best epoch's value of ``train.select``, negated where lower is better."""
    select = str(record.settings.get("train", {}).get("select", "val.accuracy"))
    best = [epoch.metrics.get(select) for epoch in record.history if epoch.best]
    if not best or best[-1] is None:
        return None
    return -best[-1] if lower_is_better(select) else best[-1]


def _mean(entry: str, runs: Sequence[PlannedRun], metric: str, records: Records) -> _Entry:
    found = [records[run.folder] for run in runs if run.folder in records]
    if not runs or len(found) < len(runs):
        return _Entry(entry, reason=f"no finished run of {entry}")
    values = [metric_value(record.metrics, metric) for record in found]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return _Entry(entry, reason=f"{entry} has no {metric}")
    return _Entry(entry, mean(known), rehearsal=any(record.metrics.rehearsal for record in found))
