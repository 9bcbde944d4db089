"""What the cleaners do. Each looks at the original groups only and skips what is gone already, so their order decides
who names an image, never whether it goes."""

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

    ``pairs`` are of ``groups``: each stands for all its byte-equal images, whose labels count too.
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
    """Yield the images of each group of near copies under several labels, and of two groups that a pair links whose
    labels differ: nobody knows which is right, for all that is like either."""
    grouped = pairs.groups(len(copies))
    home = {int(one): near for near in grouped for one in near}
    links = pairs.links(len(copies))
    for near in [*grouped, *np.stack([links.first, links.second], axis=1)]:
        images = np.concatenate([copies[one] for one in near])
        if len(np.unique(labels[images])) > 1:
            whole = {int(other) for one in near for other in home.get(int(one), [one])}
            yield np.concatenate([copies[one] for one in sorted(whole)])


def leaks(
    pairs: NearPairs, groups: Groups, parts: NDArray[np.str_], kept: NDArray[np.bool_], *, keep: Sequence[str]
) -> list[Decision]:
    """Drop what another part holds too, byte-equal or nearly; it stays in the first of the parts ``keep`` that has it.

    ``pairs`` are of ``groups``, whose images count too; ``parts`` (N,).
    """
    copies, links = groups.members(), pairs.links(len(groups.sizes()))
    near = [*pairs.groups(len(copies)), *np.stack([links.first, links.second], axis=1)]
    rank = np.array([keep.index(part) for part in parts.tolist()], dtype=np.int64)
    reasons: dict[int, str] = {}
    for how, images in (
        *(("byte-equal to", members) for members in groups.copied()),
        *(("a near copy of", np.concatenate([copies[group] for group in members])) for members in near),
    ):
        stays = int(images[rank[images].argmin()])
        for index in images[rank[images] > rank[stays]].tolist():
            reasons.setdefault(index, f"in {parts[index]}, and {how} image {stays} in {parts[stays]}")
    return _explained(groups, kept, "drop_leaks", reasons)


def shared(
    source: Source, other: Source, groups: Groups, kept: NDArray[np.bool_], *, similarity: float
) -> list[Decision]:
    """Drop what the set ``other`` holds too, byte-equal or nearly."""
    from cellcls.ops.curation.copies import group_by_hash
    from cellcls.ops.curation.near_copies import find_copies_across
    from cellcls.ops.curation.perceptual import read_fingerprints

    theirs = group_by_hash(source_hashes(other))
    prints = (read_fingerprints(one.read, some.firsts()) for one, some in ((source, groups), (other, theirs)))
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
    """Drop groups repeated far above the rest as a whole."""
    overrepresented = groups.overrepresented(times)
    decisions: list[Decision] = []
    for members in groups.copied():
        if overrepresented[groups.group[members[0]]]:
            reason = f"an image that is there {len(members)} times, far above the rest"
            decisions += _decide(groups, kept, members, "drop_outliers", reason)
    return decisions


def suspicious(found: Sequence[Suspect], groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
    """Drop images under suspicion; several rules may hold for one, which goes once."""
    reasons: dict[int, str] = {}
    for one in found:
        before = f"{reasons[one.index]}; " if one.index in reasons else ""
        reasons[one.index] = f"{before}{one.rule}: {one.reason}"
    return _explained(groups, kept, "drop_suspects", reasons)


def wrongly_labelled(
    seen: Survey,
    source: Source,
    groups: Groups,
    kept: NDArray[np.bool_],
    *,
    margin: float,
    seed: int,
) -> list[Decision]:
    """Drop images whose label confident learning finds wrong and another class likelier by ``margin``.

    All versions of an image, byte-equal or near copies, are judged together: none vouches for another's label.

    Copies under several labels and images repeated far above the rest teach nothing about a class: they are neither
    learnt from nor judged, whatever other cleaners do with them.
    """
    from cellcls.ops.curation.copies import group_by_hash
    from cellcls.ops.curation.near_copies import family_hashes, find_near_copies
    from cellcls.ops.curation.wrong_labels import find_wrong_labels

    odd = groups.conflicting(source.labels) | groups.overrepresented()
    judged = np.flatnonzero(~odd[groups.group])
    families = family_hashes(find_near_copies(seen.prints, groups=groups), groups)
    own = group_by_hash([families[index] for index in judged])
    found = find_wrong_labels(seen.statistics[judged], source.labels[judged], own, seed=seed)
    reasons: dict[int, str] = {}
    for place in np.flatnonzero(found.issue & (found.score >= margin)):
        index = int(judged[place])
        given, likely = (source.class_names[label] for label in (source.labels[index], found.likely[place]))
        reasons[index] = f"labelled {given}, looks like {likely} (likelier by {found.score[place]:.3f})"
    return _explained(groups, kept, "drop_wrong_labels", reasons)


def decided(file: Path, source: Source, groups: Groups, kept: NDArray[np.bool_]) -> list[Decision]:
    """Replay the decisions of a person. Raises ``MissingInputError`` and, where they are about other data,
    ``DataError``."""
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
        raise DataError(f"{file}: image {wrong.index} has not the content {wrong.hash[:12]}; was the file edited?")
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
    """Return the decisions of a rule that has a reason for each image it drops."""
    return [Decision(index, groups.hashes[index], rule, why) for index, why in sorted(reasons.items()) if kept[index]]
