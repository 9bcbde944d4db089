"""Implementation of the cleaners. Each uses the original groups of copies and skips images that are already dropped, so
that their order determines which cleaner drops an image, but not whether it is dropped."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellcls.api import Decision
from cellcls.errors import DataError
from cellcls.ops.curation.decisions import read_decisions
from cellcls.ops.storage.hashing import data_hash, source_hashes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cellcls.api import Source
    from cellcls.ops.curation.copies import Groups
    from cellcls.ops.curation.near_copies import NearPairs
    from cellcls.ops.curation.survey import Survey
    from cellcls.ops.curation.suspects import Suspect

_log = logging.getLogger(__name__)


def duplicates(
    groups: Groups, labels: NDArray[np.int64], kept: NDArray[np.bool_], *, keep_first: bool
) -> list[Decision]:
    """Drop groups with several labels as a whole and, with ``keep_first``, all but the first image of the others."""
    conflicting = groups.conflicting(labels)
    decisions: list[Decision] = []
    for members in groups.copied():
        first = int(members[0])
        if conflicting[groups.group[first]]:
            count = len(np.unique(labels[members]))
            reason = f"one of {len(members)} copies that carry {count} different labels"
            decisions += _decide(groups, kept, members, "drop_duplicates", reason)
        elif keep_first:
            decisions += _decide(groups, kept, members[1:], "drop_duplicates", f"a copy of image {first}, same label")
    return decisions


def near_duplicates(
    pairs: NearPairs, groups: Groups, labels: NDArray[np.int64], kept: NDArray[np.bool_], *, keep_first: bool
) -> list[Decision]:
    """Drop near copies with several labels as a whole and, with ``keep_first``, all but the first of the others.

    ``pairs`` are pairs of ``groups``: each represents all exact copies, whose labels count, too.
    """
    copies = groups.members()
    similarity = pairs.by_pair()
    reasons: dict[int, str] = {}
    for members in _disputed(pairs, copies, labels):
        reason = f"one of {len(members)} near copies that carry {len(np.unique(labels[members]))} different labels"
        reasons |= {int(index): reason for index in members if int(index) not in reasons}
    for first, *others in pairs.groups(len(copies)) if keep_first else ():
        for group in others:
            alike = similarity[int(first), int(group)]
            reason = f"a near copy of image {copies[first][0]}, same label, similarity {alike:.2f}"
            reasons |= {int(index): reason for index in copies[group] if int(index) not in reasons}
    return _explained(groups, kept, "drop_near_duplicates", reasons)


def _disputed(
    pairs: NearPairs, copies: Sequence[NDArray[np.int64]], labels: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Yield the images of each group of near copies with several labels, and of two linked groups whose labels differ:
    it is unknown which label is right."""
    grouped = pairs.groups(len(copies))
    near_group = {int(group): near for near in grouped for group in near}
    links = pairs.links(len(copies))
    for near in [*grouped, *np.stack([links.first, links.second], axis=1)]:
        images = np.concatenate([copies[group] for group in near])
        if len(np.unique(labels[images])) > 1:
            whole = {int(member) for group in near for member in near_group.get(int(group), [group])}
            yield np.concatenate([copies[group] for group in sorted(whole)])


def leaks(
    pairs: NearPairs, groups: Groups, parts: NDArray[np.str_], kept: NDArray[np.bool_], *, keep: Sequence[str]
) -> list[Decision]:
    """Drop images with exact or near copies in another part; the first part in ``keep`` keeps its copies.

    ``pairs`` are pairs of ``groups``, each representing all exact copies; ``parts`` (N,).
    """
    copies, links = groups.members(), pairs.links(len(groups.sizes()))
    near = [*pairs.groups(len(copies)), *np.stack([links.first, links.second], axis=1)]
    rank = np.array([keep.index(part) for part in parts.tolist()], dtype=np.int64)
    reasons: dict[int, str] = {}
    for how, images in (
        *(("byte-equal to", members) for members in groups.copied()),
        *(("a near copy of", np.concatenate([copies[group] for group in members])) for members in near),
    ):
        retained = int(images[rank[images].argmin()])
        for index in images[rank[images] > rank[retained]].tolist():
            reasons.setdefault(index, f"in {parts[index]}, and {how} image {retained} in {parts[retained]}")
    return _explained(groups, kept, "drop_leaks", reasons)


def shared(
    source: Source, other: Source, groups: Groups, kept: NDArray[np.bool_], *, similarity: float
) -> list[Decision]:
    """Drop images with exact or near copies in the data set ``other``."""
    from cellcls.ops.curation.copies import group_by_hash
    from cellcls.ops.curation.near_copies import find_copies_across
    from cellcls.ops.curation.perceptual import read_fingerprints

    theirs = group_by_hash(source_hashes(other))
    pairs_of = ((source, groups), (other, theirs))
    prints = (read_fingerprints(images.read, copies.firsts()) for images, copies in pairs_of)
    pairs = find_copies_across(*prints, similarity=similarity)
    copies, there = groups.members(), theirs.firsts().tolist()
    names = other.names or [f"image {index}" for index in range(len(other))]
    reasons: dict[int, str] = {}
    for group, twin in groups.shared_with(theirs).items():
        reasons |= {int(index): f"byte-equal to {names[there[twin]]} of the other set" for index in copies[group]}
    for (group, twin), alike in pairs.by_pair().items():
        for index in copies[group].tolist():
            near = f"a near copy of {names[there[twin]]} of the other set, similarity {alike:.2f}"
            reasons.setdefault(index, near)
    return _explained(groups, kept, "drop_shared", reasons)


