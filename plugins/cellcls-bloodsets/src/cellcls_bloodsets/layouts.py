"""Where each set keeps its pictures and what it calls their classes. Nothing is guessed: what names none of the eight
classes is left out and counted."""

from __future__ import annotations

import csv
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import attrs

from cellcls.errors import DataError
from cellcls.ops.classes import CLASSES, canonical
from cellcls.ops.storage.decode import Box
from cellcls.ops.storage.folders import scan, subfolders

_log = logging.getLogger(__name__)
_RAABIN_PARTS = {"train": "train", "testa": "test", "testb": "test"}
_LISC = {"baso": "basophil", "eosi": "eosinophil", "lymp": "lymphocyte", "mono": "monocyte", "neut": "neutrophil"}
_LISC_MAIN = ("main dataset", "main_dataset")
_SEGMENTATION_WBC = {"1": "neutrophil", "2": "lymphocyte", "3": "monocyte", "4": "eosinophil", "5": "basophil"}
"""As the set's README first said: labels 1-5 are neutrophil, lymphocyte, monocyte, eosinophil and basophil."""
_ROUND_A_CELL = 1.2
"""Side of the square that is cut out, in longer sides of the white cell's box."""
_XML_LIMIT = 1 << 20


@attrs.frozen
class Picture:
    """A picture file: ``class_name`` as in ``ops.classes``; ``box``: the part of it that counts, None for all."""

    path: Path
    class_name: str
    part: str | None = None
    box: Box | None = None


@attrs.frozen
class Listed:
    """The pictures of a set that lie below ``folder``."""

    folder: Path
    pictures: tuple[Picture, ...]
    skipped: Mapping[Path, str] = attrs.field(factory=dict)
    """Other files in the class folders, with the reason why they are no pictures of the set."""


def is_raabin(path: Path) -> bool:
    """Tell whether ``path`` holds Train and a test folder."""
    found = {_plain(folder.name) for folder in _folders(path)}
    return "train" in found and not found.isdisjoint({"testa", "testb"})


def raabin(path: Path, test: Literal["A", "B", "both"]) -> Listed:
    """List Train and the chosen test folders. Raises ``DataError``."""
    chosen = {"train", "testa", "testb"} if test == "both" else {"train", f"test{test.lower()}"}
    made = []
    unknown: Counter[str] = Counter()
    skipped: dict[Path, str] = {}
    for folder in _folders(path):
        part = _RAABIN_PARTS.get(_plain(folder.name))
        if part is None or _plain(folder.name) not in chosen:
            _log.info("%s: left aside", folder)
            continue
        for place in _folders(folder):
            made += _known(place, canonical(place.name), unknown, skipped, part)
    return _listed(path, made, unknown, "folders Train, TestA and TestB with a folder a class in each", skipped)


def is_lisc(path: Path) -> bool:
    """Tell whether ``path`` holds the main folder and that one folders of its classes."""
    main = _lisc_main(path)
    return main is not None and len({place.name.lower() for place in _folders(main)} & set(_LISC)) > 1


def lisc(path: Path) -> Listed:
    """List the main folder. Raises ``DataError``."""
    made = []
    unknown: Counter[str] = Counter()
    skipped: dict[Path, str] = {}
    for place in _folders(_lisc_main(path) or path):
        made += _known(place, _LISC.get(place.name.lower(), place.name.lower()), unknown, skipped)
    layout = "a folder `Main Dataset` with the folders Baso, eosi, lymp, mono, neut"
    return _listed(path, made, unknown, layout, skipped)


def _lisc_main(path: Path) -> Path | None:
    return next((folder for folder in _folders(path) if folder.name.lower() in _LISC_MAIN), None)


def is_bccd(path: Path) -> bool:
    """Tell whether ``path`` holds the labels and the smears."""
    return (path / "labels.csv").is_file() and (path / "JPEGImages").is_dir()


def bccd(path: Path, *, cell_only: bool) -> Listed:
    """List the smears with one class, and where ``cell_only`` with one white cell marked. Raises ``DataError``."""
    made = []
    unknown: Counter[str] = Counter()
    for row in _rows(path / "labels.csv", ("Image", "Category")):
        number, category = row["Image"].strip(), row["Category"].strip()
        names = {canonical(word) for word in category.split(",") if word.strip()}
        name = names.pop() if len(names) == 1 else category
        file = path / "JPEGImages" / f"BloodImage_{number:0>5}.jpg"
        if name not in CLASSES:
            unknown[name or "no class"] += 1
        elif not (number.isdigit() and file.is_file()):
            unknown["no picture file"] += 1
        elif not cell_only:
            made.append(Picture(file, name))
        else:
            boxes = _white_cells(path / "Annotations" / f"{file.stem}.xml")
            if len(boxes) == 1:
                made.append(Picture(file, name, box=_square_around(boxes[0])))
            else:
                unknown["none or several white cells marked"] += 1
    return _listed(path, made, unknown, "labels.csv with the columns Image and Category, JPEGImages, Annotations")


