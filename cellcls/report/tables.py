"""Tables as rows of text, one dict per row with headings as keys, for the terminal and the pages alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

from cellcls.ops.statistics.table import METRICS
from cellcls.recipe import flat
from cellcls.report.numbers import (
    NOTHING,
    count,
    decimal,
    duration,
    metric_text,
    milliseconds,
    percent,
    plain,
    short,
    starred,
)
from cellcls.report.read import RunRecord
from cellcls.runs.records import ClaimRecord, DataRecord, EpochRecord, EvaluationRecord, to_data

Row = dict[str, str]

HELD, NOT_HELD, NOT_CHECKED = "held", "not held", "not checked"
REMOTE_NOTE = "* our own corruption suite, never the challenge's hidden set"


def summary(record: RunRecord) -> list[Row]:
    """Return a row for each evaluation: ``evaluation``, ``accuracy`` as ``97.4% [96.1, 98.3]``, and so on."""
    return [of_evaluation(name, shown) for name, shown in record.metrics.evaluations.items()]


def of_evaluation(name: str, shown: EvaluationRecord) -> Row:
    """Return the row of an evaluation."""
    columns = {key: metric for key, metric in METRICS.items() if metric.in_summary and key in shown.values}
    return {
        "evaluation": starred(name),
        **{
            metric.title: metric_text(key, shown.values[key], shown.intervals.get(key))
            for key, metric in columns.items()
        },
        "images": count(shown.n),
        **({} if shown.unknown is None else {"unknown": count(shown.unknown)}),
        "part": shown.part,
        "time per image": milliseconds(shown.seconds_per_image),
    }


def claims(record: RunRecord) -> list[Row]:
    """Return a row for each claim: claimed, measured and the verdict. Rehearsals check no claims."""
    return [_claim(claim, record.metrics.rehearsal) for claim in record.metrics.claims]


def _claim(claim: ClaimRecord, rehearsal: bool) -> Row:
    checked = claim.held is not None and not rehearsal
    return {
        "metric": f"{starred(claim.evaluation)}, {plain(claim.metric)}",
        "claimed": claimed(claim),
        "measured": decimal(claim.measured),
        "verdict": (HELD if claim.held else NOT_HELD) if checked else NOT_CHECKED,
        "place": claim.place or NOTHING,
    }


def claimed(claim: ClaimRecord) -> str:
    """Return the claimed value as ``0.9739 ± 0.01``."""
    return claim.claim.replace("+-", "±")


def per_class(evaluation: EvaluationRecord) -> list[Row]:
    """Return a row for each class with images."""
    return [
        {
            "class": plain(name),
            "recall": percent(score.recall, score.recall_ci),
            "precision": percent(score.precision),
            "F1": percent(score.f1),
            "images": count(score.support),
        }
        for name, score in evaluation.per_class.items()
        if score.support
    ]


def corruptions(shown: EvaluationRecord) -> list[Row]:
    """Return a row for each corruption of an evaluation: the balanced error at each severity, their mean, and, if
    AlexNet's results on the suite are published, the added error relative to AlexNet's."""
    relative = shown.relative_balanced_error
    rows = []
    for name, errors in shown.balanced_error.items():
        each = {f"severity {level}": percent(error) for level, error in zip(shown.severities, errors, strict=True)}
        row = {"corruption": plain(name), **each, "mean": percent(sum(errors) / len(errors))}
        rows.append(row | ({"relative to AlexNet": f"{relative[name]:.0f}%"} if relative else {}))
    return rows


def by_corruption(shown: EvaluationRecord) -> dict[str, list[Row]]:
    """Return tables of other metrics at each severity of each corruption, by the metric's title."""
    return {
        METRICS[metric].title: [
            {"corruption": plain(name)}
            | {f"severity {level}": percent(value) for level, value in zip(shown.severities, each, strict=True)}
            for name, each in values.items()
        ]
        for metric, values in shown.by_corruption.items()
        if metric in METRICS
    }


def risk_coverage(shown: EvaluationRecord) -> list[Row]:
    """Return one row: the share of errors among shares of the images, the surest first."""
    errors = {f"surest {share:.0%}": percent(value) for share, value in shown.risk_coverage}
    return [{"of the images": "errors", **errors}] if errors else []


def views(shown: EvaluationRecord) -> list[Row]:
    """Return a row for each view of an evaluation with test-time augmentation."""
    return [
        {
            "view": plain(name),
            "accuracy": percent(view.accuracy),
            "fixed": count(view.fixed),
            "broken": count(view.broken),
        }
        for name, view in shown.views.items()
    ]


