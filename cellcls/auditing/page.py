"""The page of an audit: a summary, and a list in which the user decides. A single file; needs no server or network."""

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

from cellcls.auditing.appearance import ClassAppearance
from cellcls.auditing.charts import MAX_SHIFTS, SWATCH_DENSITY, class_shares
from cellcls.auditing.dataset import SIZE, AuditedDataset
from cellcls.auditing.findings import KINDS, Finding
from cellcls.ops.curation.decisions import ACTIONS, COLUMNS
from cellcls.ops.storage.files import printable
from cellcls.ops.storage.skipped import count_skipped, skipped_in_words
from cellcls.recipe import differences
from cellcls.report.numbers import NOTHING, count, duration, percent, plain
from cellcls.report.page import Chart, Charts, CodeBlock, Fold, Page, Paragraph, Raw, Section, TableBlock, render

if TYPE_CHECKING:
    from cellcls.auditing.audit import Audit
    from cellcls.ops.curation.drift import Drift

_HERE = Path(__file__).parent
MAX_SHOWN = 12
"""Number of images shown of a finding at first; the rest is listed on request, without thumbnails."""
MAX_THUMBNAILS = 4000
"""Number of thumbnails in the page, about 12 MB: those of the most severe findings of each kind."""
_QUALITY = 82
MAX_SKIPPED = 500
"""Number of skipped files in the page."""


def render_audit(audit: Audit, drawn: Mapping[str, bytes]) -> str:
    """Return the page as HTML. Names and reasons, which come from files, are escaped."""
    data = audit.data
    sections = [
        Section(title="Findings", blocks=[_overview(audit)]),
        Section(title="Decide", blocks=list(_decide(audit))),
        Section(title="Use the decisions", blocks=list(_use(audit))),
        Section(title="Classes", blocks=list(_classes(audit, drawn))),
        Section(title="Colours and stains", blocks=list(_colours(audit, drawn))),
        Section(title="Comparison with the other set", blocks=list(_beside(audit, drawn))),
        Section(title="Skipped files", blocks=list(_skipped(audit.data))),
        Section(title="Method and timing", blocks=[_times(audit)]),
    ]
    page = Page(
        title=data.name,
        kind="cellcls audit",
        verdict=_verdict(audit),
        facts={
            "Images": count(len(data)),
            "Kept if suggestions are accepted": count(int(audit.kept.sum())),
            "Classes": count(len(data.classes)),
            "Data hash": data.hash[:12],
        },
        sections=[section for section in sections if section.blocks],
        style=(_HERE / "page.css").read_text(encoding="utf-8"),
        script=(_HERE / "page.js").read_text(encoding="utf-8"),
    )
    return render(page)


_HOW = (
    "Tick the images to drop, untick those to keep, and download `decisions.csv`. Images that are certain are ticked "
    "already: images under several labels, overrepresented images, and all but the first of exact copies. All others "
    "are for you to review."
)


def _decide(audit: Audit) -> Iterator[Any]:
    with_thumbnail = _with_thumbnail(audit.findings)
    without = sum(not with_thumbnail.issuperset(finding.images[:MAX_SHOWN]) for finding in audit.findings)
    limited = (
        f" {count(len(audit.findings) - without)} of these {count(len(audit.findings))} findings, the most severe of "
        "each kind, have thumbnails; all can be ticked, searched and downloaded."
    )
    yield Paragraph(text=_HOW + (limited if without else ""))
    yield Raw(html=_list(audit, with_thumbnail))


def _use(audit: Audit) -> Iterator[Any]:
    """Yield recipe sections that replay the decisions. The data hash matches only if unreadable files are skipped."""
    data = audit.data
    yield Paragraph(text="Add this to a recipe to replay the decisions, with `decisions.csv` in the same folder:")
    found = data.dataset.moved_to(Path(printable(data.path.resolve())))
    skip = _lines(differences(found, found.leniently())) if data.source.bad_images else []
    yield CodeBlock(
        lines=[
            "[dataset]",
            f'use = "{data.dataset.component_name}"',
            *_lines(differences(type(found).at(Path()), found)),
            *skip,
            "",
            "[[cleaners]]",
            'use = "decisions"',
            'file = "decisions.csv"',
        ]
    )
    if skip:
        yield Paragraph(
            text=f"{_files(len(data.source.bad_images))} cannot be read and are not in decisions.csv: "
            f"`{', '.join(skip)}` skips them."
        )


