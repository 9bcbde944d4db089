"""Files that are skipped, counted by their reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

_MAX_EXAMPLES = 5
_MAX_REASONS = 6


@attrs.frozen(kw_only=True)
class SkippedFiles:
    """Files that are skipped for one reason."""

    reason: str
    n: int
    examples: tuple[str, ...] = ()
    """Names of the first of them."""


def count_skipped(files: Iterable[tuple[str, str]]) -> tuple[SkippedFiles, ...]:
    """Return skipped files, given as name and reason, by reason, the most frequent first."""
    names: dict[str, list[str]] = {}
    for name, reason in files:
        names.setdefault(reason, []).append(name)
    counted = [
        SkippedFiles(reason=reason, n=len(found), examples=tuple(found[:_MAX_EXAMPLES]))
        for reason, found in names.items()
    ]
    return tuple(sorted(counted, key=lambda skipped: -skipped.n))


def skipped_in_words(skipped: Sequence[SkippedFiles]) -> str:
    """Return what is skipped in one line, "" for nothing: ``3 files skipped: of another type, .heic (2); ...``."""
    if not skipped:
        return ""
    total = sum(reason.n for reason in skipped)
    told = [f"{reason.reason} ({reason.n:,})" for reason in skipped[:_MAX_REASONS]]
    rest = total - sum(reason.n for reason in skipped[:_MAX_REASONS])
    if rest:
        told.append(f"other reasons ({rest:,})")
    return f"{total:,} file{'s' * (total != 1)} skipped: {'; '.join(told)}"
