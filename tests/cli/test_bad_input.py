"""Everything a person can get wrong ends with its exit code, one message, and nothing half-written."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.utils._python_dispatch import TorchDispatchMode

from cellcls.cli.results import evaluate
from cellcls.errors import ExitCode
from cellcls.ops.storage import files
from cellcls.ops.storage.tensor_files import open_tensors, save_tensors

RECIPES: dict[str, tuple[int, tuple[str, ...], str]] = {
    # what is wrong: exit code, lines added to tiny.toml (or options), a word of the message
    "misspelt section": (78, ("[hed]",), "did you mean `head`"),
    "misspelt key": (78, ("[head]", "dropuot = 0.2"), "did you mean `dropout`"),
    "value out of range": (78, ("[head]", "dropout = 1.5"), "less than 1"),
    "wrong type": (78, ("[head]", 'dropout = "0.2"'), "dropout"),
    "broken TOML": (78, ("[head",), "broken TOML"),
    "unknown component": (78, ("[head]", 'use = "liner"'), "did you mean `linear`"),
    "frozen random weights": (78, ('freeze = "backbone"',), "random weights"),
    "split of everything": (78, ("--set", "split.val=0.9", "--set", "split.test=0.2"), "nothing to train on"),
    "size too small": (78, ("--set", "input.size=3"), "input.size=3"),
    "unknown model": (
        78,
        ("--set", "backbone.use=timm", "--set", "backbone.model=efficientnet_b99"),
        "efficientnet_b99",
    ),
    "missing plugin": (69, ("--set", 'requires=["cellcls-nobody"]'), "the folder plugins/cellcls-nobody"),
    "missing recipe": (66, ("RECIPE", "tinny.toml"), "tiny.toml`?"),
    "missing base": (66, ("--set", 'name="x"', "BASE"), "no base recipe at"),
    "missing data": (66, ("--set", "dataset.use=npz", "--set", "dataset.file=absent.npz"), "absent.npz"),
    "nonsense --data": (66, ("--data", "nonsense"), "no data at nonsense"),
    "folder without the file": (
        66,
        ("--set", "dataset.use=npz", "--set", "dataset.file=absent.npz", "--data", "."),
        "holds no `absent.npz`",
    ),
    "nonsense device": (2, ("--device", "nonsense"), "--device nonsense"),
    "unknown variant": (2, ("--variant", "other"), "no variant `other`"),
    "--set without =": (2, ("--set", "nonsense"), "KEY=VALUE"),
    "unknown option": (2, ("--nonsense",), "--nonsense"),
    "threads below 1": (2, ("--threads", "0"), "--threads"),
}


def test_the_table_is_whole():
    assert len(RECIPES) == 21
    assert {code for code, _, _ in RECIPES.values()} == {2, 66, 69, 78}


@pytest.mark.parametrize("wrong", RECIPES)
def test_a_wrong_recipe_or_option(cli, place: Path, wrong: str):
    code, added, word = RECIPES[wrong]
    recipe, options = place / "tiny.toml", [one for one in added if one not in ("RECIPE", "BASE")]
    if "RECIPE" in added:
        recipe, options = place / options[0], options[1:]
    elif "BASE" in added:
        recipe.write_text('base = "nowhere.toml"\n')
    elif not added[0].startswith("--"):
        recipe.write_text("\n".join([recipe.read_text(), *added, ""]))
        options = []
    said = cli("run", recipe, "--out", "out", *options)
    assert said.code == code
    assert word in said.err
    assert said.out == ""
    assert not (place / "out").exists()


MISSPELT = {
    # command: exit code, a word of the message
    ("run", "lite"): (66, "cellcls recipes cp lite"),
    ("check", "quikstart"): (66, "did you mean the shipped recipe `quickstart`?"),
    ("run", "nothing-like-it"): (66, "cellcls recipes ls"),
    ("recipes", "cp", "quikstart"): (66, "did you mean `quickstart`?"),
    ("fetch", "bloodmnst"): (66, "did you mean `bloodmnist`?"),
    ("describe", "head", "liner"): (69, "did you mean `linear`?"),
    ("describe", "backbone", "resnet50"): (69, 'use = "timm", model = "resnet50"'),
    ("evaluate", "RUN", "--data", "nowhere", "--corrupt", "jpge"): (2, "suites: competition"),
}


@pytest.mark.parametrize("command", MISSPELT, ids=" ".join)
def test_a_misspelt_name_is_corrected(cli, place: Path, shared_run: Path, command: tuple[str, ...]):
    code, word = MISSPELT[command]
    said = cli(*(shared_run if part == "RUN" else part for part in command))
    assert (said.code, said.out) == (code, "")
    assert word in said.err


TAKING_A_RUN = (
    "predict RECIPE images.npz",
    "evaluate RECIPE --data images.npz",
    "explain RECIPE",
    "explain RECIPE --data images.npz",
    "explain RUN RECIPE",
    "export RECIPE --format onnx --out exported",
    "compare RECIPE RUN --out compared",
    "run --resume RECIPE",
)


@pytest.mark.parametrize("command", TAKING_A_RUN)
def test_a_recipe_where_a_run_belongs(cli, place: Path, shared_run: Path, command: str):
    given = {"RECIPE": "tiny.toml", "RUN": shared_run}
    said = cli(*(given.get(part, part) for part in command.split()))
    assert said.code == 2
    assert said.err.splitlines()[0] == "cellcls: tiny.toml: a recipe, not a run"


UNBUILDABLE = (
    'augment=[{use="clahe",tiles=7}]',
    'augment=[{use="blur",min_kernel=4}]',
    'evaluate=[{name="x",part="test",corrupt="jpge"}]',
)


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("setting", UNBUILDABLE)
def test_what_cannot_be_built_is_refused_before_training(cli, place: Path, command: str, setting: str):
    out = ("--out", "out") if command == "run" else ()
    said = cli(command, "tiny.toml", "--set", setting, *out)
    assert (said.code, said.out) == (78, "")
    assert not (place / "out").exists()


def test_all_problems_of_a_recipe_come_at_once_with_their_places(cli, place: Path):
    (place / "bad.toml").write_text('[head]\ndropuot = 0.2\n[input]\nsize = "big"\n')
    said = cli("run", "bad.toml")
    assert said.code == 78
    assert "bad.toml:2:1" in said.err
    assert "bad.toml:4:8" in said.err
    assert "cellcls describe" in said.err


def _arrays(images: np.ndarray, labels: np.ndarray) -> dict[str, tuple[dict[str, np.ndarray], str]]:
    objects = np.empty(len(images), object)
    objects[:] = list(images)
    return {
        "no images": ({"pictures": images, "labels": labels}, "`pictures`"),
        "labels too short": ({"images": images, "labels": labels[:-1]}, "40 images need labels (40,)"),
        "object images": ({"images": objects, "labels": labels}, "never unpickled"),
        "object labels": ({"images": images, "labels": labels.astype(object)}, "never unpickled"),
        "float images": ({"images": images / 255, "labels": labels}, "uint8"),
        "one class": ({"images": images, "labels": 0 * labels}, "of one class, `basophil`"),
        "negative label": ({"images": images, "labels": labels - 1}, "label -1"),
        "channels first": ({"images": images.transpose(0, 3, 1, 2), "labels": labels}, "channels must be last"),
        "no labels": ({"images": images}, "`images`"),
    }


BAD_ARRAYS = tuple(_arrays(np.zeros((40, 8, 8, 3), np.uint8), np.arange(40) % 8))


@pytest.mark.parametrize("wrong", BAD_ARRAYS)
@pytest.mark.parametrize("how", ["--data", "in the recipe"])
def test_bad_arrays(cli, place: Path, labelled, wrong: str, how: str):
    arrays, word = _arrays(*labelled)[wrong]
    np.savez(place / "bad.npz", **arrays)
    own = ["--set", "dataset.use=npz", "--set", "dataset.file=bad.npz"]
    said = cli("run", "tiny.toml", "--out", "out", *(["--data", "bad.npz"] if how == "--data" else own))
    assert said.code == 65
    assert word in said.err
    assert "bad.npz" in said.err
    assert not (place / "out").exists()


def test_the_bad_arrays_are_counted():
    assert len(BAD_ARRAYS) == 9


@pytest.mark.parametrize("damage", [lambda data: data[:5000], lambda _: b"hello", lambda _: b""])
@pytest.mark.parametrize("command", ["run", "evaluate", "predict"])
def test_an_unreadable_npz(cli, place: Path, challenge: Path, shared_run: Path, command: str, damage):
    challenge.write_bytes(damage(challenge.read_bytes()))
    said = {
        "run": lambda: cli("run", "tiny.toml", "--data", challenge, "--out", "out"),
        "evaluate": lambda: cli("evaluate", shared_run, "--data", challenge),
        "predict": lambda: cli("predict", shared_run, challenge),
    }[command]()
    assert said.code == 65
    assert "cannot be read as an npz file" in said.err
    assert not (place / "out").exists()


@pytest.fixture
def truncated(place: Path, pictures: Path) -> Path:
    whole = place / "whole.jpg"
    Image.open(pictures / "ig" / "2.png").save(whole)
    (pictures / "ig" / "2.png").unlink()
    (pictures / "ig" / "2.jpg").write_bytes(whole.read_bytes()[:300])
    return pictures


def test_a_truncated_picture_stops_the_run(cli, place: Path, truncated: Path):
    said = cli("run", "tiny.toml", "--data", truncated, "--out", "out")
    assert said.code == 65
    assert "2.jpg" in said.err
    assert 'on_bad_image = "skip"' in said.err
    assert not (place / "out").exists()


@pytest.mark.parametrize("given", [True, False])
def test_a_truncated_picture_can_be_skipped_and_is_listed(cli, place: Path, truncated: Path, given: bool):
    elsewhere = "." if given else truncated
    own = ["dataset.use=folder", f"dataset.file={elsewhere}", "dataset.on_bad_image=skip", "split.val=0.3"]
    options = [part for one in own for part in ("--set", one)] + (["--data", str(truncated)] if given else [])
    said = cli("run", "tiny.toml", "--out", "out", "--json", *options)
    assert said.code == 0, said.err
    record = said.json()
    assert record["metrics"]["complete"]
    data = json.loads((place / "out" / "data.json").read_text())
    assert [bad["name"] for bad in data["bad_images"]] == ["ig/2.jpg"]
    assert data["n"] == 11


def test_one_class_in_a_folder(cli, place: Path, pictures: Path):
    shutil.rmtree(pictures / "ig")
    shutil.rmtree(pictures / "Basophils")
    said = cli("run", "tiny.toml", "--data", pictures, "--out", "out")
    assert said.code == 65
    assert "two classes" in said.err


def _pickle(path: Path) -> Path:
    torch.save({"weight": torch.zeros(3)}, path)
    return path


@pytest.mark.parametrize("command", [("evaluate", "--data"), ("predict",), ("explain", "--data")])
def test_a_pth_given_as_a_run(cli, place: Path, challenge: Path, command: tuple[str, ...]):
    said = cli(command[0], _pickle(place / "best.pth"), *command[1:], challenge)
    assert said.code == 65
    assert ".safetensors" in said.err


def _pretrained(model: str) -> list[str]:
    settings = ("backbone.use=timm", f"backbone.model={model}", "backbone.pretrained=true")
    return [part for one in settings for part in ("--set", one)]


def test_a_pth_among_the_pretrained_weights(cli, place: Path):
    (place / "weights").mkdir()
    _pickle(place / "weights" / "test_efficientnet.pth")
    said = cli("run", "tiny.toml", *_pretrained("test_efficientnet"), "--weights", "weights", "--out", "out")
    assert said.code == 65
    assert "convert it" in said.err
    assert not (place / "out").exists()


def test_pretrained_weights_of_another_network(cli, place: Path):
    (place / "weights").mkdir()
    save_file({"conv.weight": torch.zeros(3)}, place / "weights" / "test_efficientnet.safetensors")
    said = cli("run", "tiny.toml", *_pretrained("test_efficientnet"), "--weights", "weights", "--out", "out")
    assert said.code == 65
    assert "another network" in said.err
    assert not (place / "out").exists()


def test_pretrained_weights_that_cannot_be_had(cli, place: Path):
    said = cli("run", "tiny.toml", *_pretrained("test_efficientnet"), "--offline", "--out", "out")
    assert said.code == 66
    for way_out in ("--weights DIR", "efficientnet_lite0", "--rehearse"):
        assert way_out in said.err
    assert not (place / "out").exists()


def _changed(run: Path, to: Path, change: Callable[[dict[str, torch.Tensor], dict[str, Any]], None]) -> Path:
    file = open_tensors(run / "best.safetensors")
    tensors = file.read()
    change(tensors, file.about)
    save_tensors(to, tensors, file.about)
    return to


def _another_number_of_classes(tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
    name = next(name for name, tensor in tensors.items() if name.startswith("head") and tensor.ndim == 2)
    tensors[name] = tensors[name][:5].clone()


def _another_network(tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
    del tensors[next(name for name in tensors if name.startswith("backbone"))]


def _a_newer_version(tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
    about["format"] = 1000


def _a_component_nobody_offers(tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
    about["network"]["backbone"]["use"] = "cnn55"


def _no_configuration(tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
    del about["network"]


WEIGHTS = {
    _another_number_of_classes: "another network",
    _another_network: "another network",
    _a_newer_version: "update cellcls",
    _a_component_nobody_offers: "cnn55",
    _no_configuration: "damaged",
}


@pytest.mark.parametrize("change", WEIGHTS, ids=lambda change: change.__name__)
def test_weights_that_do_not_fit(cli, place: Path, shared_run: Path, challenge: Path, change):
    weights = _changed(shared_run, place / "changed.safetensors", change)
    said = cli("evaluate", weights, "--data", challenge)
    assert said.code == 65
    assert WEIGHTS[change] in said.err


def _a_wide_head(tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
    about["network"]["head"] = {"use": "mlp", "hidden": [4_000_000]}


def _many_layers(tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
    about["network"]["head"] = {"use": "mlp", "hidden": [1] * 100_000}


class _Largest(TorchDispatchMode):
    """The largest memory that was taken for a tensor, in bytes."""

    found = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.device.type != "meta":
            self.found = max(self.found, made.untyped_storage().nbytes())
        return made


@pytest.mark.parametrize("change", [_a_wide_head, _many_layers])
@pytest.mark.parametrize("command", ["evaluate", "predict", "explain", "export", "run"])
def test_a_small_file_asks_for_no_memory(cli, place: Path, shared_run: Path, challenge: Path, command: str, change):
    """`hidden = [4000000]` in 5 kB of weights took 4.8 GB before the file was compared."""
    shutil.copytree(shared_run, place / "wide")
    weights = _changed(shared_run, place / "wide" / "best.safetensors", change)
    options = {
        "evaluate": (weights, "--data", challenge),
        "predict": (weights, challenge),
        "explain": (weights, "--data", challenge),
        "export": (place / "wide", "--format", "onnx", "--out", "out.onnx"),
        "run": ("tiny.toml", "--set", f"init.from={place / 'wide'}", "--out", "out"),
    }
    with _Largest() as largest:
        said = cli(command, *options[command])
    assert said.code == 65
    assert "best.safetensors" in said.err
    assert largest.found < 50e6


def test_unchanged_weights_do_fit(cli, place: Path, shared_run: Path, challenge: Path):
    weights = _changed(shared_run, place / "same.safetensors", lambda *_: None)
    assert cli("evaluate", weights, "--data", challenge).code == 0


def test_truncated_weights(cli, place: Path, shared_run: Path, challenge: Path):
    weights = place / "short.safetensors"
    weights.write_bytes((shared_run / "best.safetensors").read_bytes()[:-100])
    said = cli("evaluate", weights, "--data", challenge)
    assert said.code == 65
    assert "short.safetensors" in said.err


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function after which only so many more files can be written."""

    def fill(free: int) -> None:
        left = [free]
        sync = files._sync

        def refuse(path: Path) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(28, "No space left on device")
            sync(path)

        monkeypatch.setattr(files, "_sync", refuse)

    return fill