def outliers(groups: Groups, kept: NDArray[np.bool_], *, times: float) -> list[Decision]:
    """Drop overrepresented groups as a whole."""
    overrepresented = groups.overrepresented(times)
    decisions: list[Decision] = []
    for members in groups.copied():
        if overrepresented[groups.group[members[0]]]:
            reason = f"one of {len(members)} repeats, far more than other images"
            decisions += _decide(groups, kept, members, "drop_outliers", reason)
    return decisions


def suspicious(found: Sequence[Suspect], groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
    """Drop suspects; an image that matches several rules is dropped once, with all reasons."""
    reasons: dict[int, str] = {}
    for suspect in found:
        before = f"{reasons[suspect.index]}; " if suspect.index in reasons else ""
        reasons[suspect.index] = f"{before}{suspect.rule}: {suspect.reason}"
    return _explained(groups, kept, "drop_suspects", reasons)


def wrongly_labelled(
    surveyed: Survey,
    source: Source,
    groups: Groups,
    kept: NDArray[np.bool_],
    *,
    margin: float,
    seed: int,
) -> list[Decision]:
    """Drop images whose label is wrong according to confident learning, with another class likelier by ``margin``.

    Exact and near copies are always in the same fold, so that none confirms the label of another. Conflicting copies
    and overrepresented images are excluded from training and prediction, whatever other cleaners do with them.
    """
    from cellcls.ops.curation.copies import group_by_hash
    from cellcls.ops.curation.near_copies import family_hashes, find_near_copies
    from cellcls.ops.curation.wrong_labels import find_wrong_labels

    excluded = groups.conflicting(source.labels) | groups.overrepresented()
    checked = np.flatnonzero(~excluded[groups.group])
    families = family_hashes(find_near_copies(surveyed.prints, groups=groups), groups)
    own = group_by_hash([families[index] for index in checked])
    found = find_wrong_labels(surveyed.statistics[checked], source.labels[checked], own, seed=seed)
    reasons: dict[int, str] = {}
    for place in np.flatnonzero(found.issue & (found.score >= margin)):
        index = int(checked[place])
        given, likely = (source.class_names[label] for label in (source.labels[index], found.likely[place]))
        reasons[index] = f"labelled {given}, looks like {likely} (likelier by {found.score[place]:.3f})"
    return _explained(groups, kept, "drop_wrong_labels", reasons)


def decided(file: Path, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
    """Replay the decisions of the user. Raises ``MissingInputError``, or ``DataError`` if they are about other data."""
    read = read_decisions(file)
    found = data_hash(groups.hashes, source.labels, source.class_names)
    if (read.count, read.data_hash) != (len(source), found):
        raise DataError(
            f"{file}: decided on other data: {read.count:,} images with the hash {read.data_hash[:12]}, and here are "
            f"{len(source):,} with {found[:12]}",
            "audit this set anew: cellcls audit DATA",
        )
    chosen = [row for row in read.rows if row.action == "drop"]
    wrong = next((row for row in chosen if groups.hashes[row.index : row.index + 1] != (row.hash,)), None)
    if wrong is not None:
        raise DataError(
            f"{file}: image {wrong.index} does not have the content {wrong.hash[:12]}; was the file edited?"
        )
    reasons = {row.index: f"{row.finding}: {row.reason}" for row in chosen}
    return _explained(groups, kept, "decisions", reasons)


def listed(groups: Groups, kept: NDArray[np.bool_], *, ranges: Sequence[tuple[int, int]]) -> list[Decision]:
    """Drop the images in ``ranges`` (first, last), both included."""
    chosen = np.zeros(len(groups), dtype=np.bool_)
    for first, last in ranges:
        chosen[first : last + 1] = True
        if last >= len(groups):
            _log.warning("drop_indices: [%d, %d] reaches beyond the set's %d images", first, last, len(groups))
    return _decide(groups, kept, np.flatnonzero(chosen), "drop_indices", "listed in `ranges`")


def _decide(groups: Groups, kept: NDArray[np.bool_], members: Iterable[int], rule: str, reason: str) -> list[Decision]:
    return [Decision(int(index), groups.hashes[index], rule, reason) for index in members if kept[index]]


def _explained(groups: Groups, kept: NDArray[np.bool_], rule: str, reasons: Mapping[int, str]) -> list[Decision]:
    """Return decisions with a separate reason for each image."""
    return [Decision(index, groups.hashes[index], rule, why) for index, why in sorted(reasons.items()) if kept[index]]
