"""Judges what a file expects of its runs: held, not held, or not judged where a run is missing or only a rehearsal."""

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
from cellcls.report.tables import HELD, NOT_HELD, NOT_JUDGED, Row
from cellcls.runs.plan import Plan, PlannedFile, PlannedRun
from cellcls.runs.records import MetricsRecord

Records = Mapping[str, RunRecord]
"""Finished runs by their folder, as the plan names it."""
_EQUAL = 1e-9


@attrs.frozen(kw_only=True)
class Verdict:
    """An expectation beside what was measured. ``held``: None where it was not judged, for the ``reason`` given."""

    file: str
    expectation: str
    run: str = ""
    """The run that it is about, where it compares evaluations of one run."""
    measured: str = ""
    held: bool | None = None
    reason: str = ""


@attrs.frozen
class _Entry:
    """An entry with its mean over the seeds; ``value`` is None where there is none, for the ``reason`` given."""

    shown: str
    value: float | None = None
    reason: str = ""
    rehearsal: bool = False


def figures_of(metrics: MetricsRecord) -> list[str]:
    """Return the names of all figures of a run: ``test.accuracy``, ``train_running.loss``, ``grad_cam.heat_inside``."""
    named = [f"{name}.{metric}" for name, record in metrics.evaluations.items() for metric in record.values]
    named += [f"{RUNNING}.{metric}" for metric in metrics.train_running or {}]
    named += [f"{name}.{metric}" for name, figures in metrics.explanations.items() for metric in figures]
    return [name for name in named if figure(metrics, name) is not None]


def figure(metrics: MetricsRecord, name: str) -> float | None:
    """Return a figure by its dotted name (None: there is none)."""
    source, _, metric = name.rpartition(".")
    if source in metrics.evaluations:
        return metrics.evaluations[source].values.get(metric)
    if source == RUNNING:
        return (metrics.train_running or {}).get(metric)
    return metrics.explanations.get(source, {}).get(metric)


def judge(plan: Plan, records: Records) -> tuple[Verdict, ...]:
    """Judge all expectations of a plan by its finished runs."""
    return tuple(
        verdict for file in plan.files for expected in file.expect for verdict in _judged(expected, file, plan, records)
    )


def rows(verdicts: Sequence[Verdict]) -> list[Row]:
    """Return a row for each expectation, expected beside measured."""
    several = len({one.file for one in verdicts}) > 1
    about = any(one.run for one in verdicts)
    return [
        {
            **({"recipe": one.file} if several else {}),
            **({"run": one.run or NOTHING} if about else {}),
            "expected": one.expectation,
            "measured": one.measured or NOTHING,
            "verdict": NOT_JUDGED if one.held is None else HELD if one.held else NOT_HELD,
            **({"why": one.reason or NOTHING} if any(other.reason for other in verdicts) else {}),
        }
        for one in verdicts
    ]


def summary(verdicts: Sequence[Verdict]) -> str:
    """Say in a sentence how many expectations held."""
    judged = [one.held for one in verdicts if one.held is not None]
    waiting = len(verdicts) - len(judged)
    more = f" {waiting} {'was' if waiting == 1 else 'were'} not judged." if waiting and judged else ""
    return f"{sum(judged)} of {len(judged)} expectations held.{more}" if judged else "No expectation was judged."


def _judged(expected: Expect, file: PlannedFile, plan: Plan, records: Records) -> Iterator[Verdict]:
    if not expected.of_evaluations:
        yield _verdict(expected, file, [_entry(entry, expected, file, plan, records) for entry in expected.entries])
        return
    for name in dict.fromkeys(run.variant or run.recipe for run in file.runs):
        runs = [run for run in file.runs if (run.variant or run.recipe) == name]
        entries = [_mean(entry, runs, f"{entry}.{expected.metric}", records) for entry in expected.entries]
        yield _verdict(expected, file, entries, run=name)


def _verdict(expected: Expect, file: PlannedFile, entries: Sequence[_Entry], run: str = "") -> Verdict:
    values = [one.value for one in entries if one.value is not None]
    whole = len(values) == len(entries)
    measured = ", ".join(f"{one.shown} {decimal(one.value)}" for one in entries if one.value is not None)
    reasons = list(dict.fromkeys(one.reason for one in entries if one.reason))
    if any(one.rehearsal for one in entries):
        reasons.append("a rehearsal says nothing about cells")
    return Verdict(
        file=file.name,
        expectation=str(expected),
        run=run,
        measured=measured + (_summed(expected, values) if whole else ""),
        held=holds(expected, values) if whole and not reasons else None,
        reason="; ".join(reasons),
    )


def holds(expected: Expect, values: Sequence[float]) -> bool:
    """Tell whether figures, one an entry and in their order, are as expected."""
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


# --- what an entry stands for -----------------------------------------------------------------------------------


def _entry(entry: str, expected: Expect, file: PlannedFile, plan: Plan, records: Records) -> _Entry:
    own = [run for run in file.runs if run.variant is not None]
    if is_glob(entry):
        fitting = {run.variant for run in own if run.variant and fnmatchcase(run.variant, entry)}
        return _best(entry, sorted(fitting), own, expected.metric, records)
    runs = [run for run in own if run.variant == entry] or list(_named(entry, plan))
    return _mean(entry, runs, expected.metric, records)


def _named(recipe: str, plan: Plan) -> Iterator[PlannedRun]:
    for file in plan.files:
        yield from (run for run in file.runs if run.recipe == recipe or (file.name == recipe and run.variant is None))


def _best(entry: str, variants: Sequence[str], own: Sequence[PlannedRun], metric: str, records: Records) -> _Entry:
    """Return the figure of the variant that is best by ``train.select``: the test part must not choose."""
    groups = {name: [run for run in own if run.variant == name] for name in variants}
    missing = [name for name, runs in groups.items() if any(run.folder not in records for run in runs)]
    if missing or not groups:
        return _Entry(entry, reason=f"no finished run of {', '.join(missing) or entry}")
    chosen = {name: [_selected(records[run.folder]) for run in runs] for name, runs in groups.items()}
    if any(value is None for values in chosen.values() for value in values):
        return _Entry(entry, reason=f"a run of {entry} has no history of what selects its weights")
    best = max(chosen, key=lambda name: mean(value or 0.0 for value in chosen[name]))
    found = _mean(best, groups[best], metric, records)
    return attrs.evolve(found, shown=f"{entry} ({best})")


def _selected(record: RunRecord) -> float | None:
    """Return the best epoch's figure by ``train.select``, larger is better."""
    select = str(record.settings.get("train", {}).get("select", "val.accuracy"))
    best = [epoch.metrics.get(select) for epoch in record.history if epoch.best]
    if not best or best[-1] is None:
        return None
    return -best[-1] if lower_is_better(select) else best[-1]


def _mean(entry: str, runs: Sequence[PlannedRun], metric: str, records: Records) -> _Entry:
    found = [records[run.folder] for run in runs if run.folder in records]
    if not runs or len(found) < len(runs):
        return _Entry(entry, reason=f"no finished run of {entry}")
    values = [figure(one.metrics, metric) for one in found]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return _Entry(entry, reason=f"{entry} has no {metric}")
    return _Entry(entry, mean(known), rehearsal=any(one.metrics.rehearsal for one in found))
