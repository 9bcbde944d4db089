"""A flipped bit in a file of a run is found before anything is made of it, and what can still be done is told."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from support.recipes import tiny

from cellcls.cli import main
from cellcls.engine import train

FILES = ("state/state.safetensors", "best.safetensors", "last.safetensors", "stages/1-warm.safetensors")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-200] ^= 4
    file.write_bytes(data)


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A run that was stopped in its second stage; tests work on a copy."""
    folder, take, steps = tmp_path_factory.mktemp("stopped"), train.take_step, []
    stages = '[[stages]]\nname = "warm"\nepochs = 1\n[[stages]]\nname = "long"\nepochs = 2\n'
    (folder / "tiny.toml").write_text(tiny(stages))

    def counted(*args):
        steps.append(1)
        if len(steps) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return take(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELLCLS_CACHE", str(cache))
        patch.setattr(train, "take_step", counted)
        with pytest.raises(SystemExit) as ended:
            main(["run", str(folder / "tiny.toml"), "--out", str(folder / "run"), "--threads", "1"])
    assert ended.value.code == 130
    return folder / "run"


@pytest.fixture
def stopped(stopped_once: Path, place: Path) -> Path:
    return Path(shutil.copytree(stopped_once, place / "run"))


@pytest.mark.parametrize("damaged", FILES)
def test_a_damaged_run_is_not_gone_on_with(cli, stopped: Path, damaged: str) -> None:
    flip(stopped / damaged)
    before = content(stopped)
    said = cli("run", "--resume", stopped)
    assert said.code == 65, said.err
    assert str(stopped / damaged) in said.err
    for whole in set(FILES[1:]) - {damaged}:
        assert str(stopped / whole) in said.err
    assert f"cellcls run {stopped / 'recipe.toml'} --out" in said.err
    assert content(stopped) == before


def test_a_whole_one_is(cli, stopped: Path) -> None:
    assert cli("run", "--resume", stopped).code == 0


def test_the_state_of_another_network_is_damaged(cli, stopped: Path, place: Path) -> None:
    from cellcls.ops.storage.tensor_files import open_tensors, save_tensors

    path = stopped / FILES[0]
    state = open_tensors(path)
    tensors = state.read()
    name = next(name for name in tensors if name.startswith("network.head"))
    for changed in ({**tensors, name: tensors[name][:3]}, {key: tensors[key] for key in tensors if key != name}):
        save_tensors(path, changed, state.about)
        said = cli("run", "--resume", stopped)
        assert said.code == 65
        assert f"{path}: the saved state is damaged" in said.err


@pytest.mark.parametrize("command", ["evaluate", "predict", "export"])
def test_damaged_weights_are_not_used(cli, place: Path, shared_run: Path, challenge: Path, command: str) -> None:
    run = Path(shutil.copytree(shared_run, place / "run"))
    flip(run / "best.safetensors")
    options = {
        "evaluate": ("--data", challenge),
        "predict": (challenge,),
        "export": ("--format", "onnx", "--out", "out.onnx"),
    }
    said = cli(command, run, *options[command])
    assert said.code == 65
    assert f"{run / 'best.safetensors'}: damaged" in said.err
    assert str(run / "last.safetensors") in said.err
    assert cli("evaluate", run / "last.safetensors", "--data", challenge).code == 0


def test_a_run_does_not_start_from_damaged_weights(cli, place: Path, shared_run: Path) -> None:
    run = Path(shutil.copytree(shared_run, place / "run"))
    flip(run / "best.safetensors")
    said = cli("run", "tiny.toml", "--set", f"init.from={run}", "--out", "out")
    assert said.code == 65
    assert f"{run / 'best.safetensors'}: damaged" in said.err
    assert not (place / "out").exists()