def _white_cells(file: Path) -> list[Box]:
    """Return the boxes of the white cells in an annotation of Pascal VOC; none where there is no file."""
    if not file.is_file():
        return []
    try:
        if file.stat().st_size > _XML_LIMIT:
            raise ValueError("too large for an annotation")
        found = [mark for mark in ElementTree.parse(file).iter("object") if mark.findtext("name") == "WBC"]
        corners = [[int(float(mark.findtext(f"bndbox/{side}", ""))) for side in _SIDES] for mark in found]
    except (ElementTree.ParseError, OSError, OverflowError, ValueError) as error:
        raise DataError(f"{file}: cannot be read: {error}", "get the file again, or set cell_only = false") from error
    return [(left, top, right, bottom) for left, top, right, bottom in corners]


_SIDES = ("xmin", "ymin", "xmax", "ymax")


def _square_around(box: Box) -> Box:
    left, top, right, bottom = box
    side = round(_ROUND_A_CELL * max(right - left, bottom - top))
    x, y = (left + right - side) // 2, (top + bottom - side) // 2
    return x, y, x + side, y + side


def is_segmentation_wbc(path: Path) -> bool:
    """Tell whether ``path`` holds a set and its labels."""
    return any((path / f"Dataset {number}").is_dir() and _labels_of(path, number).is_file() for number in "12")


def segmentation_wbc(path: Path, datasets: Literal["1", "2", "both"]) -> Listed:
    """List the chosen sets. Raises ``DataError``."""
    made = []
    unknown: Counter[str] = Counter()
    for dataset in "12" if datasets == "both" else datasets:
        for number, label in _two_columns(_labels_of(path, dataset)):
            file = path / f"Dataset {dataset}" / f"{number:0>3}.bmp"
            if label not in _SEGMENTATION_WBC:
                unknown[f"label {label}"] += 1
            elif not (number.isdigit() and file.is_file()):
                unknown["no picture file"] += 1
            else:
                made.append(Picture(file, _SEGMENTATION_WBC[label]))
    return _listed(path, made, unknown, "`Dataset 1` with 001.bmp, ... and `Class Labels of Dataset 1.csv`")


def _labels_of(path: Path, dataset: str) -> Path:
    return path / f"Class Labels of Dataset {dataset}.csv"


def _two_columns(file: Path) -> Iterator[tuple[str, str]]:
    """Yield number and label; the second column is called `class label` in one file and `class` in the other."""
    for row in _rows(file, ("image ID",)):
        values = [value.strip() for value in row.values() if value is not None]
        if len(values) != 2:  # number and label
            raise DataError(
                f"{file}: a line has {len(values)} columns, not 2: {', '.join(values)}", "get the file again"
            )
        yield values[0], values[1]


def _rows(file: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, restkey="more", restval="")
            rows = [{str(key): str(value) for key, value in row.items()} for row in reader]
            names = reader.fieldnames or ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: cannot be read: {error}", "get the file again") from error
    missing = [column for column in columns if column not in names]
    if missing:
        raise DataError(f"{file}: has no column `{missing[0]}`; it has {', '.join(names) or 'none'}", "get it again")
    return rows


# --- what they share --------------------------------------------------------------------------------------------


def _known(
    place: Path, name: str, unknown: Counter[str], skipped: dict[Path, str], part: str | None = None
) -> list[Picture]:
    """Return the pictures of a class folder, or count them if ``name`` is none of the eight; note its other files."""
    found = scan(place)
    files = [file for file in found.images if file.is_file()]
    skipped |= found.skipped
    skipped |= {folder: f"cannot be read: {reason}" for folder, reason in found.unreadable.items()}
    skipped |= dict.fromkeys(set(found.images).difference(files), "a broken link")
    if name in CLASSES:
        return [Picture(file, name, part) for file in files]
    unknown[name] += len(files)
    return []


def _listed(
    path: Path,
    pictures: list[Picture],
    unknown: Counter[str],
    layout: str,
    skipped: Mapping[Path, str] | None = None,
) -> Listed:
    if unknown:
        told = ", ".join(f"{name} ({count})" for name, count in sorted(unknown.items()))
        _log.warning("%s: %d pictures left out, of no single class of the eight: %s", path, unknown.total(), told)
    if not pictures:
        raise DataError(f"{path}: no pictures as this set keeps them", f"expected: {layout}")
    return Listed(path, tuple(pictures), skipped or {})


def _folders(path: Path) -> list[Path]:
    """Return the folders in a folder; none where it cannot be read."""
    try:
        return subfolders(path)
    except OSError:
        return []


def _plain(name: str) -> str:
    """Return ``Test-A`` and ``TestA`` alike."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
