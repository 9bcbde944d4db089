"""The model card: what the network is, what it was measured to do, and what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import jinja2

from cellcls.api import WeightPlaces
from cellcls.engine.export.subject import REHEARSED, Subject
from cellcls.ops.statistics.table import METRICS
from cellcls.recipe import Recipe
from cellcls.runs.records import EvaluationRecord


def model_card(subject: Subject, *, architecture: str) -> str:
    """Return the card as Markdown with the header that the Hugging Face hub reads."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # Markdown: what is not ours goes through the filter `plain`
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": _plain, "percent": _percent, "interval": _interval, "value": _value}
    recipe, metrics = subject.recipe(), subject.metrics
    evaluations = metrics.evaluations if metrics else {}
    return environment.get_template("card.md.j2").render(
        subject=subject,
        architecture=architecture,
        warning=REHEARSED if subject.trained.rehearsal else None,
        name=recipe.name,
        seed=recipe.seed,
        recipe_hash=subject.trained.record.recipe_hash,
        version=version("cellcls"),
        data=subject.data,
        pretrained=recipe.backbone.wants(WeightPlaces()) is not None and not subject.trained.rehearsal,
        evaluations=evaluations,
        columns={name: metric for name, metric in METRICS.items() if metric.in_summary},
        detailed=evaluations.get("test") or evaluations.get("val"),
        corrupted=_corrupted(recipe, evaluations),
        how=subject.trained.config.input,
    )


def _corrupted(recipe: Recipe, evaluations: Mapping[str, EvaluationRecord]) -> list[str]:
    return [evaluation.name for evaluation in recipe.evaluate if evaluation.corrupt and evaluation.name in evaluations]


def _plain(text: object) -> str:
    """Return ``text`` as one line that Markdown takes as it is: a class is named by whoever named its folder."""
    return "".join(f"\\{letter}" if letter in "\\`*[]<>|#!" else letter for letter in " ".join(str(text).split()))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _interval(pair: tuple[float, float] | None) -> str:
    return "-" if pair is None else f"{pair[0]:.1%} to {pair[1]:.1%}"


def _value(record: EvaluationRecord, name: str) -> str:
    value = record.values.get(name)
    return _percent(value) if value is None or METRICS[name].unit == "share" else f"{value:.4f}"
