"""What a command imports: counted in modules, not in seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from cellcls.ops.rendering.cells import render

QUICKSTART = Path(__file__).parents[2] / "recipes" / "quickstart.toml"


def imported(*args: str, cwd: Path) -> set[str]:
    """Return the modules that a command imports."""
    command = [sys.executable, "-X", "importtime", "-m", "cellcls", *args]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=250)
    assert done.returncode == 0, done.stderr[-2000:]
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}


def test_help_imports_no_command(tmp_path: Path) -> None:
    modules = imported("--help", cwd=tmp_path)
    own = {name for name in modules if name.startswith("cellcls")}
    needed = {f"cellcls.cli.{name}" for name in ("main", "commands", "streams")}
    assert own <= {"cellcls", "cellcls.cli", "cellcls.errors", *needed}
    assert modules.isdisjoint({"numpy", "torch", "rich", "rich_click", "attrs", "attr", "importlib.metadata"})


def test_list_plugins_imports_no_more_than_the_plugins(tmp_path: Path) -> None:
    modules = imported("list-plugins", cwd=tmp_path)
    layers = {name.split(".")[1] for name in modules if name.startswith("cellcls.")}
    assert layers == {"api", "builtin", "cli", "errors", "ops", "registry"}
    assert modules.isdisjoint({"numpy", "torch", "rich", "packaging", "logging", "subprocess", "cellcls.api.events"})


def test_checking_a_recipe_imports_only_what_it_uses(tmp_path: Path) -> None:
    modules = imported("check", str(QUICKSTART), cwd=tmp_path)
    assert "torch" in modules
    assert modules.isdisjoint({"timm", "torchvision", "torch._dynamo", "torch._inductor.config", "sympy", "matplotlib"})


def test_a_command_that_used_torch_ends_quietly(tmp_path: Path) -> None:
    code = "import sys, torch._dynamo; from cellcls.cli import main; main(sys.argv[1:])"  # the compiler's libraries too
    done = subprocess.run(
        [sys.executable, "-c", code, "check", str(QUICKSTART)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=250,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_predicting_an_image_imports_only_what_it_uses(tmp_path: Path, shared_run: Path) -> None:
    Image.fromarray(render(3, 5, size=60).image).save(tmp_path / "photo.png")
    modules = imported("predict", str(shared_run), "photo.png", cwd=tmp_path)
    assert "torch" in modules
    assert modules.isdisjoint({"timm", "torchvision", "torch._dynamo", "sympy"})  # its network is not one of timm
    assert modules.isdisjoint({"pandas", "matplotlib", "kornia", "captum", "scipy", "skimage", "sklearn"})


def test_asking_how_to_predict_imports_no_numpy(tmp_path: Path) -> None:
    assert imported("predict", "--help", cwd=tmp_path).isdisjoint({"numpy", "torch"})


@pytest.mark.parametrize(("given", "found"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_waiting_threads_leave_the_cores_to_others(given: dict[str, str], found: str) -> None:
    code = "import atexit, os; atexit.register(lambda: print(os.environ['OMP_WAIT_POLICY']))\n"
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | given
    command = [sys.executable, "-c", code + "from cellcls.cli import main; main()", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)
    assert done.stdout.splitlines()[-1] == found
