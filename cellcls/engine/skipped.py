"""What a data set leaves out of its folder: counted for the records, in words for warnings and errors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from cellcls.api import BadImage, Source
from cellcls.ops.classes import canonical
from cellcls.ops.storage.files import printable
from cellcls.ops.storage.skipped import SkippedFiles, count_skipped, skipped_in_words

_log = logging.getLogger(__name__)


def skipped_of(source: Source) -> tuple[SkippedFiles, ...]:
    """Return the files of a data set's folder that are none of its images, by reason."""
    return count_skipped((skipped.name, skipped.reason) for skipped in source.skipped_files)


def left_out(source: Source) -> str:
    """Return in one line how many files were skipped and why, images that cannot be read included; "" if none."""
    return _in_words(source.skipped_files, source.bad_images)


def left_out_by_class(source: Source) -> dict[str, str]:
    """Return the same for each class in whose folders something was skipped."""
    skipped: dict[str, tuple[list[BadImage], list[BadImage]]] = {}
    for kind, files in enumerate((source.skipped_files, source.bad_images)):
        for file in files:
            folders = [canonical(folder) for folder in file.name.split("/")[:-1]]
            name = next((folder for folder in folders if folder in source.class_names), None)
            if name is not None:
                skipped.setdefault(name, ([], []))[kind].append(file)
    return {name: _in_words(*files) for name, files in skipped.items()}


def warn_of_skipped(source: Source, path: Path | None) -> None:
    """Log what was skipped of the data set at ``path``, if anything."""
    told = left_out(source)
    if told and path is not None:
        _log.warning("%s: %s; `cellcls audit` lists them", printable(path), told)


def _in_words(skipped: Sequence[BadImage], bad: Sequence[BadImage]) -> str:
    reasons = [(file.name, file.reason) for file in skipped] + [(image.name, "cannot be read") for image in bad]
    return skipped_in_words(count_skipped(reasons))
