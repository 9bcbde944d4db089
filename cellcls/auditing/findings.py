"""Problems found in a data set, and the suggested action for each affected image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.auditing.dataset import AuditedDataset
from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.decisions import DecisionRow
from cellcls.ops.curation.near_copies import NearPairs, family_hashes
from cellcls.ops.curation.suspects import Suspect, suspects
from cellcls.ops.curation.thresholds import MAX_DISTANCE
from cellcls.ops.curation.wrong_labels import find_wrong_labels

Action = Literal["drop", "keep", "review"]
_MAX_NAMES = 8
"""Maximum number of classes listed in a reason."""


@attrs.frozen
class Kind:
    """A kind of finding."""

    title: str
    description: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "conflicts": Kind("Conflicting labels", "identical pixels under different labels; only one can be right"),
        "outliers": Kind("Repeated images", "an image repeated far more often than any other; probably not a cell"),
        "copies": Kind("Exact copies", "identical pixels under one label; all but the first are redundant"),
        "leaks": Kind("Leaks", "the same image in several parts, so that test images were trained on"),
        "near_conflicts": Kind("Near copies with conflicting labels", "variants of one image under different labels"),
        "near_copies": Kind("Near copies", "one image rotated, flipped, shifted, cropped, recompressed or brightened"),
        "wrong_labels": Kind("Likely wrong labels", "a classifier not trained on the image predicts another class"),
        "suspects": Kind("Not a cell, or damaged", "unusual brightness, sharpness, size or appearance"),
        "shared": Kind("Also in the other set", "the same image is in the data set it is compared with"),
        "unreadable": Kind("Unreadable files", "images that cannot be decoded; excluded from all other checks"),
        "skipped_files": Kind(
            "Skipped files", "not images, not in a class folder, or not usable by the table of labels"
        ),
    }
)
"""All kinds of findings, most severe first."""


@attrs.frozen(kw_only=True)
class Finding:
    """A problem and the images it affects."""

    kind: str
    images: tuple[int, ...]
    """Indices in the data set; empty for a file that could not be read."""
    score: float
    """Severity within its kind: similarity, number of copies, margin of the likelier class, or distance."""
    reason: str
    drop: frozenset[int] = frozenset()
    """Images to drop without review."""
    rule: str = ""
    """The rule that a suspect matches."""
    likely: str = ""
    """The class predicted instead of the label."""
    file: str = ""
    """The unreadable file, or the first of the skipped files."""
    others: tuple[int, ...] = ()
    """Indices in the other data set."""

    def action(self, index: int) -> Action:
        """Return the suggested action for an image of the finding."""
        if index in self.drop:
            return "drop"
        return "keep" if self.kind in ("copies", "conflicts", "outliers") else "review"


def find(
    data: AuditedDataset,
    near: NearPairs,
    *,
    features: NDArray[np.floating[Any]] | None = None,
    max_distance: float = MAX_DISTANCE,
) -> list[Finding]:
    """Return all findings except wrong labels.

    ``near``: near copies, with one image per group of exact copies; ``features`` (N, D): features of a network to use
    instead of the image statistics; ``max_distance``: see ``suspects``.
    """
    return [*_exact(data), *_near(data, near), *_unusable_files(data), *_suspects(data, features, max_distance)]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by kind, most severe first."""
    order = list(KINDS)

    def rank(finding: Finding) -> tuple[int, float, tuple[int, ...], str]:
        return order.index(finding.kind), -finding.score, finding.images, finding.file

    return sorted(findings, key=rank)


def decision_rows(data: AuditedDataset, findings: Sequence[Finding]) -> list[DecisionRow]:
    """Return a row per affected image, in the order of the data set: the action suggested by its most severe finding,
    or drop if any finding suggests that."""
    decisions: dict[int, tuple[Finding, Action]] = {}
    for finding in findings:
        for index in finding.images:
            action = finding.action(index)
            previous = decisions.get(index)
            if previous is None or (action == "drop" and previous[1] != "drop"):
                decisions[index] = (finding, action)
    return [
        DecisionRow(
            index=index,
            file=data.file(index),
            hash=data.survey.hashes[index],
            finding=finding.kind,
            reason=finding.reason,
            action=action,
        )
        for index, (finding, action) in sorted(decisions.items())
    ]


# --- copies -----------------------------------------------------------------------------------------------------


def _exact(data: AuditedDataset) -> Iterator[Finding]:
    """Yield findings for each group of copies. A group may have several; the most severe determines the action."""
    conflicting = data.groups.conflicting(data.labels)
    overrepresented = data.groups.overrepresented()
    for members in data.groups.copied():
        group = data.groups.group[members[0]]
        images = tuple(members.tolist())
        repeats = "repeats, far more than other images," if overrepresented[group] else "copies"
        keep_first = not (overrepresented[group] or conflicting[group])
        kinds = ["conflicts" if conflicting[group] else "copies", *(["outliers"] if overrepresented[group] else [])]
        for kind in kinds:
            yield Finding(
                kind=kind,
                images=images,
                score=len(images),
                reason=f"{len(images):,} {repeats} {_labelled(data, images)}",
                drop=frozenset(images[keep_first:]),
            )
        yield from _leak(data, images, len(images), "identical pixels")


