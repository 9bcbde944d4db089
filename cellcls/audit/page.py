"""The audit's page: what was found, and a list in which a person decides; one file, no server, no network."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from cellcls.audit.findings import KINDS, Finding
from cellcls.audit.pictures import Look
from cellcls.audit.subject import SIZE, Subject
from cellcls.ops.decisions import COLUMNS
from cellcls.report.numbers import count, duration, percent, plain
from cellcls.report.page import Chart, Charts, Commands, Page, Raw, Section, Table, Text, render

if TYPE_CHECKING:
    from cellcls.audit.record import Audit

_HERE = Path(__file__).parent
MOST_SHOWN = 12
"""Images shown of one finding; all of them can be ticked together."""
MOST_PICTURED = 400
"""Findings of one kind that are listed with pictures; the gravest. All are in ``audit.json``."""
_QUALITY = 82


def render_audit(made: Audit, drawn: Mapping[str, bytes]) -> str:
    """Return the page as HTML. Names and reasons, which come from files, are escaped."""
    subject = made.subject
    sections = [
        Section(title="What was found", blocks=[_overview(made)]),
        Section(title="Decide", blocks=[Text(text=_HOW), Raw(html=_list(made))]),
        Section(title="Use the decisions", blocks=[Commands(lines=_USE)]),
        Section(title="Classes", blocks=list(_classes(made, drawn))),
        Section(title="Colours and stains", blocks=list(_colours(made, drawn))),
        Section(title="Beside the other set", blocks=list(_beside(made))),
        Section(title="How it was looked at", blocks=[_times(made)]),
    ]
    page = Page(
        title=subject.name,
        kind="cellcls audit",
        verdict=_verdict(made),
        facts={
            "Images": count(len(subject)),
            "Kept by the suggestions": count(int(made.kept.sum())),
            "Classes": count(len(subject.classes)),
            "Data hash": subject.hash[:12],
        },
        sections=[section for section in sections if section.blocks],
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        script=(_HERE / "page.js").read_text(encoding="utf-8"),
    )
    return render(page)


_HOW = (
    "Tick what should go, untick what should stay, and download `decisions.csv`. What is ticked already is certain: "
    "pictures under several labels, pictures repeated far above the rest, all but the first of exact copies. All else "
    "is for you to look at."
)
_USE = [
    "# in a recipe, instead of other cleaners; the file is looked for beside the recipe",
    "[[cleaners]]",
    'use = "decisions"',
    'file = "decisions.csv"',
]


def _verdict(made: Audit) -> str:
    gone = len(made.subject) - int(made.kept.sum())
    if not made.findings:
        return f"Nothing was found wrong with these {count(len(made.subject))} images."
    sure = f"{count(gone)} of {count(len(made.subject))} images should go" if gone else "No image must go"
    open_ones = sum(row.action == "look" for row in made.rows)
    return f"{sure}; {count(open_ones)} more are worth a look." if open_ones else f"{sure}."


def _overview(made: Audit) -> Table:
    rows = []
    for kind, number in made.counts().items():
        found = [one for one in made.findings if one.kind == kind]
        images = {index for one in found for index in one.images}
        dropped = sum(one.action(index) == "drop" for one in found for index in one.images)
        rows.append(
            {
                "finding": f"{KINDS[kind].title}: {KINDS[kind].what}",
                "findings": count(number),
                "images": count(len(images)),
                "to drop": count(dropped),
            }
        )
    return Table(rows=rows)


# --- the list ---------------------------------------------------------------------------------------------------


def _list(made: Audit) -> Markup:
    loader = jinja2.FileSystemLoader(_HERE)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return Markup(environment.get_template("page.html.j2").render(data=_island(_data(made))))  # escaped by jinja


def _island(data: Any) -> Markup:
    """Return data as JSON that cannot end the element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _data(made: Audit) -> dict[str, Any]:
    subject = made.subject
    listed = list(_listed(made.findings))
    pictured = sorted({index for one in listed for index in one.images[:MOST_SHOWN]})
    return {
        "hash": subject.hash,
        "count": len(subject),
        "columns": COLUMNS,
        "most": MOST_SHOWN,
        "classes": list(subject.classes),
        "kinds": {name: kind.title for name, kind in KINDS.items()},
        "findings": [_finding(made, one) for one in listed],
        "rows": {
            row.index: [
                row.file,
                row.hash,
                row.finding,
                row.reason,
                row.action,
                subject.class_name(row.index),
                subject.part(row.index),
            ]
            for row in made.rows
        },
        "thumbs": dict(zip(pictured, _thumbs(subject, pictured), strict=True)),
    }


