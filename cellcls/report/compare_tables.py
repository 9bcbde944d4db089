"""The rows of a comparison: the terminal, the page and the figure show these same texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cellcls.ops.statistics.paired import Repeated
from cellcls.report import tables
from cellcls.report.compare import NOISE, Comparison, Seeds, Standing
from cellcls.report.expect import figure
from cellcls.report.numbers import NOTHING, count, decimal, duration, is_remote, milliseconds, percent, short, starred
from cellcls.report.read import RunRecord
from cellcls.report.tables import REMOTE_NOTE, Row
from cellcls.runs.records import ClaimRecord, EvaluationRecord

BEST, NOISY, APART, UNPAIRED = "best", "noise", "clear", "not paired"
RIGHT, WRONG = "✓", "✗"


def runs(comparison: Comparison) -> list[Row]:
    """Return a row for each run, the best first, and below them one for each baseline."""
    return [run(comparison, one) for one in comparison.standings] + [
        _baseline(comparison, name, shares) for name, shares in comparison.baselines.items()
    ]


def run(comparison: Comparison, one: Standing) -> Row:
    """Return one run's row: figures with intervals, its difference to the best in points, and what it costs."""
    metrics = one.record.metrics
    row = {"run": one.label}
    if not _is_shown(comparison):
        row[_heading(comparison.by)] = decimal(figure(metrics, comparison.by))
    for name in comparison.evaluations:
        shown = metrics.evaluations.get(name)
        row[f"{starred(name)} accuracy"] = _accuracy(shown) if shown else NOTHING
    main = metrics.evaluations.get(comparison.evaluation)
    if is_paired(comparison):
        row |= {"macro F1": percent(main.values.get("macro_f1") if main else None)} | _to_best(comparison, one)
    return row | {
        "time per image": milliseconds(main.seconds_per_image if main else None),
        "parameters": short(metrics.parameters) if metrics.parameters else NOTHING,
        "training": duration(one.training_seconds),
    }


def _accuracy(shown: EvaluationRecord) -> str:
    return percent(shown.accuracy, shown.intervals.get("accuracy"))


def training(comparison: Comparison) -> list[Row]:
    """Return a row for each run with the figures of its training, and all that some run has a claim about: measured,
    marked where it was judged, and claimed."""
    records = [one.record for one in comparison.standings]
    claims = [{f"{one.evaluation}.{one.metric}": one for one in record.metrics.claims} for record in records]
    claimed = dict.fromkeys(name for of in claims for name in of)
    shown = [name for name in dict.fromkeys([*_TRAINING, *claimed]) if _is_known(name, records)]
    rows = []
    for one, of in zip(comparison.standings, claims, strict=True):
        row = {"run": one.label}
        for name in shown:
            heading = _heading(name)
            row[heading] = _marked(figure(one.record.metrics, name), of.get(name), one.record.metrics.rehearsal)
            if name in claimed:
                row[f"{heading}, claimed"] = tables.claimed(of[name]) if name in of else NOTHING
        rows.append(row)
    return rows if shown else []


_TRAINING = ("train_running.loss", "train_running.accuracy", "val.loss", "val.accuracy")
TRAINING_NOTE = (
    "Train running: the mean over the last epoch as the network was training, augmentation on. All else is measured "
    f"with the best weights. {RIGHT} and {WRONG}: the claim beside it held or did not."
)


def _is_known(name: str, records: Sequence[RunRecord]) -> bool:
    return any(figure(record.metrics, name) is not None for record in records)


def _marked(measured: float | None, claim: ClaimRecord | None, rehearsal: bool) -> str:
    judged = claim is not None and claim.held is not None and not rehearsal
    return f"{decimal(measured)} {RIGHT if claim.held else WRONG}" if claim and judged else decimal(measured)


def is_paired(comparison: Comparison) -> bool:
    """Tell whether the runs are sorted by a figure of images that they can be paired on."""
    return comparison.evaluation in comparison.evaluations


def _is_shown(comparison: Comparison) -> bool:
    """Tell whether the figure the runs are sorted by has a column anyhow."""
    return is_paired(comparison) and comparison.by.endswith((".accuracy", ".macro_f1"))


