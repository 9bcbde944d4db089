"""Runs an audit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.api import Features, WeightPlaces
from cellcls.auditing import comparison
from cellcls.auditing.appearance import Appearance, measure_appearance
from cellcls.auditing.dataset import SIZE, AuditedDataset, Progress, find_dataset, open_dataset
from cellcls.auditing.findings import KINDS, Finding, decision_rows, find, in_order, wrong_labels
from cellcls.auditing.skipped import skipped_checks
from cellcls.ops.curation.decisions import DecisionRow
from cellcls.ops.curation.drift import Drift
from cellcls.ops.curation.near_copies import find_near_copies
from cellcls.ops.curation.thresholds import MAX_DISTANCE, SIMILARITY
from cellcls.registry import Registry


@attrs.frozen(kw_only=True)
class Settings:
    """Thresholds of findings, the same as those of the cleaners."""

    similarity: float = SIMILARITY
    """Minimum similarity of near copies, 0..1."""
    max_distance: float = MAX_DISTANCE
    """Distance from other images, in robust standard deviations, from which an image is ``far_away``."""


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Audit:
    """The results of an audit."""

    data: AuditedDataset
    findings: tuple[Finding, ...]
    rows: tuple[DecisionRow, ...]
    appearance: Appearance
    other: AuditedDataset | None
    other_appearance: Appearance | None
    drift: Drift | None
    features: str
    """What distances and label predictions are based on."""
    settings: Settings
    seconds: dict[str, float]
    """Duration of each step."""

    def __repr__(self) -> str:
        found = ", ".join(f"{kind} {number:,}" for kind, number in self.counts().items() if number)
        return f"Audit({str(self.data.path)!r}, {len(self.data):,} images, findings: {found or 'none'})"

    @property
    def kept(self) -> NDArray[np.bool_]:
        """(N,) images that the suggested decisions keep."""
        return _kept(self.data, self.rows)

    @property
    def skipped_checks(self) -> dict[str, str]:
        """Kinds of findings that could not be checked, with the reason."""
        return skipped_checks(self.data, self.kept, compared=self.other is not None)

    def counts(self) -> dict[str, int]:
        """Return the number of findings of each kind that was checked."""
        skipped = self.skipped_checks
        counter = Counter(finding.kind for finding in self.findings)
        return {kind: counter[kind] for kind in KINDS if kind not in skipped}


def audit_dataset(
    path: Path,
    registry: Registry,
    progress: Progress,
    *,
    against: Path | None = None,
    features: str | None = None,
    weights: WeightPlaces | None = None,
    settings: Settings | None = None,
) -> Audit:
    """Audit the data set at ``path``.

    ``against``: another data set to compare with; ``features``: a backbone (``efficientnet_lite0``, ``timm:MODEL``)
    whose features replace the colour and texture statistics. Raises the errors of opening the data sets and building
    the backbone, before reading images if possible.
    """
    settings = settings or Settings()
    clock = Clock()
    dataset = find_dataset(path, registry)
    their_dataset = None if against is None else find_dataset(against, registry)
    network = None if features is None else _network(features, registry, weights or WeightPlaces(), progress)
    with clock.step("read"):
        data = open_dataset(path, dataset, progress)
    values = None
    if network is not None:
        with clock.step("features"):
            values = _features(network, data, lambda done: progress(f"features of {features}", done, len(data)))
    progress("searching for near copies", 0, 0)
    with clock.step("near_copies"):
        near = find_near_copies(data.survey.prints, groups=data.groups, similarity=settings.similarity)
    with clock.step("findings"):
        findings = find(data, near, features=values, max_distance=settings.max_distance)
    with clock.step("wrong_labels"):
        findings += wrong_labels(data, near, findings, features=values)
    other, other_appearance, drift = None, None, None
    if against is not None and their_dataset is not None:
        with clock.step("against"):
            other = open_dataset(against, their_dataset, progress)
            findings += comparison.shared_images(data, other, similarity=settings.similarity)
            drift = comparison.compare(data, other)
            other_appearance = measure_appearance(other, np.ones(len(other), dtype=np.bool_))
    findings = in_order(findings)
    rows = tuple(decision_rows(data, findings))
    with clock.step("appearance"):
        appearance = measure_appearance(data, _kept(data, rows))
    return Audit(
        data=data,
        findings=tuple(findings),
        rows=rows,
        appearance=appearance,
        other=other,
        other_appearance=other_appearance,
        drift=drift,
        features=features or "colour and texture statistics",
        settings=settings,
        seconds=clock.seconds,
    )


def _kept(data: AuditedDataset, rows: tuple[DecisionRow, ...]) -> NDArray[np.bool_]:
    kept = np.ones(len(data), dtype=np.bool_)
    kept[[row.index for row in rows if row.action == "drop"]] = False
    return kept


def _network(name: str, registry: Registry, weights: WeightPlaces, progress: Progress) -> Features:
    progress(f"importing torch for the features of {name}", 0, 0)
    from cellcls.engine.features import named_backbone, pretrained

    return pretrained(named_backbone(name, registry), size=SIZE, weights=weights)


def _features(network: Features, data: AuditedDataset, progress: Callable[[int], None]) -> NDArray[np.float32]:
    from cellcls.engine.device import machine
    from cellcls.engine.features import image_features
    from cellcls.runs.options import Options

    return image_features(network, data.source, machine(Options(), "float32"), size=SIZE, seen=progress)


@attrs.frozen
class Clock:
    """Measures the duration of each step, in seconds."""

    seconds: dict[str, float] = attrs.field(factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the duration of what is done within as the step ``name``."""
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started