@pytest.mark.parametrize("free", [0, 1, 2, 3, 5])
def test_a_full_disk_before_the_first_state_leaves_nothing(cli, place: Path, full_disk, free: int):
    full_disk(free)
    said = cli("run", "tiny.toml", "--out", "out")
    assert said.code == 74
    assert "No space left on device" in said.err
    assert not (place / "out").exists()


def test_weights_that_find_no_room(cli, place: Path):
    """The system itself refuses: no file may grow beyond 100 kB, and these weights need 150."""
    assert cli("check", "tiny.toml").code == 0  # the rendered cells are in the cache now
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        said = cli("run", "tiny.toml", "--set", "backbone.filters=[64, 64]", "--out", "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert said.code == 74
    assert not (place / "out").exists()


def test_a_full_disk_leaves_no_half_answer(cli, place: Path, shared_run: Path, challenge: Path, full_disk):
    cli("evaluate", shared_run, "--data", challenge)  # decoded copies are in the cache now
    full_disk(0)
    for command in (
        ("evaluate", shared_run, "--data", challenge, "--out"),
        ("predict", shared_run, challenge, "--csv"),
    ):
        said = cli(*command, place / "answer")
        assert said.code == 74
        assert said.out == ""
        assert [path.name for path in place.iterdir() if "answer" in path.name] == []


def test_an_existing_run_is_not_overwritten(cli, shared_run: Path):
    before = {path: path.stat().st_mtime_ns for path in shared_run.rglob("*")}
    said = cli("run", "tiny.toml", "--out", shared_run)
    assert said.code == 2
    assert "nothing is overwritten" in said.err
    assert {path: path.stat().st_mtime_ns for path in shared_run.rglob("*")} == before


def test_a_file_is_no_run_folder(cli, place: Path):
    (place / "out").write_text("mine")
    assert cli("run", "tiny.toml", "--out", "out").code == 2
    assert (place / "out").read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--resume", "nothing"), 66),
        (("--resume", "RUN"), 2),
        (("--resume", "RUN", "tiny.toml"), 2),
        (("--resume", "RUN", "--rehearse"), 2),
        ((), 2),
        (("empty",), 66),
    ],
)
def test_wrong_use_of_run(cli, place: Path, shared_run: Path, args: tuple[str, ...], code: int):
    (place / "empty").mkdir()
    said = cli("run", *(shared_run if arg == "RUN" else arg for arg in args))
    assert said.code == code
    assert said.err.startswith("cellcls: ")


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (("nonsense",), 2, "nonsense"),
        (("describe", "bakbone"), 2, "backbone"),
        (("describe", "backbone", "tim"), 69, "did you mean `timm`"),
        (("describe", "recipe", "tim"), 2, "no name"),
        (("recipes", "cp", "nonsense"), 66, "cellcls recipes ls"),
        (("recipes", "cp", "quickstart", "tiny.toml"), 2, "not overwritten"),
        (("evaluate", "nothing", "--data", "tiny.toml"), 66, "no weights"),
        (("evaluate", "RUN", "--data", "nothing"), 66, "no data at nothing"),
        (("evaluate", "RUN", "--data", "tiny.toml"), 65, "no data set that cellcls knows"),
        (("evaluate", "RUN", "--data", "cells.npz", "--part", "val"), 2, "no parts of its own"),
        (("evaluate", "RUN", "--data", "cells.npz", "--out", "tiny.toml"), 2, "not overwritten"),
        (("evaluate", "RUN"), 2, "--data"),
        (("predict", "RUN", "nothing.png"), 66, "nothing.png"),
        (("predict", "RUN", "cells.npz", "nothing.png"), 66, "nothing.png"),
        (("predict", "RUN", "tiny.toml"), 65, "tiny.toml"),
        (("predict", "RUN", "empty"), 66, "no images"),
        (("predict", "RUN", "cells.npz", "--csv", "tiny.toml"), 2, "not overwritten"),
        (("predict", "RUN", "cells.npz", "--csv", "-", "--json"), 2, "stdout"),
        (("explain", "nothing"), 66, "--data"),
        (("explain", "RUN", "--use", "grad_cma"), 2, "grad_cam"),
        (("explain", "RUN", "--out", "tiny.toml"), 2, "not overwritten"),
        (("explain", "RUN", "--images", "0"), 2, "--images"),
    ],
)
def test_wrong_use_of_the_other_commands(
    cli, place: Path, shared_run: Path, challenge: Path, args: tuple[str, ...], code: int, word: str
):
    (place / "empty").mkdir()
    said = cli(*(shared_run if arg == "RUN" else arg for arg in args))
    assert said.code == code
    assert word in said.err
    assert said.out == ""