def _heading(by: str) -> str:
    source, _, metric = by.rpartition(".")
    return f"{starred(source)} {metric}".replace("_", " ")


def _to_best(comparison: Comparison, one: Standing) -> Row:
    if one is comparison.best:
        return {"points to best": NOTHING, "p": NOTHING, "difference": BEST}
    if one.against is None or one.interval is None or one.p is None:
        return {"points to best": NOTHING, "p": NOTHING, "difference": UNPAIRED}
    low, high = one.interval
    return {
        "points to best": f"{100 * one.against.difference:.1f} [{100 * low:.1f}, {100 * high:.1f}]",
        "p": "<0.001" if one.p < 0.001 else f"{one.p:.3f}",
        "difference": NOISY if one.is_noise else APART,
    }


def _baseline(comparison: Comparison, name: str, shares: Mapping[str, float]) -> Row:
    known = {f"{starred(evaluation)} accuracy": percent(share) for evaluation, share in shares.items()}
    return {key: known.get(key, NOTHING) for key in run(comparison, comparison.best)} | {"run": name}


def seeds(comparison: Comparison) -> list[Row]:
    """Return a row for each recipe that ran with several seeds: accuracies as ``97.4% ± 0.2``."""
    return [_of_seeds(one, comparison.evaluations) for one in comparison.seeds]


def _of_seeds(one: Seeds, evaluations: Sequence[str]) -> Row:
    row = {"recipe": one.label, "runs": count(one.runs)}
    for name in evaluations:
        values = one.values.get(name)
        shown = f"{percent(one.mean(name))} ± {100 * one.spread(name):.1f}" if values else NOTHING
        ends = f"{percent(min(values))} to {percent(max(values))}" if values else NOTHING
        row |= {f"{starred(name)} accuracy, mean ± sd": shown, f"{starred(name)}, lowest to highest": ends}
    return row


def notes(comparison: Comparison) -> list[str]:
    """Return what a reader of the table must know, a sentence or two each."""
    found = ["In brackets: 95% intervals. Chance: a guess among the classes. Majority class: always the commonest."]
    if len(comparison.standings) > 1 and is_paired(comparison):
        found.append(
            f"Macro F1, differences and time are of {starred(comparison.evaluation)}. "
            f"Points to best: difference in accuracy on the images that both saw{_test(comparison)}. "
            f"{NOISY}: p is {NOISE} or more, so the difference may be chance. No correction for many comparisons."
        )
    reasons = {one.label: one.unpaired for one in comparison.standings if one.unpaired}
    if reasons and is_paired(comparison):
        found.append(f"Not paired: {'; '.join(f'{name}: {why}' for name, why in reasons.items())}.")
    if any(is_remote(name) for name in comparison.evaluations):
        found.append(f"{REMOTE_NOTE}.")
    return found


def _test(comparison: Comparison) -> str:
    """Say how differences were judged."""
    if any(isinstance(one.against, Repeated) for one in comparison.standings):
        return (
            ", corrupted alike. Copies of an image are not independent: they are added up, and the test counts "
            "each image once. Its interval: bootstrap over images; p: exact test over the signs of their differences"
        )
    return ", its interval by Newcombe (1998, method 10); p: McNemar's exact test"


def verdict(comparison: Comparison) -> str:
    """Say in one sentence which run is the best, by how much it is so and which others may be as good."""
    best = comparison.best
    shown = best.record.metrics.evaluations.get(comparison.evaluation)
    if shown is None or not comparison.by.endswith(".accuracy"):
        found = (
            f"{best.label} is the best of {len(comparison.standings)} runs by {comparison.by}: {decimal(best.value)}"
        )
    else:
        rendered = "rendered " if best.record.metrics.rehearsal else ""
        images = f"{count(shown.n)} {rendered}{shown.part} images"
        of = f", the most of {len(comparison.standings)} runs" if len(comparison.standings) > 1 else ""
        found = f"{best.label} named {percent(shown.values['accuracy'])} of {images} correctly{of}"
    near = [one.label for one in comparison.standings if one.is_noise]
    if not near:
        return f"{found}."
    few = " and ".join([", ".join(near[:-1]), near[-1]] if len(near) > 1 else near)
    return f"{found}; its difference to {few if len(near) <= 3 else f'{len(near)} of the others'} may be chance."
