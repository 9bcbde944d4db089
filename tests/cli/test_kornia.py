"""Classes of kornia in recipes: arguments are checked at their place, kept in the filled recipe, and listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cellcls.ops.imaging.kornia_classes import offered

RECIPE = """\
[[augment]]
use = "kornia"
p = 0.5
{lines}
"""


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        ('name = "RandomPlasmaShado"', 4, "no augmentation `RandomPlasmaShado`"),
        ('name = "RandomPlasmaShado"', 4, "did you mean `RandomPlasmaShadow`?"),
        ('name = "RandomMixUpV2"', 4, "`mixup` and `cutmix` draw a partner"),
        ('name = "Resize"', 4, "changes the size"),
        ('name = "RandomPlasmaShadow"\nroughnes = [0.1, 0.7]', 5, "did you mean `roughness`?"),
        ('name = "RandomPlasmaShadow"\nroughness = "rough"', 5, "`roughness` must be a list of 2 (a number, a number)"),
        ('name = "RandomPlasmaShadow"\nroughness = [0.1, 0.5, 0.7]', 5, "must be a list of 2"),
        ('name = "RandomPlasmaShadow"\nroughness = [0.9, 0.1]', 5, "rejects it"),
        ('name = "RandomPlasmaShadow"\nsame_on_batch = true', 5, "each sample is drawn by itself"),
        ('name = "RandomRotation"', 4, "needs `degrees`"),
        ('name = "RandomErasing"\nvalue = true', 5, "`value` must be a number"),
    ],
)
def test_a_wrong_recipe_is_reported_at_its_place(cli, place: Path, lines: str, line: int, says: str) -> None:
    (place / "kornia.toml").write_text(RECIPE.format(lines=lines))
    said = cli("check", "kornia.toml")
    assert said.code == 78, said.err
    assert f"kornia.toml:{line}:" in said.err
    assert says in said.err


def test_a_filled_recipe_keeps_the_arguments(cli, place: Path) -> None:
    lines = 'name = "RandomAffine"\ndegrees = [-10.0, 10.0]\nscale = [0.5, 2.0]\npadding_mode = "REFLECTION"'
    (place / "kornia.toml").write_text(RECIPE.format(lines=lines))
    said = cli("show", "kornia.toml")
    assert said.code == 0, said.err
    for line in lines.splitlines():
        assert line in said.out
    (place / "again.toml").write_text(said.out)
    first, again = (cli("show", name, "--json").json()["recipe"]["augment"] for name in ("kornia.toml", "again.toml"))
    assert first == again


def test_a_run_with_a_class_of_kornia(cli, place: Path) -> None:
    recipe = (place / "tiny.toml").read_text() + RECIPE.format(lines='name = "RandomPlasmaShadow"')
    (place / "shadow.toml").write_text(recipe)
    assert cli("run", "shadow.toml", "--out", "out").code == 0


def test_describe_lists_the_classes(cli) -> None:
    rows = {row["name"]: row for row in cli("describe", "augmentation", "kornia", "--json").json()["catalogue"]}
    works, excluded = offered()
    assert set(rows) == set(works) | set(excluded)
    assert "roughness = (0.1, 0.7)" in rows["RandomPlasmaShadow"]["arguments"]
    assert rows["RandomDissolving"]["cannot be used"]