def _lines(settings: Mapping[str, str]) -> list[str]:
    return [f"{name} = {value}" for name, value in settings.items()]


def _files(number: int) -> str:
    return f"{count(number)} file{'s' if number != 1 else ''}"


def _verdict(audit: Audit) -> str:
    dropped = len(audit.data) - int(audit.kept.sum())
    if not audit.findings:
        skipped = audit.skipped_checks
        not_checked = f" Not checked: {', '.join(KINDS[kind].title.lower() for kind in skipped)}." if skipped else ""
        return f"No problems found in {count(len(audit.data))} image{'s' * (len(audit.data) != 1)}.{not_checked}"
    verdict = f"{count(dropped)} of {count(len(audit.data))} images should be dropped" if dropped else "Nothing to drop"
    to_review = sum(row.action == "review" for row in audit.rows)
    return f"{verdict}; {count(to_review)} more should be reviewed." if to_review else f"{verdict}."


def _overview(audit: Audit) -> TableBlock:
    return TableBlock(rows=[_overview_row(audit, kind) for kind in KINDS])


def _overview_row(audit: Audit, kind: str) -> dict[str, str]:
    title, why = KINDS[kind].title, audit.skipped_checks.get(kind)
    if why is not None:
        nothing = dict.fromkeys(("findings", "images", "to drop"), NOTHING)
        return {"finding": f"{title}: not checked: {why}", **nothing}
    findings = [finding for finding in audit.findings if finding.kind == kind]
    images = {index for finding in findings for index in finding.images}
    dropped = {index for finding in findings for index in finding.images if finding.action(index) == "drop"}
    return {
        "finding": f"{title}: {KINDS[kind].description}",
        "findings": count(len(findings)),
        "images": count(len(images)),
        "to drop": count(len(dropped)),
    }


# --- the list ---------------------------------------------------------------------------------------------------


def _list(audit: Audit, with_thumbnail: set[int]) -> Markup:
    loader = jinja2.FileSystemLoader(_HERE)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    data = _island(_data(audit, with_thumbnail))
    return Markup(environment.get_template("page.html.j2").render(data=data))  # escaped by jinja


