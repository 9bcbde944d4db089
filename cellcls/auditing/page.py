"""The audit's page: what was found, and a list in which a person decides; one file, no server, no network."""

from __future__ import annotations

import base64
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from cellcls.auditing.charts import MOST_SHIFTS, SWATCH_DENSITY, class_shares
from cellcls.auditing.findings import KINDS, Finding
from cellcls.auditing.pictures import Look
from cellcls.auditing.subject import SIZE, Subject
from cellcls.ops.curation.decisions import ACTIONS, COLUMNS
from cellcls.ops.storage.files import printable
from cellcls.report.numbers import NOTHING, count, duration, percent, plain
from cellcls.report.page import Chart, Charts, Commands, Fold, Page, Raw, Section, Table, Text, render

if TYPE_CHECKING:
    from cellcls.auditing.record import Audit
    from cellcls.ops.curation.drift import Drift

_HERE = Path(__file__).parent
MOST_SHOWN = 12
"""Images shown of one finding at first; the rest is listed, without pictures, where a person asks for it."""
MOST_PICTURED = 4000
"""Images that have a thumbnail in the page, about 12 MB; those of the gravest findings of each kind."""
_QUALITY = 82


def render_audit(made: Audit, drawn: Mapping[str, bytes]) -> str:
    """Return the page as HTML. Names and reasons, which come from files, are escaped."""
    subject = made.subject
    sections = [
        Section(title="What was found", blocks=[_overview(made)]),
        Section(title="Decide", blocks=list(_decide(made))),
        Section(title="Use the decisions", blocks=list(_use(made))),
        Section(title="Classes", blocks=list(_classes(made, drawn))),
        Section(title="Colours and stains", blocks=list(_colours(made, drawn))),
        Section(title="Beside the other set", blocks=list(_beside(made, drawn))),
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


def _decide(made: Audit) -> Iterator[Any]:
    pictured = _pictured(made.findings)
    without = sum(not pictured.issuperset(one.images[:MOST_SHOWN]) for one in made.findings)
    few = (
        f" {count(len(made.findings) - without)} of these {count(len(made.findings))} findings, the gravest of each "
        "kind, have pictures; all can be ticked, searched and downloaded."
    )
    yield Text(text=_HOW + (few if without else ""))
    yield Raw(html=_list(made, pictured))


def _use(made: Audit) -> Iterator[Any]:
    """Say it as the part of a recipe that it is; a set with unreadable files is another set unless they are skipped."""
    subject = made.subject
    yield Text(text="The part of a recipe that leaves out what was decided, with `decisions.csv` beside it:")
    skip = ['on_bad_image = "skip"'] if subject.source.bad_images else []
    yield Commands(
        lines=[
            "[dataset]",
            f'use = "{subject.dataset.component_name}"',
            f"file = {json.dumps(printable(subject.path.resolve()), ensure_ascii=False)}",
            *skip,
            "",
            "[[cleaners]]",
            'use = "decisions"',
            'file = "decisions.csv"',
        ]
    )
    if skip:
        yield Text(
            text=f"{_files(len(subject.source.bad_images))} cannot be read and are not in the file of decisions: "
            '`on_bad_image = "skip"` leaves them out.'
        )


def _files(number: int) -> str:
    return f"{count(number)} file{'s' if number != 1 else ''}"


def _verdict(made: Audit) -> str:
    gone = len(made.subject) - int(made.kept.sum())
    if not made.findings:
        unknown = made.not_looked_for
        not_said = f" Not looked for: {', '.join(KINDS[kind].title.lower() for kind in unknown)}." if unknown else ""
        return f"Nothing was found wrong in {count(len(made.subject))} image{'s' * (len(made.subject) != 1)}.{not_said}"
    sure = f"{count(gone)} of {count(len(made.subject))} images should go" if gone else "No image must go"
    open_ones = sum(row.action == "look" for row in made.rows)
    return f"{sure}; {count(open_ones)} more are worth a look." if open_ones else f"{sure}."


def _overview(made: Audit) -> Table:
    return Table(rows=[_overview_row(made, kind) for kind in KINDS])


def _overview_row(made: Audit, kind: str) -> dict[str, str]:
    title, why = KINDS[kind].title, made.not_looked_for.get(kind)
    if why is not None:
        nothing = dict.fromkeys(("findings", "images", "to drop"), NOTHING)
        return {"finding": f"{title}: not looked for: {why}", **nothing}
    found = [one for one in made.findings if one.kind == kind]
    images = {index for one in found for index in one.images}
    dropped = {index for one in found for index in one.images if one.action(index) == "drop"}
    return {
        "finding": f"{title}: {KINDS[kind].what}",
        "findings": count(len(found)),
        "images": count(len(images)),
        "to drop": count(len(dropped)),
    }


# --- the list ---------------------------------------------------------------------------------------------------


def _list(made: Audit, pictured: set[int]) -> Markup:
    loader = jinja2.FileSystemLoader(_HERE)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    data = _island(_data(made, pictured))
    return Markup(environment.get_template("page.html.j2").render(data=data))  # escaped by jinja


def _island(data: Any) -> Markup:
    """Return data as JSON that cannot end the element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _data(made: Audit, pictured: set[int]) -> dict[str, Any]:
    subject = made.subject
    return {
        "hash": subject.hash,
        "count": len(subject),
        "columns": COLUMNS,
        "actions": ACTIONS,
        "most": MOST_SHOWN,
        "classes": list(subject.classes),
        "kinds": {name: kind.title for name, kind in KINDS.items()},
        "findings": [
            {"kind": one.kind, "reason": one.reason, "file": one.file, "images": one.images, "others": one.others[:2]}
            for one in made.findings
        ],
        "rows": list(_rows(made)),
        "thumbs": dict(_thumbs(subject, sorted(pictured))),
        "others": _others(made, pictured),
    }


def _pictured(found: Sequence[Finding]) -> set[int]:
    """Return the images that get a thumbnail: the gravest findings of each kind in turn, until they are enough."""
    ranks: Counter[str] = Counter()
    order: list[tuple[int, int]] = []
    for place, one in enumerate(found):
        order.append((ranks[one.kind], place))
        ranks[one.kind] += 1
    chosen: set[int] = set()
    for _, place in sorted(order):
        more = chosen.union(found[place].images[:MOST_SHOWN])
        if len(more) > MOST_PICTURED:
            break
        chosen = more
    return chosen


def _rows(made: Audit) -> Iterator[tuple[int, str, str, int, str, int, str]]:
    """Yield each decision as index, file, hash, place of its finding, action, class, part."""
    places = {(index, one.kind, one.reason): place for place, one in enumerate(made.findings) for index in one.images}
    for row in made.rows:
        place = places[row.index, row.finding, row.reason]
        label = int(made.subject.labels[row.index])
        yield row.index, row.file, row.hash, place, row.action, label, made.subject.part(row.index)


def _others(made: Audit, pictured: set[int]) -> dict[int, tuple[str, str]]:
    """Return name and thumbnail of pictures of the other set, by their place in it; of some only the name."""
    other = made.other
    if other is None:
        return {}
    shown = {index: one for one in made.findings for index in one.others[:2]}
    thumbs = dict(_thumbs(other, sorted(index for index, one in shown.items() if pictured.issuperset(one.images[:1]))))
    return {
        index: (f"{other.file(index) or index}, {other.class_name(index)}", thumbs.get(index, "")) for index in shown
    }


def _thumbs(subject: Subject, indices: list[int]) -> Iterator[tuple[int, str]]:
    """Yield images by their place, as JPEG in base64, at most 96 pixels a side."""
    for start in range(0, len(indices), 64):
        chosen = indices[start : start + 64]
        for index, image in zip(chosen, subject.source.read(np.array(chosen, dtype=np.intp)), strict=True):
            picture = Image.fromarray(image)
            picture.thumbnail((SIZE, SIZE))
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=_QUALITY)
            yield index, base64.b64encode(buffer.getvalue()).decode()


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
    yield from _charts(drawn, "classes.png", "mean_cells.png")
    yield from _charts(drawn, "samples.png")


_CHARTS = {
    "classes.png": ("Images of each class before and after", "Images of each class, before and after dropping."),
    "mean_cells.png": ("Mean image of each class", "The mean of up to 200 images of each class."),
    "samples.png": ("Some images of each class", "Images of each class, evenly spread over the set."),
    "colours.png": ("Mean red, green and blue of each class", "Colour of each class and part."),
    "stains.png": (
        "The two stains of each class as colours and as optical densities",
        f"Stains of each class and part: the colour white light takes on at an optical density of {SWATCH_DENSITY}, "
        "and what the stain takes out of red, green and blue.",
    ),
    "drift.png": (
        "Largest effects, and the classes' shares in both sets",
        "What differs most between the sets, and how their classes are distributed. Bars end at 5.",
    ),
}
"""Of each figure a text for who cannot see it, and its caption."""
_PHOTOS = ("mean_cells.png", "samples.png", "stains.png")


def _charts(drawn: Mapping[str, bytes], *names: str) -> Iterator[Charts]:
    shown = [name for name in names if name in drawn]
    if shown:
        yield Charts(charts=[_chart(name, drawn[name]) for name in shown])


def _chart(name: str, png: bytes) -> Chart:
    plain_name = name.removeprefix("other_")
    alt, caption = _CHARTS[plain_name]
    return Chart(png=png, alt=alt, caption=caption, photos=plain_name in _PHOTOS)


def _colours(made: Audit, drawn: Mapping[str, bytes]) -> Iterator[Any]:
    if made.looks.rows:
        yield Table(rows=[_look(row) for row in made.looks.rows], note=_STAINS)
        yield from _charts(drawn, "colours.png", "stains.png")


_STAINS = (
    "Colours in 0 to 1, mean and standard deviation between images (up to 200 a row). Stains are directions of optical "
    "density in red, green, blue, estimated from the images themselves (Macenko et al. 2009)."
)


def _look(row: Look) -> dict[str, str]:
    colours = {
        name: f"{mean:.3f} ± {spread:.3f}"
        for name, mean, spread in zip(("red", "green", "blue"), row.mean, row.spread, strict=True)
    }
    stains = [" ".join(f"{value:.2f}" for value in stain) for stain in row.stains] or [NOTHING]
    part = {"part": row.part or "all"}
    return {"class": plain(row.name), **part, **colours, "first stain": stains[0], "second stain": stains[-1]}


def _beside(made: Audit, drawn: Mapping[str, bytes]) -> Iterator[Any]:
    if made.other is None or made.drift is None or made.other_looks is None:
        return
    name = made.other.name
    yield Text(text=_told(made.subject.name, name, made.drift))
    if made.other.source.bad_images:
        yield Text(text=f"{_files(len(made.other.source.bad_images))} of `{name}` cannot be read and are left out.")
        rows = [{"file": bad.name, "reason": bad.reason} for bad in made.other.source.bad_images]
        yield Fold(title=f"Unreadable files of {name}", blocks=[Table(rows=rows)])
    rows = [
        {
            "statistic": plain(one.name),
            "this set": f"{one.ours:.3f}",
            "other set": f"{one.theirs:.3f}",
            "effect (Cohen's d)": f"{one.effect:+.2f}",
        }
        for one in made.drift.shifts[:MOST_SHIFTS]
    ]
    yield Table(rows=rows, note="The twelve largest effects; a d of 0.2 counts as small, 0.8 as large.")
    yield from _charts(drawn, "drift.png", "other_mean_cells.png")
    shares = [
        {"class": plain(one), "this set": percent(ours), "other set": percent(theirs)}
        for one, (ours, theirs) in class_shares(made.subject, made.other).items()
    ]
    yield Table(rows=shares, note="Share of each set's images.")
    yield Table(rows=[_look(row) for row in made.other_looks.rows], note=f"Colours and stains of {name}.")
    yield from _charts(drawn, "other_colours.png", "other_stains.png")


def _told(ours: str, theirs: str, found: Drift) -> str:
    """Say whether the sets can be told apart."""
    if found.auc is None or found.low is None or found.high is None:
        return f"Images of `{ours}` and `{theirs}`: too few images to tell whether they can be told from each other."
    apart = "cannot be told apart" if found.low <= 0.5 <= found.high else "can be told apart"
    return (
        f"Images of `{ours}` and `{theirs}` {apart} by colour and texture: area under the curve {found.auc:.3f} "
        f"[{found.low:.3f}, {found.high:.3f}], where 0.5 is chance. Small differences suffice for that in large sets; "
        "the effects below tell how large they are."
    )


def _times(made: Audit) -> Table:
    rows = [{"step": plain(name), "time": duration(value)} for name, value in made.seconds.items()]
    return Table(
        rows=rows,
        note=f"Distances and labels were judged by: {made.features}. Near copies from a similarity of "
        f"{made.settings.similarity:g} on, far away from {made.settings.far:g} robust standard deviations on.",
    )
