"""The images of a table: rows matched with files, what cannot be used of them, and the source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from cellcls.api import BadImage, Input, Source
from cellcls.builtin.datasets.table_files import find_file
from cellcls.builtin.datasets.table_rows import SEVERAL, Row, Rows, TableSettings, read_rows
from cellcls.errors import DataError, RecipeError, suggestion
from cellcls.ops.classes import canonical, ordered
from cellcls.ops.storage.files import printable
from cellcls.ops.storage.folders import is_image, visible
from cellcls.ops.storage.image_cache import DecodedImages, decode_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NUMBER = re.compile(r"^\d+(\.0+)?$")
_EXAMPLES = 3
_MISSING = "named in the table, but not there"


@attrs.frozen
class _Matched:
    """The usable rows with their files, and why the others are not used."""

    files: dict[Path, Row] = attrs.field(factory=dict)
    unusable: dict[str, list[str]] = attrs.field(factory=dict)
    """File names by the reason why they cannot be used."""
    repeated: list[str] = attrs.field(factory=list)
    """Files of rows that repeat another one."""
    named: set[Path] = attrs.field(factory=set)
    """All files that the table names, used or not."""

    def refuse(self, name: str, reason: str) -> None:
        """Add a file that is not used."""
        self.unusable.setdefault(reason, []).append(printable(name))


class _TableSource(Source):
    """The readable images of a table."""

    prepared = True

    def __init__(
        self,
        path: Path,
        matched: _Matched,
        rows: Rows,
        class_of: Mapping[str, str],
        decoded: DecodedImages,
        settings: TableSettings,
    ) -> None:
        files, used = list(matched.files), list(matched.files.values())
        names = [_name(path, file) for file in files]
        self.bad_images = tuple(BadImage(names[row], reason) for row, reason in decoded.bad.items())
        omitted = [BadImage(name, reason) for reason, found in matched.unusable.items() for name in found]
        omitted += [BadImage(name, "a repeated row of the table") for name in matched.repeated]
        self.skipped_files = tuple(
            omitted + [BadImage(_name(path, file), "not in the table") for file in _beside(matched.named)]
        )
        used = [used[row] for row in decoded.rows]
        self.class_names = _in_order({row.label: class_of[row.label] for row in used}, settings)
        self.labels = np.array([self.class_names.index(class_of[row.label]) for row in used], dtype=np.int64)
        self.parts = np.array([row.part for row in used], dtype=np.str_) if rows.in_parts else None
        self.names = [names[row] for row in decoded.rows]
        self.columns = {name: [values[row.number] for row in used] for name, values in rows.columns.items()}
        self.sizes, self.hashes = decoded.sizes, decoded.hashes
        self._decoded = decoded

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images (B, size, size, 3), RGB, 0..255, in the order of ``indices``."""
        return self._decoded.read(indices)

    def release_memory(self) -> None:
        """Free memory held since earlier reads."""
        self._decoded.release_memory()


def open_table(path: Path, settings: TableSettings, input: Input, cache: Path, *, skip: bool) -> Source:
    """Open a table, or a folder with tables, with images prepared as the network's ``input``.

    ``skip``: leave unusable rows and unreadable images out and list them; otherwise they are an error. Raises
    ``DataError``.
    """
    rows = read_rows(path, settings)
    class_of = _class_names(path, rows, settings)
    matched = _match(rows, class_of)
    if matched.unusable and (not skip or not matched.files):
        raise _refused(path, matched, rows)
    decoded = decode_once(path, list(matched.files), input, cache=cache, skip_bad=skip)
    return _TableSource(path, matched, rows, class_of, decoded, settings)


def _match(rows: Rows, class_of: Mapping[str, str]) -> _Matched:
    """Find the file of each row. Of a file that rows contradict each other about, none is used."""
    matched, contradicted = _Matched(), dict[Path, str]()
    for row in rows.rows:
        file = find_file(row.root, row.file)
        if file is not None:
            matched.named.add(file)
        reason = _unusable(row, file, rows)
        if reason or file is None:
            matched.refuse(row.file or f"row {row.number + 2}", reason)
            continue
        earlier = matched.files.setdefault(file, row)
        if earlier is row:
            continue
        if class_of[earlier.label] != class_of[row.label]:
            contradicted[file] = "with several labels in the table"
        elif earlier.part != row.part:
            contradicted.setdefault(file, "in several parts of the table")
        else:
            matched.repeated.append(printable(row.file))
    for file, reason in contradicted.items():
        matched.refuse(matched.files.pop(file).file, reason)
    return matched