@attrs.frozen(kw_only=True)
class Confusion:
    """Two confused classes: ``n`` of the ``support`` images of class ``given`` were predicted as ``predicted``."""

    given: int
    predicted: int
    n: int
    support: int

    @property
    def share(self) -> float:
        """Share of the given class, 0..1."""
        return self.n / self.support

    def sentence(self, classes: Sequence[str]) -> str:
        """Return it in words."""
        pair = f"{plain(classes[self.given])} predicted as {plain(classes[self.predicted])}"
        return f"{pair}: {count(self.n)} of {count(self.support)} ({percent(self.share)})"


def confusions(evaluation: EvaluationRecord, limit: int = 5) -> list[Confusion]:
    """Return the pairs confused most often, by number of images; ties in the order of the classes."""
    rows = evaluation.confusion
    found = [
        Confusion(given=given, predicted=predicted, n=n, support=sum(row))
        for given, row in enumerate(rows)
        for predicted, n in enumerate(row)
        if given != predicted and n > 0
    ]
    return sorted(found, key=lambda pair: -pair.n)[:limit]


def dropped(data: DataRecord) -> list[Row]:
    """Return a row for each rule that dropped images, and one for the images that could not be read."""
    rules = Counter(decision.rule for decision in data.decisions)
    reasons = {decision.rule: decision.reason for decision in reversed(data.decisions)}
    rows = [_rule(plain(rule), n, data.n, reasons[rule]) for rule, n in rules.items()]
    if data.bad_images:
        rows.append(_rule("unreadable image", len(data.bad_images), data.n, data.bad_images[0].reason))
    return rows


def skipped(data: DataRecord) -> list[Row]:
    """Return a row for each reason why files of the data set's folder were skipped."""
    return [
        {"files skipped": files.reason, "number": count(files.n), "for example": ", ".join(files.examples[:2])}
        for files in data.skipped_files
    ]


def _rule(rule: str, n: int, of: int, reason: str) -> Row:
    return {"rule": rule, "images": count(n), "share": percent(n / of if of else None), "for example": reason}


def reasons(data: DataRecord, per_rule: int = 5) -> list[Row]:
    """Return the first images that each rule dropped, with the reason."""
    seen: Counter[str] = Counter()
    rows = []
    for decision in data.decisions:
        seen[decision.rule] += 1
        if seen[decision.rule] <= per_rule:
            name = data.names[decision.index] if data.names and decision.index < len(data.names) else NOTHING
            image = {"image": str(decision.index), "file": name}
            rows.append({**image, "rule": plain(decision.rule), "reason": decision.reason})
    bad = [{"image": NOTHING, "file": b.name, "rule": "unreadable image", "reason": b.reason} for b in data.bad_images]
    rows += bad[:per_rule]
    return rows if any(row["file"] != NOTHING for row in rows) else [_without(row, "file") for row in rows]


def _without(row: Row, key: str) -> Row:
    return {name: value for name, value in row.items() if name != key}


def history(epochs: Sequence[EpochRecord]) -> list[Row]:
    """Return a row for each epoch with all its metrics."""
    keys = list({key: None for epoch in epochs for key in epoch.metrics})
    return [_epoch(number, epoch, keys) for number, epoch in enumerate(epochs, start=1)]


def _epoch(number: int, epoch: EpochRecord, keys: Sequence[str]) -> Row:
    row = {"epoch": str(number), "stage": plain(epoch.stage_name), "lr": f"{epoch.lr:.3g}" if epoch.lr else NOTHING}
    for key in keys:
        value = epoch.metrics.get(key)
        row[plain(key.replace(".", " "))] = metric_text(key, value)
    return {**row, "time": duration(epoch.seconds), "best": "best" if epoch.best else ""}


def facts(record: RunRecord) -> Row:
    """Return the key facts of the run: seed, size, memory, epochs and time, accuracy while training."""
    metrics, epochs = record.metrics, record.history
    running = (metrics.train_running or {}).get("accuracy")
    known = {
        "seed": None if metrics.seed is None else str(metrics.seed),
        "parameters": None if metrics.parameters is None else short(metrics.parameters),
        "epochs": f"{len(epochs)} in {duration(sum(epoch.seconds for epoch in epochs))}" if epochs else None,
        "accuracy while training": None if running is None else percent(running),
        "peak memory": None if metrics.memory_mb is None else f"{metrics.memory_mb:,.0f} MB",
    }
    return {name: value for name, value in known.items() if value is not None}


def explanations(record: RunRecord) -> list[Row]:
    """Return a row for each metric of each explanation."""
    return [
        {"explanation": plain(name), "metric": plain(metric), "value": decimal(value)}
        for name, values in record.metrics.explanations.items()
        for metric, value in values.items()
    ]


def environment(record: RunRecord) -> list[Row]:
    """Return a row for each entry of the environment, with dotted names for nested ones."""
    if record.environment is None:
        return []
    known = flat(to_data(record.environment))
    return [{"what": name, "value": NOTHING if value in (None, "") else str(value)} for name, value in known.items()]
