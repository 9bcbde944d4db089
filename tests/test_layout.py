"""The tests of a module are found by its name: ``cellcls/engine/data.py`` has ``tests/engine/test_data.py``."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "cellcls"
GROUPS = ("auditing", "engine", "execution", "ops", "recipe", "registry", "report", "runs", "serving")
MODULES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for group in GROUPS
    for path in (PACKAGE / group).rglob("*.py")
    if path.name != "__init__.py"
)
ELSEWHERE = {
    # tested together, through the function or the page they make
    "auditing/*.py": "auditing/test_findings.py",
    "engine/export/*.py": "engine/test_export.py",
    "recipe/*.py": "recipe/test_errors.py",
    "registry/check_child.py": "registry/test_check.py",
    "registry/*.py": "registry/test_discover.py",
    "ops/imaging/corruptions/*.py": "builtin/test_corruptions.py",
    "ops/imaging/kornia_classes.py": "builtin/test_kornia_class.py",
    "ops/networks/timm_features.py": "builtin/test_backbones.py",
    "ops/networks/call_order.py": "builtin/test_backbones.py",
    "ops/rendering/styles.py": "ops/rendering/test_cells.py",
    "ops/curation/grouped.py": "ops/curation/test_together.py",
    "ops/statistics/table.py": "ops/statistics/test_metrics.py",
    "ops/curation/thresholds.py": "ops/curation/test_near_copies.py",
    "*/skipped.py": "cli/test_skipped.py",
    "engine/unlabelled.py": "engine/test_inference.py",
    "ops/storage/folders.py": "builtin/test_datasets.py",
    "ops/storage/picture_limits.py": "ops/storage/test_decode.py",
    "ops/storage/png_text.py": "ops/storage/test_decode.py",
    # tested where processes are started
    "engine/augmented.py": "engine/test_train.py",
    "ops/processes/*.py": "cli/test_launchers.py",
    "runs/connection.py": "cli/test_fetch.py",
    "runs/fetch.py": "cli/test_fetch.py",
    "runs/stop.py": "cli/test_run.py",
    "runs/init.py": "engine/test_init.py",
    # classes without logic of their own
    "engine/job.py": "engine/test_train.py",
    "serving/limits.py": "serving/test_app.py",
    "engine/prediction_heat.py": "cli/test_model.py",
    "execution/context.py": "execution/test_single.py",
}
"""Modules without a file of their name, and the file that tests them."""


def own(module: str) -> bool:
    path = Path(module)
    return any((TESTS / path.parts[0]).rglob(f"test_{path.stem}.py"))


def test_the_modules_are_seen() -> None:
    assert len(MODULES) >= 150
    assert {module.partition("/")[0] for module in MODULES} == set(GROUPS)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_a_file_of_tests(module: str) -> None:
    named = [tests for pattern, tests in ELSEWHERE.items() if fnmatch(module, pattern)]
    assert own(module) or any((TESTS / tests).is_file() for tests in named), (
        f"cellcls/{module} has no tests/{Path(module).parts[0]}/test_{Path(module).stem}.py"
    )


@pytest.mark.parametrize("pattern", ELSEWHERE)
def test_no_exception_is_out_of_date(pattern: str) -> None:
    assert any(fnmatch(module, pattern) and not own(module) for module in MODULES), "each has tests of its own"
    assert (TESTS / ELSEWHERE[pattern]).is_file()