def _unusable(row: Row, file: Path | None, rows: Rows) -> str:
    if not row.file:
        return "a row of the table without a file"
    if file is None:
        return _MISSING
    if not row.label:
        return "without a label in the table"
    if row.label == SEVERAL:
        return "with several labels in the table"
    return "without a part in the table" if rows.in_parts and not row.part else ""


def _refused(path: Path, matched: _Matched, rows: Rows) -> DataError:
    told = []
    for reason, names in matched.unusable.items():
        examples = ", ".join(f"`{name}`" for name in names[:_EXAMPLES]) + (", ..." if len(names) > _EXAMPLES else "")
        told.append(f"{len(names):,} {reason}: {examples}")
    hints = ['correct the table, or leave such images out and list them: [dataset] on_bad_image = "skip"']
    if _MISSING in matched.unusable:
        roots = ", ".join(dict.fromkeys(printable(row.root) for row in rows.rows))
        hints.append(f"files were looked for in {roots}; another folder is [dataset] root")
    if not matched.files:
        hints = hints[1:] or ["correct the table"]
    return DataError(f"{printable(path)}: cannot use all of its {len(rows.rows):,} rows: {'; '.join(told)}", *hints)


def _class_names(path: Path, rows: Rows, settings: TableSettings) -> Mapping[str, str]:
    """Return the class of each label. Raises ``DataError`` if a setting does not fit the labels."""
    different = [label for label in dict.fromkeys(row.label for row in rows.rows) if label not in ("", SEVERAL)]
    new = {canonical(old): canonical(name) for old, name in settings.rename.items()}
    lacking = [old for old in settings.rename if canonical(old) not in map(canonical, different)]
    if lacking:
        known = ", ".join(f"`{printable(label)}`" for label in sorted(different)[:12])
        hint = f"{suggestion(lacking[0], different)}its labels: {known}"
        raise DataError(f"{printable(path)}: no label `{lacking[0]}`, which `rename` names", hint)
    numbered = all(_NUMBER.match(label) for label in different)
    if settings.classes is not None and settings.rename:
        raise RecipeError("[dataset] has both `classes` and `rename`", "give the wanted names in `classes`")
    if settings.classes is not None:
        return _named_by_number(path, different, settings.classes, numbered=numbered)
    plain = {label: f"class_{int(float(label))}" if numbered else canonical(label) for label in different}
    return {label: new.get(canonical(label), name) for label, name in plain.items()}


def _named_by_number(path: Path, labels: list[str], classes: tuple[str, ...], *, numbered: bool) -> Mapping[str, str]:
    names = [canonical(name) for name in classes]
    if not numbered:
        word = next(label for label in labels if not _NUMBER.match(label))
        raise DataError(
            f"{printable(path)}: its labels are names such as `{printable(word)}`; `classes` is for numbers",
            "remove `classes`; other names for some: rename = { OLD = NEW }",
        )
    highest = max(int(float(label)) for label in labels)
    if len(names) <= highest or len(set(names)) < len(names):
        raise DataError(
            f"{printable(path)}: its labels go up to {highest}, but the classes are named {', '.join(classes)}",
            f"name {highest + 1} different classes, in the order of the labels",
        )
    return {label: names[int(float(label))] for label in labels}


def _in_order(class_of: Mapping[str, str], settings: TableSettings) -> tuple[str, ...]:
    """Return the classes in the order of ``classes``, of their numbers, or of ``ops.classes.ordered``."""
    if settings.classes is not None:
        return tuple(map(canonical, settings.classes))
    if not settings.rename and all(map(_NUMBER.match, class_of)):
        return tuple(dict.fromkeys(class_of[label] for label in sorted(class_of, key=float)))
    return ordered(class_of.values())


def _beside(files: set[Path]) -> list[Path]:
    """Return the images in the folders of ``files`` that are not among them."""
    folders = sorted({file.parent for file in files})
    return [path for folder in folders for path in visible(folder) if is_image(path) and path not in files]


def _name(path: Path, file: Path) -> str:
    folder = path if path.is_dir() else path.parent
    return printable(file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file))
