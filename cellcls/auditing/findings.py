"""What is wrong with a set, finding by finding, and what is suggested to do about each image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.auditing.subject import Subject
from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.curation.decisions import DecisionRow
from cellcls.ops.curation.near_copies import NearPairs, family_hashes
from cellcls.ops.curation.suspects import suspects
from cellcls.ops.curation.thresholds import FAR
from cellcls.ops.curation.wrong_labels import find_wrong_labels

Action = Literal["drop", "keep", "look"]
_NAMED = 8
"""So many classes a reason names at most."""


@attrs.frozen
class Kind:
    """A kind of finding, in words."""

    title: str
    what: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "conflicts": Kind("Conflicting labels", "the same pixels under different labels: nobody knows which is right"),
        "outliers": Kind("Repeated pictures", "a picture that is there far more often than any other: put in, no cell"),
        "copies": Kind("Exact copies", "the same pixels under one label: all but the first add nothing"),
        "leaks": Kind("Leaks", "the same picture in several parts: what is tested on was trained on"),
        "near_conflicts": Kind("Near copies with conflicting labels", "one picture, slightly changed, labelled twice"),
        "near_copies": Kind("Near copies", "one picture turned, mirrored, shifted, cropped, recompressed or lightened"),
        "wrong_labels": Kind("Likely wrong labels", "a classifier that never saw the image is sure of another class"),
        "suspects": Kind("No cells, or damaged", "odd among its fellows in brightness, sharpness, size or look"),
        "against": Kind("Also in the other set", "the same picture lies in the set compared with"),
        "unreadable": Kind("Unreadable files", "pictures that cannot be decoded; they are left out of all else"),
        "skipped_files": Kind("Files left aside", "of another kind, or in a place where no images are looked for"),
    }
)
"""Every kind of finding, the gravest first."""


@attrs.frozen(kw_only=True)
class Finding:
    """Images that belong together, and why."""

    kind: str
    images: tuple[int, ...]
    """Places in the set; empty for a file that could not be read."""
    score: float
    """How grave it is within its kind: similarity, number of copies, margin of the likelier class, distance."""
    reason: str
    drop: frozenset[int] = frozenset()
    """Which of the images should go without further looking."""
    rule: str = ""
    """Which rule holds for a suspect."""
    likely: str = ""
    """The class that is likelier than the given one."""
    file: str = ""
    """The file that cannot be read, or the first of those left aside."""
    others: tuple[int, ...] = ()
    """Places in the other set."""

    def action(self, index: int) -> Action:
        """Return what is suggested for one of the images."""
        if index in self.drop:
            return "drop"
        return "keep" if self.kind in ("copies", "conflicts", "outliers") else "look"


def find(
    subject: Subject, near: NearPairs, *, features: NDArray[np.floating[Any]] | None = None, far: float = FAR
) -> list[Finding]:
    """Return all findings on a set but wrong labels. ``features`` (N, D): a network's, in the place of the statistics;
    ``near``: its near copies, with one image for each group of exact copies; ``far``: see ``suspects``."""
    return [*_exact(subject), *_near(subject, near), *_no_images(subject), *_suspects(subject, features, far)]


def in_order(found: Iterable[Finding]) -> list[Finding]:
    """Return findings kind by kind, the gravest first."""
    order = list(KINDS)
    return sorted(found, key=lambda one: (order.index(one.kind), -one.score, one.images, one.file))


def decision_rows(subject: Subject, found: Sequence[Finding]) -> list[DecisionRow]:
    """Return one row for each image of a finding, in the order of the set: what the gravest finding suggests, or drop
    where any does."""
    named: dict[int, tuple[Finding, Action]] = {}
    for finding in found:
        for index in finding.images:
            action = finding.action(index)
            before = named.get(index)
            if before is None or (action == "drop" and before[1] != "drop"):
                named[index] = (finding, action)
    return [
        DecisionRow(
            index=index,
            file=subject.file(index),
            hash=subject.survey.hashes[index],
            finding=finding.kind,
            reason=finding.reason,
            action=action,
        )
        for index, (finding, action) in sorted(named.items())
    ]


# --- copies -----------------------------------------------------------------------------------------------------


def _exact(subject: Subject) -> Iterator[Finding]:
    """Yield what holds of each group of copies: several of these may, and the gravest decides what goes."""
    conflicting = subject.groups.conflicting(subject.labels)
    far_above = subject.groups.far_above_the_rest()
    for members in subject.groups.copied():
        group = subject.groups.group[members[0]]
        images = tuple(members.tolist())
        there = f"there {len(images):,} times, far above the rest," if far_above[group] else f"{len(images):,} copies"
        first_stays = not (far_above[group] or conflicting[group])
        kinds = ["conflicts" if conflicting[group] else "copies", *(["outliers"] if far_above[group] else [])]
        for kind in kinds:
            yield Finding(
                kind=kind,
                images=images,
                score=len(images),
                reason=f"{there} {_labelled(subject, images)}",
                drop=frozenset(images[first_stays:]),
            )
        yield from _leak(subject, images, len(images), "the same pixels")


def _near(subject: Subject, pairs: NearPairs) -> Iterator[Finding]:
    similar = pairs.by_pair()
    copies, links = subject.groups.members(), pairs.links(len(subject))
    for near in [*pairs.groups(len(subject)), *np.stack([links.first, links.second], axis=1)]:
        first, *others = near.tolist()
        images = tuple(np.concatenate([copies[group] for group in subject.groups.group[near]]).tolist())
        likeness = [similar[first, other] for other in others]
        lowest, highest = min(likeness), max(likeness)
        alike = f"{lowest:.2f}" if len(likeness) == 1 else f"{lowest:.2f} to {highest:.2f}"
        differ = len(set(subject.labels[list(images)].tolist())) > 1
        reason = f"{len(near):,} near copies, similarity {alike}, {_labelled(subject, images)}"
        yield Finding(kind="near_conflicts" if differ else "near_copies", images=images, score=highest, reason=reason)
        yield from _leak(subject, images, highest, "near copies")


def _leak(subject: Subject, images: tuple[int, ...], score: float, what: str) -> Iterator[Finding]:
    parts = sorted({subject.part(index) for index in images})
    if len(parts) > 1:
        yield Finding(kind="leaks", images=images, score=score, reason=f"{what} in {' and '.join(parts)}")


def _labelled(subject: Subject, images: Sequence[int]) -> str:
    names = list(dict.fromkeys(subject.class_name(index) for index in images))
    if len(names) == 1:
        return f"under the label {names[0]}"
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"under {len(names)} labels: {', '.join(names[:_NAMED])}{more}"


# --- single images ----------------------------------------------------------------------------------------------


def _no_images(subject: Subject) -> Iterator[Finding]:
    for bad in subject.source.bad_images:
        yield Finding(kind="unreadable", images=(), score=1.0, reason=bad.reason, file=bad.name)
    by_reason: dict[str, list[str]] = {}
    for left in subject.source.skipped_files:
        by_reason.setdefault(left.reason, []).append(left.name)
    for reason, names in by_reason.items():
        more = f"; {len(names):,} in all" if len(names) > 1 else ""
        yield Finding(kind="skipped_files", images=(), score=len(names), reason=f"{reason}{more}", file=names[0])


def _suspects(subject: Subject, features: NDArray[np.floating[Any]] | None, far: float) -> Iterator[Finding]:
    found = suspects(subject.survey.statistics, subject.groups, sizes=subject.source.sizes, features=features, far=far)
    firsts = set(subject.groups.firsts().tolist())
    sizes = subject.groups.sizes()
    by_image: dict[int, list[Any]] = {}
    for one in found:
        if one.index in firsts:
            by_image.setdefault(one.index, []).append(one)
    for index, rules in by_image.items():
        worst = max(rules, key=lambda one: one.score)
        names = ", ".join(one.rule.replace("_", " ") for one in rules)
        copies = int(sizes[subject.groups.group[index]])
        reason = f"{names}: {worst.reason}" + (f" (there {copies:,} times)" if copies > 1 else "")
        yield Finding(kind="suspects", images=(index,), score=worst.score, reason=reason, rule=worst.rule)


def wrong_labels(
    subject: Subject,
    near: NearPairs,
    found: Iterable[Finding],
    *,
    features: NDArray[np.floating[Any]] | None = None,
    seed: int = 0,
) -> Iterator[Finding]:
    """Judge the labels of what earlier findings do not drop anyway, near copies (``near``) of a picture together."""
    families = family_hashes(near, subject.groups)
    dropped = {index for finding in found for index in finding.drop}
    kept = np.array([index for index in range(len(subject)) if index not in dropped], dtype=np.int64)
    if len(subject.classes) < 2 or not len(kept):
        return
    values = subject.survey.statistics if features is None else features
    groups = group_by_hash([families[index] for index in kept])
    judged = find_wrong_labels(values[kept], subject.labels[kept], groups, seed=seed)
    for place in judged.order():
        if judged.issue[place]:
            index, likely = int(kept[place]), subject.classes[int(judged.likely[place])]
            share = judged.probabilities[place]
            given = subject.class_name(index)
            if likely == given:
                continue
            reason = (
                f"labelled {given} ({share[subject.labels[index]]:.0%}), more like {likely} "
                f"({share[judged.likely[place]]:.0%})"
            )
            score = float(judged.score[place])
            yield Finding(kind="wrong_labels", images=(index,), score=score, reason=reason, likely=likely)