def _listed(found: tuple[Finding, ...]) -> Iterator[Finding]:
    """Yield the gravest findings of each kind."""
    seen: dict[str, int] = {}
    for one in found:
        seen[one.kind] = seen.get(one.kind, 0) + 1
        if seen[one.kind] <= MOST_PICTURED:
            yield one


def _finding(made: Audit, one: Finding) -> dict[str, Any]:
    others = one.others[:2] if made.other else ()
    return {
        "kind": one.kind,
        "reason": one.reason,
        "file": one.file,
        "images": list(one.images),
        "others": [
            {"name": f"{made.other.file(index) or index}, {made.other.class_name(index)}", "thumb": thumb}
            for index, thumb in zip(others, _thumbs(made.other, list(others)), strict=True)
        ]
        if made.other
        else [],
    }


def _thumbs(subject: Subject, indices: list[int]) -> Iterator[str]:
    """Yield images as JPEG in base64, at most 96 pixels a side."""
    for start in range(0, len(indices), 64):
        for image in subject.source.read(np.array(indices[start : start + 64], dtype=np.intp)):
            picture = Image.fromarray(image)
            picture.thumbnail((SIZE, SIZE))
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=_QUALITY)
            yield base64.b64encode(buffer.getvalue()).decode()


# --- the set ----------------------------------------------------------------------------------------------------


def _classes(made: Audit, drawn: Mapping[str, bytes]) -> Iterator[Any]:
    subject = made.subject
    before = np.bincount(subject.labels, minlength=len(subject.classes))
    after = np.bincount(subject.labels[made.kept], minlength=len(subject.classes))
    rows = [
        {
            "class": plain(name),
            "images": count(int(before[number])),
            "kept": count(int(after[number])),
            "share of the kept": percent(after[number] / max(after.sum(), 1)),
        }
        for number, name in enumerate(subject.classes)
    ]
    there = after[after > 0]
    ratio = (
        f"The largest class has {there.max() / there.min():.1f} times the images of the smallest." if len(there) else ""
    )
    yield Table(rows=rows, note=ratio)
    charts = [
        Chart(png=drawn[name], alt=alt, caption=caption)
        for name, alt, caption in (
            (
                "classes.png",
                "Images of each class before and after",
                "Images of each class, before and after dropping.",
            ),
            ("mean_cells.png", "Mean image of each class", "The mean of up to 200 images of each class."),
            ("samples.png", "Some images of each class", "Images of each class, evenly spread over the set."),
        )
        if name in drawn
    ]
    yield Charts(charts=charts[:2])
    yield Charts(charts=charts[2:])


def _colours(made: Audit, drawn: Mapping[str, bytes]) -> Iterator[Any]:
    if not made.looks.rows:
        return
    yield Table(rows=[_look(row) for row in made.looks.rows], note=_STAINS)
    if "colours.png" in drawn:
        alt = "Mean red, green and blue of each class"
        yield Charts(charts=[Chart(png=drawn["colours.png"], alt=alt, caption="Colour of each class and part.")])


_STAINS = (
    "Colours in 0 to 1, mean and standard deviation between images (up to 200 a row). Stains are directions of optical "
    "density in red, green, blue, estimated from the images themselves (Macenko et al. 2009)."
)


def _look(row: Look) -> dict[str, str]:
    colours = {
        name: f"{mean:.3f} ± {spread:.3f}"
        for name, mean, spread in zip(("red", "green", "blue"), row.mean, row.spread, strict=True)
    }
    stains = [" ".join(f"{value:.2f}" for value in stain) for stain in row.stains] or ["–", "–"]
    part = {"part": row.part or "all"}
    return {"class": plain(row.name), **part, **colours, "first stain": stains[0], "second stain": stains[-1]}


def _beside(made: Audit) -> Iterator[Any]:
    if made.other is None or made.drift is None:
        return
    found = made.drift
    apart = "cannot be told apart" if found.low <= 0.5 <= found.high else "can be told apart"
    yield Text(
        text=f"Images of `{made.subject.name}` and `{made.other.name}` {apart} by colour and texture: area under the "
        f"curve {found.auc:.3f} [{found.low:.3f}, {found.high:.3f}], where 0.5 is chance. Small differences suffice "
        "for that in large sets; the effects below tell how large they are."
    )
    rows = [
        {
            "statistic": plain(one.name),
            made.subject.name: f"{one.ours:.3f}",
            f"{made.other.name} ": f"{one.theirs:.3f}",
            "effect (Cohen's d)": f"{one.effect:+.2f}",
        }
        for one in found.shifts[:12]
    ]
    yield Table(rows=rows, note="The twelve largest effects; a d of 0.2 counts as small, 0.8 as large.")


def _times(made: Audit) -> Table:
    rows = [{"step": plain(name), "time": duration(value)} for name, value in made.seconds.items()]
    return Table(rows=rows, note=f"Distances and labels were judged by: {made.features}.")
