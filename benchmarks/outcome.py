"""What a benchmark of the audit ends with: goals beside what was measured, and tables; for people, or as JSON for
``tools/audit_results_page.py``."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from typing import Any

import attrs


@attrs.frozen
class Goal:
    """Something wanted, and what became of it."""

    what: str
    wanted: str
    measured: str
    met: bool


@attrs.frozen
class Table:
    """Rows of text under one set of headings."""

    title: str
    rows: Sequence[dict[str, str]]
    note: str = ""


def at_least(what: str, wanted: float, measured: float) -> Goal:
    return Goal(what, f"at least {wanted:g}", f"{measured:.3f}", bool(measured >= wanted))


def below(what: str, wanted: float, measured: float, unit: str) -> Goal:
    return Goal(what, f"below {wanted:g} {unit}", f"{measured:.2f} {unit}", bool(measured < wanted))


def finish(name: str, measured: Any, goals: Sequence[Goal], tables: Sequence[Table], *, as_json: bool) -> int:
    """Print all of it; return 1 where a goal is missed."""
    if as_json:
        machine = {
            "cores": len(os.sched_getaffinity(0)),
            "processor": _processor(),
            "python": platform.python_version(),
        }
        parts = {"goals": [attrs.asdict(one) for one in goals], "tables": [attrs.asdict(one) for one in tables]}
        print(json.dumps({"benchmark": name, "machine": machine, **parts, "measured": measured}, indent=1))
    else:
        rows = [
            {"goal": one.what, "wanted": one.wanted, "measured": one.measured, "met": "yes" if one.met else "MISSED"}
            for one in goals
        ]
        for table in (*tables, Table("Goals", rows)):
            _print(table)
    for one in goals:
        if not one.met:
            print(f"missed: {one.what}: wanted {one.wanted}, measured {one.measured}", file=sys.stderr)
    return int(not all(one.met for one in goals))


def _print(table: Table) -> None:
    print(f"\n{table.title}")
    if not table.rows:
        return
    heads = list(table.rows[0])
    widths = [max(len(head), *(len(row[head]) for row in table.rows)) for head in heads]
    for cells in (heads, *([row[head] for head in heads] for row in table.rows)):
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    if table.note:
        print(table.note)


def _processor() -> str:
    """Return the processor's name as Linux has it, else the machine's sort."""
    try:
        with open("/proc/cpuinfo") as file:  # noqa: PTH123 - a file of the system's
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
