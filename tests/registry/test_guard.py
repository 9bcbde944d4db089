from __future__ import annotations

import sys

import pytest

from cellcls.registry import load_registry


def test_a_process_without_stdout_and_stderr_loads_its_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service, pythonw and cron with ``>&-`` have neither."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert load_registry().find("backbone", "cnn5")
