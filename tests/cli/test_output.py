"""What goes to which stream, in which form, and how little is imported for it."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cellcls.api import events
from cellcls.cli.commands import COMMANDS
from cellcls.cli.main import cellcls
from cellcls.execution.context import Output
from cellcls.recipe.shipped import shipped
from cellcls.terminal import progress

HEAVY = "torch", "timm", "kornia", "sklearn", "matplotlib", "captum"


def test_every_command_takes_json():
    context = click.Context(cellcls)
    commands = {name: cellcls.get_command(context, name) for name in COMMANDS}
    recipes = commands.pop("recipes")
    assert isinstance(recipes, click.Group)
    for name, command in {**commands, **recipes.commands}.items():
        assert command is not None
        assert "--json" in [option for param in command.params for option in param.opts], name


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help(cli, name: str):
    said = cli(*([name] if name else []), "--help")
    assert said.code == 0
    assert "Usage" in said.out
    assert said.err == ""


def test_version(cli):
    assert cli("--version").out.startswith("cellcls, version ")


LIGHT = {
    "help": ("--help",),
    "command's help": ("run", "--help"),
    "plugins": ("list-plugins",),
    "kinds": ("describe", "backbone"),
    "settings": ("describe", "backbone", "timm"),
    "show": ("show", "tiny.toml"),
    "recipes": ("recipes", "ls"),
    "wrong recipe": ("run", "tiny.toml", "--set", "head.x=1"),
}
_WITHOUT = """
import sys
for name in {heavy}:
    sys.modules[name] = None  # importing it raises
from cellcls.cli import main
for args in {commands}:
    try:
        main(args)
    except SystemExit as ended:
        codes = globals().setdefault("codes", [])
        codes.append(int(ended.code or 0))
print(codes, file=sys.stderr)
"""


def _without_heavy(place: Path, commands: list[tuple[str, ...]], **environment: str) -> tuple[list[int], str, str]:
    code = _WITHOUT.format(heavy=HEAVY, commands=[list(map(str, args)) for args in commands])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=place,
        env=os.environ | environment,
        timeout=60,
        check=True,
    )
    *said, codes = done.stderr.strip().splitlines()
    return json.loads(codes), done.stdout, "\n".join(said)


def test_commands_that_only_look_import_nothing_heavy(place: Path):
    codes, _, said = _without_heavy(place, list(LIGHT.values()))
    assert codes == [0] * 7 + [78], said


def test_shell_completion_imports_nothing_heavy(place: Path):
    completing = {"_CELLCLS_COMPLETE": "bash_complete", "COMP_WORDS": "cellcls desc", "COMP_CWORD": "1"}
    codes, out, _ = _without_heavy(place, [()], **completing)
    assert codes == [0]
    assert "describe" in out


def test_the_final_recipe_without_data_says_all_that_is_missing_and_imports_nothing_heavy(place: Path):
    final = next(path for path in shipped() if path.stem == "final")
    codes, out, said = _without_heavy(place, [("run", final)])
    assert codes == [66]
    assert out == ""
    for word in (
        "training_set.npz",
        "looked for: ",
        "data/training_set.npz",
        "CELLCLS_DATA",
        "organisers",
        "bloodmnist",
        "weights it will need: ",
        "MB",
        "--weights DIR",
        f"cellcls run {final} --rehearse",
    ):
        assert word in said
    assert not (place / "runs").exists()


def test_places_that_were_looked_at_are_all_named(cli, place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CELLCLS_DATA", str(place / "variable"))
    (place / "sub").mkdir()
    (place / "sub" / "far.toml").write_text('[dataset]\nuse = "npz"\nfile = "no.npz"\n')
    said = cli("run", "sub/far.toml")
    assert said.code == 66
    for looked in ("sub/no.npz", "data/no.npz", str(place / "variable" / "no.npz")):
        assert looked in said.err


def test_python_m_cellcls(process, place: Path):
    said = process("show", "tiny.toml", "--json", cwd=place)
    assert said.code == 0
    assert said.json()["recipe"]["input"]["size"] == 32
    assert process("nonsense", cwd=place).code == 2


def test_json_stays_alone_on_stdout_when_there_are_warnings(process, place: Path, pictures: Path):
    (pictures / "empty").mkdir()  # is warned of and left aside
    said = process("run", "tiny.toml", "--data", pictures, "--out", "out", "--json", cwd=place, PYTHONWARNINGS="always")
    assert said.code == 0, said.err
    assert said.json()["metrics"]["complete"]
    assert "1 file skipped: a class folder without images" in said.err
    assert "importing torch" in said.err


def _on_a_terminal(args: list[str], **environment: str) -> str:
    """Return what a command prints on a terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(environment)
        os.execv(sys.executable, [sys.executable, "-m", "cellcls", *args])
    said = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        said += chunk
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return said.decode()


def test_no_color_means_none_on_a_terminal():
    terminal = {"TERM": "xterm-256color"}
    assert "\x1b[" in _on_a_terminal(["describe", "head"], **terminal, NO_COLOR="")
    assert "\x1b[" not in _on_a_terminal(["describe", "head"], **terminal, NO_COLOR="1")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


EVENTS = (
    events.RunStarted(folder=Path("out"), train=64, val=16, test=16, parameters=880, device="cpu", resumed=False),
    events.StageStarted(stage=0, name="warm", epochs=2, steps_per_epoch=4, trained=880),
    events.StepEnded(stage=0, epoch=0, step=1, steps=4, loss=1.25, lr=0.1),
    events.EpochEnded(stage=0, epoch=0, metrics={"train.loss": 1.5, "val.accuracy": 0.25}, best=True, seconds=1.0),
)


def _shown(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress() as shows:
        for event in EVENTS:
            shows(event)
    return stream.getvalue()


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    on_terminal, in_file = _shown(Terminal(), monkeypatch), _shown(io.StringIO(), monkeypatch)
    assert "\x1b[" in on_terminal
    assert "loss 1.250" in on_terminal
    assert "warm 1/2" in on_terminal
    assert "\x1b[" not in in_file
    monkeypatch.setenv("NO_COLOR", "1")
    assert _shown(Terminal(), monkeypatch) == in_file
    for shown in (on_terminal, in_file):
        assert "epoch 1: train.loss 1.5000, val.accuracy 0.2500, 1.0 s  (best)" in shown
        assert "train 64, val 16, test 16 images; 880 parameters on cpu" in shown


def test_a_silent_process_shows_nothing(monkeypatch: pytest.MonkeyPatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Output().progress() as shows:
        for event in EVENTS:
            shows(event)
    assert stream.getvalue() == ""


def test_a_closed_pipe_is_no_error(place: Path):
    command = f"{sys.executable} -m cellcls describe recipe | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=place, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    assert done.stderr == ""


def test_a_warning_says_that_it_is_one(process, place: Path):
    said = process("run", "tiny.toml", "--out", "run", "--set", "train.ema_decay=0.9999", cwd=place)
    assert said.code == 0
    warned = [line for line in said.err.splitlines() if "ema_decay" in line]
    assert [line.startswith("cellcls: warning: tiny: train.ema_decay = 0.9999 over ") for line in warned] == [True]
    checked = process("check", "tiny.toml", "--set", "train.ema_decay=0.9999", cwd=place)
    assert warned == checked.err.splitlines()
