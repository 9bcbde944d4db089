"""Commands that only look import nothing heavy: a list of plugins must not take seconds."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "numpy", "timm", "matplotlib", "PIL", "kornia", "captum", "scipy", "safetensors")
PROBE = f"""
import json, sys
from cellcls.cli import main
try:
    main(sys.argv[1:])
except SystemExit as done:
    print(json.dumps([done.code, sorted(name for name in {HEAVY!r} if name in sys.modules)]), file=sys.stderr)
"""


def python(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONWARNINGS": "", **environment}
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, env=env, timeout=60, check=False)


@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["--version"],
        ["run", "--help"],
        ["list-plugins"],
        ["list-plugins", "--json"],
        ["describe", "head"],
        ["describe", "backbone", "timm"],
        ["describe", "recipe"],
        ["show", "RECIPE"],
    ],
    ids=" ".join,
)
def test_looking_imports_nothing_heavy(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    recipe = tmp_path_factory.getbasetemp() / "some_recipe.toml"
    recipe.write_text('[backbone]\nuse = "timm"\nmodel = "resnet18.a1_in1k"\n')
    done = python("-c", PROBE, *(str(recipe) if word == "RECIPE" else word for word in command))
    assert done.stdout.strip()
    assert json.loads(done.stderr.strip().splitlines()[-1]) == [0, []]


def test_a_wrong_recipe_is_told_without_torch(tmp_path_factory: pytest.TempPathFactory) -> None:
    recipe = tmp_path_factory.getbasetemp() / "wrong_recipe.toml"
    recipe.write_text("[trian]\n")
    done = python("-c", PROBE, "run", str(recipe))
    assert "did you mean `train`?" in done.stderr
    assert json.loads(done.stderr.strip().splitlines()[-1]) == [78, []]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_completion_script(shell: str) -> None:
    script = python("-m", "cellcls", _CELLCLS_COMPLETE=f"{shell}_source").stdout
    assert "_CELLCLS_COMPLETE" in script
    assert f"{shell}_complete" in script


def test_commands_and_options_are_completed_without_torch() -> None:
    asked = {"_CELLCLS_COMPLETE": "bash_complete", "COMP_WORDS": "cellcls list", "COMP_CWORD": "1"}
    assert python("-m", "cellcls", **asked).stdout.split() == ["plain,list-plugins"]
    asked |= {"COMP_WORDS": "cellcls run --reh", "COMP_CWORD": "2"}
    done = python("-X", "importtime", "-m", "cellcls", **asked)
    assert done.stdout.split() == ["plain,--rehearse"]
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "click" in imported
    assert imported.isdisjoint(HEAVY)