def test_no_command_shows_the_help(cli):
    said = cli()
    assert said.code == ExitCode.USAGE
    assert "evaluate" in said.out + said.err


def _raising(error: BaseException) -> Callable[..., None]:
    def command(**_: object) -> None:
        raise error

    return command


def test_a_bug_keeps_its_details_in_a_file(cli, place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(evaluate, "callback", _raising(ZeroDivisionError("division by zero")))
    said = cli("evaluate", "run", "--data", "x")
    assert said.code == ExitCode.BUG
    (crash,) = place.glob("cellcls-crash-*.txt")
    assert crash.name in said.err
    assert "ZeroDivisionError: division by zero" in said.err
    text = crash.read_text()
    assert "Traceback" in text
    assert text.startswith("cellcls evaluate run --data x")


def test_ctrl_c(cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(evaluate, "callback", _raising(KeyboardInterrupt()))
    said = cli("evaluate", "run", "--data", "x")
    assert said.code == ExitCode.INTERRUPTED
    assert said.err.strip() == "cellcls: stopped by Ctrl-C"


LONG = "a" * 300


@pytest.mark.parametrize(
    "command",
    [("run", f"{LONG}.toml"), ("predict", f"{LONG}.png"), ("compare", LONG), ("run", "tiny.toml", "--data", LONG)],
)
def test_a_name_longer_than_any_file_has(cli, place: Path, command: tuple[str, ...]):
    said = cli(*command)
    assert said.code == 66
    assert "a name longer than any file has" in said.err
    assert len(said.err) < 200


def test_more_threads_than_any_machine_has_cores(cli, place: Path):
    said = cli("run", "tiny.toml", "--threads", 10**30)
    assert said.code == 2
    assert "--threads" in said.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize(
    ("name", "command", "code"),
    [
        ("pipe.toml", ("show", "pipe.toml"), 66),
        ("pipe.toml", ("run", "."), 66),
        ("pipe.png", ("predict", "--run", "RUN", "pipe.png"), 65),
        ("pipe.npz", ("predict", "--run", "RUN", "pipe.npz"), 65),
        ("pipe.csv", ("run", "tiny.toml", "--set", "cleaners=[{use='decisions', file='pipe.csv'}]"), 65),
        ("pipe.npz", ("run", "tiny.toml", "--set", "dataset.use='npz'", "--set", "dataset.file='pipe.npz'"), 65),
    ],
)
def test_what_may_have_no_end_is_not_read(
    cli, place: Path, shared_run: Path, name: str, command: tuple[str, ...], code: int
):
    os.mkfifo(place / name)
    said = cli(*(shared_run if word == "RUN" else word for word in command))
    assert said.code == code
    assert "a device or a pipe" in said.err


HUGE = {
    "digits": (f"seed = {'9' * 5000}", "tiny.toml:2: broken TOML: a number of thousands of digits"),
    "arrays": (f"seed = {'[' * 3000}1{']' * 3000}", "nested more than"),
    "a long line": (f"sead = {'9' * 4000}", "did you mean `seed`?"),
    "a long name": (f"{'a' * 100_000} = 1", "a recipe has no section or key"),
    "a long value": (f"seed = '{'a' * 100_000}'", "`seed` must be"),
}


@pytest.mark.parametrize("wrong", HUGE)
def test_a_huge_value_of_a_recipe_is_told_briefly(cli, place: Path, wrong: str):
    line, word = HUGE[wrong]
    (place / "tiny.toml").write_text(f"name = 'tiny'\n{line}\n")
    said = cli("run", "tiny.toml", "--out", "out")
    assert said.code == ExitCode.RECIPE
    assert word in said.err
    assert len(said.err) < 10_000
