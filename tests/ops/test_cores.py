from __future__ import annotations

import os

import pytest

from cellcls.ops.processes.cores import cores, free_cores


@pytest.mark.parametrize(("busy", "free"), [(0.0, 8), (0.6, 7), (5.2, 3), (40.0, 1)])
def test_busy_cores_are_not_free(monkeypatch: pytest.MonkeyPatch, busy: float, free: int) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(8)), raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (busy, 0.0, 0.0), raising=False)
    assert free_cores() == free


def test_no_more_are_free_than_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {2, 5}, raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0), raising=False)
    assert free_cores() == 2


def test_all_are_free_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "getloadavg", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cores() == free_cores() == os.cpu_count()
