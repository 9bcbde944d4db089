"""``check``, ``show``, ``list-plugins``, ``describe``, ``recipes``: commands that train nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomli

from cellcls.api import KINDS
from cellcls.recipe import load
from cellcls.recipe.shipped import shipped
from cellcls.registry import load_registry

COMPONENTS = [(kind, name) for kind in KINDS for name in load_registry().names(kind)]


def test_check_says_what_would_run(cli, place: Path):
    before = sorted(place.rglob("*"))
    found = cli("check", "tiny.toml", "--json", "--device", "cpu").json()
    assert found["name"] == "tiny"
    assert found["dataset"] == "synthetic"
    assert found["images"] == 80
    assert found["parts"] == {"train": 48, "val": 16, "test": 16}
    assert found["steps"] == 3
    assert found["parameters"] == 680
    assert sum(found["classes"].values()) == 48
    assert found["memory_mb"] > 0
    assert found["device"] == "cpu"
    assert found["weights"] == "random"
    assert sorted(place.rglob("*")) == before


def test_check_agrees_with_the_run(cli, shared_run: Path):
    import json

    found = cli("check", shared_run / "recipe.toml", "--json").json()
    metrics = json.loads((shared_run / "metrics.json").read_text())
    assert found["parameters"] == metrics["parameters"]
    assert found["parts"]["test"] == metrics["evaluations"]["test"]["n"]


def test_check_counts_what_cleaners_drop(cli, place: Path):
    (place / "tiny.toml").write_text((place / "tiny.toml").read_text() + '[[cleaners]]\nuse = "drop_duplicates"\n')
    found = cli("check", "tiny.toml", "--set", "dataset.conflicting=0.1", "--json").json()
    assert found["dropped"] == 8 * 4


def test_check_for_a_person(cli):
    out = cli("check", "tiny.toml").out
    for word in ("tiny: would run", "train: 48, val: 16, test: 16", "memory", "680"):
        assert word in out


def test_check_of_variants_is_a_list(cli, place: Path):
    (place / "tiny.toml").write_text((place / "tiny.toml").read_text() + "[variants.a]\n[variants.b]\nseed = 8\n")
    assert [one["name"] for one in cli("check", "tiny.toml", "--json").json()] == ["tiny-a", "tiny-b"]
    assert cli("check", "tiny.toml", "--variant", "b", "--json").json()["name"] == "tiny-b"


def test_check_takes_folders_and_several_recipes_as_run_does(cli, place: Path):
    tiny = (place / "tiny.toml").read_text()
    (place / "more").mkdir()
    for name in ("a", "b"):
        (place / "more" / f"{name}.toml").write_text(tiny)
    found = cli("check", "more", "tiny.toml", "--json").json()
    assert [one["name"] for one in found] == ["a", "b", "tiny"]
    (place / "empty").mkdir()
    assert (cli("check", "empty").code, cli("run", "empty").code, cli("check").code) == (66, 66, 2)


@pytest.mark.parametrize("command", ["check", "run"])
def test_the_problems_of_several_recipes_come_in_one_list(cli, place: Path, command: str):
    wrong = {"a": "[head]\ndropuot = 0.2\n", "b": 'requires = ["cellcls-nowhere"]\n', "c": '[input]\nsize = "big"\n'}
    (place / "more").mkdir()
    for name, text in wrong.items():
        (place / "more" / f"{name}.toml").write_text(text)
    said = cli(command, "more", "nowhere.toml")
    assert said.code == 78
    places = [said.err.index(word) for word in ("a.toml:2:1", "cellcls-nowhere", "c.toml:2:8", "nowhere.toml")]
    assert places == sorted(places)
    assert said.out == ""


def test_check_lists_all_missing_inputs(cli, place: Path):
    for name in ("a", "b"):
        file = f'[dataset]\nuse = "npz"\nfile = "{name}.npz"\n'
        (place / f"{name}.toml").write_text(file)
    said = cli("check", "a.toml", "tiny.toml", "b.toml")
    assert said.code == 66
    assert said.out == ""
    assert "`a.npz` is not there" in said.err
    assert "`b.npz` is not there" in said.err
    assert said.err.count("--data PATH takes the folder") == 1


@pytest.mark.parametrize("wrong", [("dataset.file=absent.npz", 66), ("dataset.flie=absent.npz", 78)])
def test_check_finds_what_run_would_find(cli, wrong: tuple[str, int]):
    said = cli("check", "tiny.toml", "--set", "dataset.use=npz", "--set", wrong[0])
    assert said.code == wrong[1]
    assert said.out == ""


def line_of(place: Path, key: str) -> str:
    lines = (place / "tiny.toml").read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, start=1) if line.startswith(f"{key} =")]
    return f"tiny.toml:{number}:1"


def test_show_fills_every_default_in_and_tells_where_values_come_from(cli, place: Path):
    (place / "over.toml").write_text('base = "tiny.toml"\nname = "over"\n[head]\ndropout = 0.25\n')
    shown = cli("show", "over.toml", "--set", "train.batch_size=8").out
    lines = {line.partition("#")[0].strip(): line.partition("# ")[2] for line in shown.splitlines() if "#" in line}
    assert lines["dropout = 0.25"] == "over.toml:4:1"
    assert lines["size = 32"] == line_of(place, "size")
    assert lines["batch_size = 8"] == "--set train.batch_size=8"
    assert lines["ema_decay = 0.0"] == "default"
    assert lines["epochs = 1"].startswith("tiny.toml:")
    filled = tomli.loads(shown)
    assert filled["train"]["batch_size"] == 8
    assert filled["stages"][0]["optimizer"]["use"] == "adamw"


def test_what_show_prints_is_the_same_recipe(cli, place: Path):
    (place / "again.toml").write_text(cli("show", "tiny.toml").out)
    registry = load_registry()
    assert load(place / "again.toml", registry)[0].recipe == load(place / "tiny.toml", registry)[0].recipe


def test_show_as_json(cli, place: Path):
    shown = cli("show", "tiny.toml", "--json").json()
    assert shown["recipe"]["backbone"] == {"use": "cnn5", "filters": [6, 8]}
    assert shown["origins"]["backbone.filters"] == line_of(place, "filters")


def test_list_plugins(cli):
    plugins = {one["plugin"]: one for one in cli("list-plugins", "--json").json()}
    builtin = plugins["builtin"]
    assert builtin["distribution"] == "cellcls"
    assert builtin["failure"] is None
    assert builtin["version"]
    assert builtin["origin"] == "cellcls.builtin"
    assert {"backbone timm", "loss focal", "dataset folder"} <= set(builtin["offers"])
    out = cli("list-plugins").out
    assert "cellcls.builtin" in out
    assert "grad_cam" in out


def test_a_plugin_that_failed_is_named_with_its_reason(cli, monkeypatch: pytest.MonkeyPatch):
    from importlib.metadata import EntryPoint

    from cellcls.cli import plugins

    points = [
        EntryPoint("builtin", "cellcls.builtin", "cellcls"),
        EntryPoint("broken", "cellcls_nowhere", "cellcls"),
    ]
    monkeypatch.setattr(plugins, "load_registry", lambda check: load_registry(points, check=check))
    said = cli("list-plugins")
    assert said.code == 0
    assert "ModuleNotFoundError" in said.out
    assert "grad_cam" in said.out
    failures = {one["plugin"]: one["failure"] for one in cli("list-plugins", "--json").json()}
    assert failures["builtin"] is None
    assert "cellcls_nowhere" in failures["broken"]


def test_there_are_components_to_describe():
    assert len(COMPONENTS) >= 38
    assert {kind for kind, _ in COMPONENTS} >= {*KINDS} - {"corruption"}


@pytest.mark.parametrize(("kind", "name"), COMPONENTS, ids="-".join)
def test_every_setting_of_a_component_is_described(cli, kind: str, name: str):
    cls = load_registry().find(kind, name)
    settings = cli("describe", kind, name, "--json").json()["settings"]
    assert [one["setting"] for one in settings] == [field.name for field in cls.__attrs_attrs__]
    shown = " ".join(cli("describe", kind, name).out.split())
    for one in settings:
        assert one["help"]
        assert one["type"]
        assert one["setting"] in shown


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_described(cli, kind: str):
    rows = cli("describe", kind, "--json").json()
    assert [row["name"] for row in rows] == list(load_registry().names(kind))
    assert all(row["what"] and row["plugin"] for row in rows)
    out = cli("describe", kind).out
    assert all(row["name"] in out for row in rows)


def test_the_grammar_is_described(cli):
    rows = {row["setting"]: row for row in cli("describe", "recipe", "--json").json()}
    assert {"name", "seed", "split.val", "input.size", "train.batch_size", "stages[].epochs"} <= set(rows)
    assert all(row["help"] for row in rows.values())
    assert "train.batch_size" in cli("describe", "recipe").out


def test_recipes_cp_takes_the_bases_along(cli, place: Path):
    assert cli("recipes", "cp", "backbones").code == 0
    assert {path.name for path in place.glob("*.toml")} >= {"backbones.toml", "mobilenet_inception.toml"}
    assert cli("show", "backbones.toml", "--variant", "vgg16").code == 0


def test_recipes_ls_and_cp(cli, place: Path):
    rows = cli("recipes", "ls", "--json").json()
    assert {row["recipe"] for row in rows} == {path.stem for path in shipped()}
    assert {"quickstart", "lite", "final"} <= {row["recipe"] for row in rows}
    assert all(len(row["what"]) > 20 for row in rows)
    assert "quickstart" in cli("recipes", "ls").out
    assert cli("recipes", "cp", "quickstart").out == "quickstart.toml\n"
    (place / "folder").mkdir()
    for target, written in (("folder", "folder/quickstart.toml"), ("mine.toml", "mine.toml")):
        assert cli("recipes", "cp", "quickstart.toml", target, "--json").json() == {"recipe": written}
    source = next(path for path in shipped() if path.stem == "quickstart").read_bytes()
    for copy in ("quickstart.toml", "folder/quickstart.toml", "mine.toml"):
        assert (place / copy).read_bytes() == source


@pytest.mark.parametrize("recipe", shipped(), ids=lambda path: path.stem)
def test_every_shipped_recipe_can_be_shown(cli, recipe: Path):
    assert cli("show", recipe).code == 0
