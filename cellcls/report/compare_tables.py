"""The rows of a comparison, shown in the terminal, on the page and in the figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cellcls.ops.statistics.paired import Repeated
from cellcls.report import tables
from cellcls.report.compare import NOISE, RunComparison, SeedGroup, Standing
from cellcls.report.expect import metric_value
from cellcls.report.numbers import NOTHING, count, decimal, duration, is_remote, milliseconds, percent, short, starred
from cellcls.report.read import RunRecord
from cellcls.report.tables import REMOTE_NOTE, Row
from cellcls.runs.records import ClaimRecord, EvaluationRecord

BEST, NOISY, APART, UNPAIRED = "best", "noise", "clear", "not paired"
RIGHT, WRONG = "✓", "✗"


def runs(comparison: RunComparison) -> list[Row]:
    """Return a row for each run, best first, followed by one for each baseline."""
    return [run(comparison, standing) for standing in comparison.standings] + [
        _baseline(comparison, name, shares) for name, shares in comparison.baselines.items()
    ]


def run(comparison: RunComparison, standing: Standing) -> Row:
    """Return the row of a run: metrics with intervals, its difference to the best in points, and its cost."""
    metrics = standing.record.metrics
    row = {"run": standing.label}
    if not _is_shown(comparison):
        row[_heading(comparison.by)] = decimal(metric_value(metrics, comparison.by))
    for name in comparison.evaluations:
        shown = metrics.evaluations.get(name)
        row[f"{starred(name)} accuracy"] = _accuracy(shown) if shown else NOTHING
    main = metrics.evaluations.get(comparison.evaluation)
    if is_paired(comparison):
        row |= {"macro F1": percent(main.values.get("macro_f1") if main else None)} | _to_best(comparison, standing)
    return row | {
        "time per image": milliseconds(main.seconds_per_image if main else None),
        "parameters": short(metrics.parameters) if metrics.parameters else NOTHING,
        "training": duration(standing.training_seconds),
    }


def _accuracy(shown: EvaluationRecord) -> str:
    return percent(shown.accuracy, shown.intervals.get("accuracy"))


def training(comparison: RunComparison) -> list[Row]:
    """Return a row for each run with its training metrics and every metric that any run has a claim about: measured,
    marked if the claim was checked, and claimed."""
    records = [standing.record for standing in comparison.standings]
    claims = [{f"{claim.evaluation}.{claim.metric}": claim for claim in record.metrics.claims} for record in records]
    claimed = dict.fromkeys(name for of in claims for name in of)
    shown = [name for name in dict.fromkeys([*_TRAINING, *claimed]) if _is_known(name, records)]
    rows = []
    for standing, of in zip(comparison.standings, claims, strict=True):
        row = {"run": standing.label}
        for name in shown:
            heading = _heading(name)
            row[heading] = _marked(
                metric_value(standing.record.metrics, name), of.get(name), standing.record.metrics.rehearsal
            )
            if name in claimed:
                row[f"{heading}, claimed"] = tables.claimed(of[name]) if name in of else NOTHING
        rows.append(row)
    return rows if shown else []


_TRAINING = ("train_running.loss", "train_running.accuracy", "val.loss", "val.accuracy")
TRAINING_NOTE = (
    "Train running: the mean over the last epoch, measured while training with augmentation. All else is measured "
    f"with the best weights. {RIGHT} and {WRONG}: the claim next to it held or did not."
)


def _is_known(name: str, records: Sequence[RunRecord]) -> bool:
    return any(metric_value(record.metrics, name) is not None for record in records)


def _marked(measured: float | None, claim: ClaimRecord | None, rehearsal: bool) -> str:
    checked = claim is not None and claim.held is not None and not rehearsal
    return f"{decimal(measured)} {RIGHT if claim.held else WRONG}" if claim and checked else decimal(measured)


def is_paired(comparison: RunComparison) -> bool:
    """Return whether the runs are sorted by a metric of an evaluation, so that paired tests are possible."""
    return comparison.evaluation in comparison.evaluations


def _is_shown(comparison: RunComparison) -> bool:
    """Return whether the metric the runs are sorted by has its own column already."""
    return is_paired(comparison) and comparison.by.endswith((".accuracy", ".macro_f1"))


def _heading(by: str) -> str:
    source, _, metric = by.rpartition(".")
    return f"{starred(source)} {metric}".replace("_", " ")


def _to_best(comparison: RunComparison, standing: Standing) -> Row:
    if standing is comparison.best:
        return {"points to best": NOTHING, "p": NOTHING, "difference": BEST}
    if standing.against is None or standing.interval is None or standing.p is None:
        return {"points to best": NOTHING, "p": NOTHING, "difference": UNPAIRED}
    low, high = standing.interval
    return {
        "points to best": f"{100 * standing.against.difference:.1f} [{100 * low:.1f}, {100 * high:.1f}]",
        "p": "<0.001" if standing.p < 0.001 else f"{standing.p:.3f}",
        "difference": NOISY if standing.is_noise else APART,
    }


def _baseline(comparison: RunComparison, name: str, shares: Mapping[str, float]) -> Row:
    known = {f"{starred(evaluation)} accuracy": percent(share) for evaluation, share in shares.items()}
    return {key: known.get(key, NOTHING) for key in run(comparison, comparison.best)} | {"run": name}


def seeds(comparison: RunComparison) -> list[Row]:
    """Return a row for each recipe that ran with several seeds, with accuracies as ``97.4% ± 0.2``."""
    return [_of_seeds(group, comparison.evaluations) for group in comparison.seeds]


def _of_seeds(group: SeedGroup, evaluations: Sequence[str]) -> Row:
    row = {"recipe": group.label, "runs": count(group.runs)}
    for name in evaluations:
        values = group.values.get(name)
        shown = f"{percent(group.mean(name))} ± {100 * group.spread(name):.1f}" if values else NOTHING
        ends = f"{percent(min(values))} to {percent(max(values))}" if values else NOTHING
        row |= {f"{starred(name)} accuracy, mean ± sd": shown, f"{starred(name)}, lowest to highest": ends}
    return row


def notes(comparison: RunComparison) -> list[str]:
    """Return notes on how to read the table."""
    found = ["In brackets: 95% intervals. Chance: a random guess. Majority class: always the most frequent class."]
    if len(comparison.standings) > 1 and is_paired(comparison):
        found.append(
            f"Macro F1, differences and time are of {starred(comparison.evaluation)}. "
            f"Points to best: difference in accuracy on the images that both share{_test(comparison)}. "
            f"{NOISY}: p is {NOISE} or more, so the difference may be chance. Not corrected for multiple comparisons."
        )
    reasons = {standing.label: standing.unpaired for standing in comparison.standings if standing.unpaired}
    if reasons and is_paired(comparison):
        found.append(f"Not paired: {'; '.join(f'{name}: {why}' for name, why in reasons.items())}.")
    if any(is_remote(name) for name in comparison.evaluations):
        found.append(f"{REMOTE_NOTE}.")
    return found


def _test(comparison: RunComparison) -> str:
    """Return how differences were tested."""
    if any(isinstance(standing.against, Repeated) for standing in comparison.standings):
        return (
            ", corrupted alike. Copies of an image are not independent, so they are summed and the test counts "
            "each image once. Its interval: bootstrap over images; p: exact test over the signs of their differences"
        )
    return ", its interval by Newcombe (1998, method 10); p: McNemar's exact test"


def verdict(comparison: RunComparison) -> str:
    """Return one sentence on which run is the best, by how much, and which others may be as good."""
    best = comparison.best
    shown = best.record.metrics.evaluations.get(comparison.evaluation)
    if shown is None or not comparison.by.endswith(".accuracy"):
        found = (
            f"{best.label} is the best of {len(comparison.standings)} runs by {comparison.by}: {decimal(best.value)}"
        )
    else:
        rendered = "rendered " if best.record.metrics.rehearsal else ""
        images = f"{count(shown.n)} {rendered}{shown.part} images"
        of = f", the best of {len(comparison.standings)} runs" if len(comparison.standings) > 1 else ""
        found = f"{best.label} classified {percent(shown.values['accuracy'])} of {images} correctly{of}"
    near = [standing.label for standing in comparison.standings if standing.is_noise]
    if not near:
        return f"{found}."
    few = " and ".join([", ".join(near[:-1]), near[-1]] if len(near) > 1 else near)
    return f"{found}; its difference to {few if len(near) <= 3 else f'{len(near)} of the others'} may be chance."