def _near(data: AuditedDataset, pairs: NearPairs) -> Iterator[Finding]:
    similar = pairs.by_pair()
    copies, links = data.groups.members(), pairs.links(len(data))
    for near in [*pairs.groups(len(data)), *np.stack([links.first, links.second], axis=1)]:
        first, *others = near.tolist()
        images = tuple(np.concatenate([copies[group] for group in data.groups.group[near]]).tolist())
        similarities = [similar[first, other] for other in others]
        lowest, highest = min(similarities), max(similarities)
        shown = f"{lowest:.2f}" if len(similarities) == 1 else f"{lowest:.2f} to {highest:.2f}"
        differ = len(set(data.labels[list(images)].tolist())) > 1
        reason = f"{len(near):,} near copies, similarity {shown}, {_labelled(data, images)}"
        yield Finding(kind="near_conflicts" if differ else "near_copies", images=images, score=highest, reason=reason)
        yield from _leak(data, images, highest, "near copies")


def _leak(data: AuditedDataset, images: tuple[int, ...], score: float, what: str) -> Iterator[Finding]:
    parts = sorted({data.part(index) for index in images})
    if len(parts) > 1:
        yield Finding(kind="leaks", images=images, score=score, reason=f"{what} in {' and '.join(parts)}")


def _labelled(data: AuditedDataset, images: Sequence[int]) -> str:
    names = list(dict.fromkeys(data.class_name(index) for index in images))
    if len(names) == 1:
        return f"under the label {names[0]}"
    more = f" and {len(names) - _MAX_NAMES:,} more" if len(names) > _MAX_NAMES else ""
    return f"under {len(names)} labels: {', '.join(names[:_MAX_NAMES])}{more}"


# --- single images ----------------------------------------------------------------------------------------------


def _unusable_files(data: AuditedDataset) -> Iterator[Finding]:
    for bad in data.source.bad_images:
        yield Finding(kind="unreadable", images=(), score=1.0, reason=bad.reason, file=bad.name)
    by_reason: dict[str, list[str]] = {}
    for skipped in data.source.skipped_files:
        by_reason.setdefault(skipped.reason, []).append(skipped.name)
    for reason, names in by_reason.items():
        more = f"; {len(names):,} in all" if len(names) > 1 else ""
        yield Finding(kind="skipped_files", images=(), score=len(names), reason=f"{reason}{more}", file=names[0])


def _suspects(
    data: AuditedDataset, features: NDArray[np.floating[Any]] | None, max_distance: float
) -> Iterator[Finding]:
    matches = suspects(
        data.survey.statistics, data.groups, sizes=data.source.sizes, features=features, max_distance=max_distance
    )
    firsts = set(data.groups.firsts().tolist())
    sizes = data.groups.sizes()
    by_image: dict[int, list[Suspect]] = {}
    for suspect in matches:
        if suspect.index in firsts:
            by_image.setdefault(suspect.index, []).append(suspect)
    for index, image_suspects in by_image.items():
        worst = max(image_suspects, key=lambda suspect: suspect.score)
        names = ", ".join(suspect.rule.replace("_", " ") for suspect in image_suspects)
        copies = int(sizes[data.groups.group[index]])
        reason = f"{names}: {worst.reason}" + (f" ({copies:,} copies)" if copies > 1 else "")
        yield Finding(kind="suspects", images=(index,), score=worst.score, reason=reason, rule=worst.rule)


def wrong_labels(
    data: AuditedDataset,
    near: NearPairs,
    findings: Iterable[Finding],
    *,
    features: NDArray[np.floating[Any]] | None = None,
    seed: int = 0,
) -> Iterator[Finding]:
    """Check the labels of the images that no earlier finding drops. Near copies (``near``) share a fold."""
    families = family_hashes(near, data.groups)
    dropped = {index for finding in findings for index in finding.drop}
    kept = np.array([index for index in range(len(data)) if index not in dropped], dtype=np.int64)
    if len(data.classes) < 2 or not len(kept):
        return
    values = data.survey.statistics if features is None else features
    groups = group_by_hash([families[index] for index in kept])
    result = find_wrong_labels(values[kept], data.labels[kept], groups, seed=seed)
    for position in result.order():
        if result.issue[position]:
            index, likely = int(kept[position]), data.classes[int(result.likely[position])]
            probabilities = result.probabilities[position]
            given = data.class_name(index)
            if likely == given:
                continue
            reason = (
                f"labelled {given} ({probabilities[data.labels[index]]:.0%}), predicted {likely} "
                f"({probabilities[result.likely[position]]:.0%})"
            )
            score = float(result.score[position])
            yield Finding(kind="wrong_labels", images=(index,), score=score, reason=reason, likely=likely)