def _island(data: Any) -> Markup:
    """Return data as JSON that is safe inside a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _data(audit: Audit, with_thumbnail: set[int]) -> dict[str, object]:
    data = audit.data
    return {
        "hash": data.hash,
        "count": len(data),
        "columns": COLUMNS,
        "actions": ACTIONS,
        "most": MAX_SHOWN,
        "classes": list(data.classes),
        "kinds": {name: kind.title for name, kind in KINDS.items()},
        "findings": [
            {
                "kind": finding.kind,
                "reason": finding.reason,
                "file": finding.file,
                "images": finding.images,
                "others": finding.others[:2],
            }
            for finding in audit.findings
        ],
        "rows": list(_rows(audit)),
        "thumbs": dict(_thumbs(data, sorted(with_thumbnail))),
        "others": _others(audit, with_thumbnail),
    }


def _with_thumbnail(findings: Sequence[Finding]) -> set[int]:
    """Return the images that get a thumbnail: the most severe findings of each kind in turn, up to the maximum."""
    ranks: Counter[str] = Counter()
    order: list[tuple[int, int]] = []
    for place, finding in enumerate(findings):
        order.append((ranks[finding.kind], place))
        ranks[finding.kind] += 1
    chosen: set[int] = set()
    for _, place in sorted(order):
        more = chosen.union(findings[place].images[:MAX_SHOWN])
        if len(more) > MAX_THUMBNAILS:
            break
        chosen = more
    return chosen


def _rows(audit: Audit) -> Iterator[tuple[int, str, str, int, str, int, str]]:
    """Yield each decision as index, file, hash, number of its finding, action, class, part."""
    places = {
        (index, finding.kind, finding.reason): place
        for place, finding in enumerate(audit.findings)
        for index in finding.images
    }
    for row in audit.rows:
        place = places[row.index, row.finding, row.reason]
        label = int(audit.data.labels[row.index])
        yield row.index, row.file, row.hash, place, row.action, label, audit.data.part(row.index)


def _others(audit: Audit, with_thumbnail: set[int]) -> dict[int, tuple[str, str]]:
    """Return name and thumbnail ("" for none) of images of the other data set, by index."""
    other = audit.other
    if other is None:
        return {}
    shown = {index: finding for finding in audit.findings for index in finding.others[:2]}
    visible = sorted(index for index, finding in shown.items() if with_thumbnail.issuperset(finding.images[:1]))
    thumbs = dict(_thumbs(other, visible))
    return {
        index: (f"{other.file(index) or index}, {other.class_name(index)}", thumbs.get(index, "")) for index in shown
    }


def _thumbs(data: AuditedDataset, indices: list[int]) -> Iterator[tuple[int, str]]:
    """Yield index and thumbnail of images, as base64-encoded JPEG of at most 96 pixels per side."""
    for start in range(0, len(indices), 64):
        chosen = indices[start : start + 64]
        for index, image in zip(chosen, data.source.read(np.array(chosen, dtype=np.intp)), strict=True):
            thumbnail = Image.fromarray(image)
            thumbnail.thumbnail((SIZE, SIZE))
            buffer = io.BytesIO()
            thumbnail.save(buffer, "JPEG", quality=_QUALITY)
            yield index, base64.b64encode(buffer.getvalue()).decode()


# --- the set ----------------------------------------------------------------------------------------------------


def _classes(audit: Audit, drawn: Mapping[str, bytes]) -> Iterator[Any]:
    data = audit.data
    before = np.bincount(data.labels, minlength=len(data.classes))
    after = np.bincount(data.labels[audit.kept], minlength=len(data.classes))
    rows = [
        {
            "class": plain(name),
            "images": count(int(before[number])),
            "kept": count(int(after[number])),
            "share of the kept": percent(after[number] / max(after.sum(), 1)),
        }
        for number, name in enumerate(data.classes)
    ]
    present = after[after > 0]
    ratio = (
        f"The largest class has {present.max() / present.min():.1f} times as many images as the smallest."
        if len(present)
        else ""
    )
    yield TableBlock(rows=rows, note=ratio)
    yield from _charts(drawn, "classes.png", "mean_cells.png")
    yield from _charts(drawn, "samples.png")


_CHARTS = {
    "classes.png": ("Images of each class before and after", "Images of each class, before and after dropping."),
    "mean_cells.png": ("Mean image of each class", "The mean of up to 200 images of each class."),
    "samples.png": ("Sample images of each class", "Sample images of each class, evenly spaced over the data set."),
    "colours.png": ("Mean red, green and blue of each class", "Colour of each class and part."),
    "stains.png": (
        "The two stains of each class as colours and as optical densities",
        f"Stains of each class and part: the colour white light takes on at an optical density of {SWATCH_DENSITY}, "
        "and its absorption of red, green and blue.",
    ),
    "drift.png": (
        "Largest effects, and the class distributions of both sets",
        "The largest differences between the sets, and their class distributions. Bars are clipped at 5.",
    ),
}
"""Alternative text and caption of each figure."""
_PHOTOS = ("mean_cells.png", "samples.png", "stains.png")


def _charts(drawn: Mapping[str, bytes], *names: str) -> Iterator[Charts]:
    shown = [name for name in names if name in drawn]
    if shown:
        yield Charts(charts=[_chart(name, drawn[name]) for name in shown])


def _chart(name: str, png: bytes) -> Chart:
    plain_name = name.removeprefix("other_")
    alt, caption = _CHARTS[plain_name]
    return Chart(png=png, alt=alt, caption=caption, photos=plain_name in _PHOTOS)


def _colours(audit: Audit, drawn: Mapping[str, bytes]) -> Iterator[Any]:
    if audit.appearance.rows:
        yield TableBlock(rows=[_look(row) for row in audit.appearance.rows], note=_STAINS)
        yield from _charts(drawn, "colours.png", "stains.png")


_STAINS = (
    "Colours in 0 to 1, mean and standard deviation between images (up to 200 a row). Stains are directions of optical "
    "density in red, green, blue, estimated from the images themselves (Macenko et al. 2009)."
)


def _look(row: ClassAppearance) -> dict[str, str]:
    colours = {
        name: f"{mean:.3f} ± {spread:.3f}"
        for name, mean, spread in zip(("red", "green", "blue"), row.mean, row.spread, strict=True)
    }
    stains = [" ".join(f"{value:.2f}" for value in stain) for stain in row.stains] or [NOTHING]
    part = {"part": row.part or "all"}
    return {"class": plain(row.name), **part, **colours, "first stain": stains[0], "second stain": stains[-1]}


def _beside(audit: Audit, drawn: Mapping[str, bytes]) -> Iterator[Any]:
    if audit.other is None or audit.drift is None or audit.other_appearance is None:
        return
    name = audit.other.name
    yield Paragraph(text=_two_sample_test(audit.data.name, name, audit.drift))
    if audit.other.source.bad_images:
        yield Paragraph(
            text=f"{_files(len(audit.other.source.bad_images))} of `{name}` cannot be read and are skipped."
        )
        rows = [{"file": bad.name, "reason": bad.reason} for bad in audit.other.source.bad_images]
        yield Fold(title=f"Unreadable files of {name}", blocks=[TableBlock(rows=rows)])
    rows = [
        {
            "statistic": plain(shift.name),
            "this set": f"{shift.ours:.3f}",
            "other set": f"{shift.theirs:.3f}",
            "effect (Cohen's d)": f"{shift.effect:+.2f}",
        }
        for shift in audit.drift.shifts[:MAX_SHIFTS]
    ]
    yield TableBlock(rows=rows, note="The twelve largest effects; d = 0.2 is commonly called small, 0.8 large.")
    yield from _charts(drawn, "drift.png", "other_mean_cells.png")
    shares = [
        {"class": plain(class_name), "this set": percent(ours), "other set": percent(theirs)}
        for class_name, (ours, theirs) in class_shares(audit.data, audit.other).items()
    ]
    yield TableBlock(rows=shares, note="Share of the images of each set.")
    yield TableBlock(rows=[_look(row) for row in audit.other_appearance.rows], note=f"Colours and stains of {name}.")
    yield from _charts(drawn, "other_colours.png", "other_stains.png")


def _two_sample_test(ours: str, theirs: str, drift: Drift) -> str:
    """Return the result of the classifier two-sample test in words."""
    if drift.auc is None or drift.low is None or drift.high is None:
        return f"`{ours}` and `{theirs}`: too few images to test whether a classifier can distinguish the sets."
    result = "cannot distinguish" if drift.low <= 0.5 <= drift.high else "can distinguish"
    return (
        f"A classifier {result} images of `{ours}` and `{theirs}` by colour and texture: area under the ROC curve "
        f"{drift.auc:.3f} [{drift.low:.3f}, {drift.high:.3f}], where 0.5 is chance. In large sets, small differences "
        "are enough for that; the effects below show how large they are."
    )


def _skipped(data: AuditedDataset) -> Iterator[Any]:
    """List the files in the folder that are no images of the set."""
    files = data.source.skipped_files
    if not files:
        return
    told = skipped_in_words(count_skipped((skipped.name, skipped.reason) for skipped in files))
    yield Paragraph(text=f"{told}.")
    more = f"The first {count(MAX_SKIPPED)}; all are in `audit.json`." if len(files) > MAX_SKIPPED else ""
    rows = [{"file": skipped.name, "reason": skipped.reason} for skipped in files[:MAX_SKIPPED]]
    yield Fold(title="All of them", blocks=[TableBlock(rows=rows, note=more)])


def _times(audit: Audit) -> TableBlock:
    rows = [{"step": plain(name), "time": duration(value)} for name, value in audit.seconds.items()]
    return TableBlock(
        rows=rows,
        note=f"Distances and label predictions are based on {audit.features}. Near copies: similarity of at least "
        f"{audit.settings.similarity:g}; far away: from {audit.settings.max_distance:g} robust standard deviations.",
    )
