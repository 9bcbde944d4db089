"""Writes the results of an audit: page, record, decisions and figures."""

from __future__ import annotations

from pathlib import Path

import attrs

from cellcls.auditing import comparison
from cellcls.auditing.audit import Audit, Clock
from cellcls.auditing.charts import draw
from cellcls.auditing.dataset import AuditedDataset
from cellcls.auditing.findings import Finding
from cellcls.auditing.page import render_audit
from cellcls.ops.curation.decisions import write_decisions
from cellcls.ops.storage.files import printable, write_bytes, write_json, write_text

PAGE, RECORD, DECISIONS, FIGURES = "audit.html", "audit.json", "decisions.csv", "figures"
"""Names in the folder of an audit."""


def write(audit: Audit, folder: Path) -> Path:
    """Write page, record, decisions and figures into ``folder``; return the page. Raises ``WriteError``."""
    clock = Clock()
    with clock.step("figures"):
        figures = draw(audit)
        for name, png in figures.items():
            write_bytes(folder / FIGURES / name, png)
    with clock.step("page"):
        write_text(folder / PAGE, render_audit(audit, figures))
    audit.seconds.update(clock.seconds)
    write_text(folder / DECISIONS, write_decisions(audit.data.hash, len(audit.data), audit.rows))
    write_json(folder / RECORD, to_json_data(audit))
    return folder / PAGE


def to_json_data(audit: Audit) -> dict[str, object]:
    """Return the content of ``audit.json``."""
    data = audit.data
    return {
        "data": printable(data.path),
        "hash": data.hash,
        "images": len(data),
        "classes": list(data.classes),
        "kept": int(audit.kept.sum()),
        "counts": audit.counts(),
        "skipped_checks": audit.skipped_checks,
        "features": audit.features,
        "settings": attrs.asdict(audit.settings),
        "seconds": {name: round(value, 3) for name, value in audit.seconds.items()},
        "skipped_files": [attrs.asdict(skipped) for skipped in data.source.skipped_files],
        "findings": [_finding(data, finding) for finding in audit.findings],
        "appearance": [attrs.asdict(row) for row in audit.appearance.rows],
        "stains": attrs.asdict(audit.appearance.stains) if audit.appearance.stains else None,
        "against": _against(audit),
    }


def _against(audit: Audit) -> dict[str, object] | None:
    if audit.other is None or audit.drift is None or audit.other_appearance is None:
        return None
    appearance = [attrs.asdict(row) for row in audit.other_appearance.rows]
    return {**comparison.to_json_data(audit.other, audit.drift), "appearance": appearance}


def _finding(data: AuditedDataset, finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind,
        "score": round(finding.score, 6),
        "reason": finding.reason,
        "rule": finding.rule or None,
        "likely": finding.likely or None,
        "file": finding.file or None,
        "images": [
            {
                "index": index,
                "file": data.file(index) or None,
                "hash": data.survey.hashes[index],
                "class": data.class_name(index),
                "part": data.part(index) or None,
                "action": finding.action(index),
            }
            for index in finding.images
        ],
        "others": list(finding.others),
    }
