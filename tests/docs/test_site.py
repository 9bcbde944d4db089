"""The built site: strict, complete, readable on a phone, and nothing in it comes from another server."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import tomli
from click.testing import CliRunner
from docs_browser import chromium, opened
from docs_reference import ENVIRONMENT, ENVIRONMENT_OF_TESTS, anchor, commands, options
from docs_schema import schema
from playwright.sync_api import Browser
from support.pages import ROOT

from cellcls.api import KINDS
from cellcls.cli.main import cellcls
from cellcls.cli.new_plugin import render, template_values
from cellcls.errors import ExitCode
from cellcls.recipe import fields_of
from cellcls.registry import load_registry

REGISTRY = load_registry()
COMPONENTS = [pytest.param(kind, name, id=f"{kind}-{name}") for kind in KINDS for name in REGISTRY.names(kind)]
FETCHED = re.compile(
    r"""<(?:script|img|iframe|link(?![^>]*rel="?canonical))[^>]*(?:src|href)=["']?(?:https?:)?//[^"' >]+"""
)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly from a copy of the sources."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "zensical.toml", folder)
    generated = shutil.ignore_patterns("reference", "pictures")
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=generated)
    (folder / "cellcls").symlink_to(ROOT / "cellcls")
    made = {"reference": "docs/reference", "pictures": "docs/pictures", "notebooks": "build/notebooks"}
    for tool, target in made.items():
        subprocess.run([sys.executable, ROOT / f"tools/docs_{tool}.py", folder / target], check=True)
    done = subprocess.run(
        [Path(sys.executable).parent / "zensical", "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build/site"


def _text(page: Path) -> str:
    """Return a page's text, without tags and with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", page.read_text())).split())


def test_there_are_components_to_look_for():
    assert len(COMPONENTS) >= 54


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_every_component_and_setting_has_its_entry(site: Path, kind: str, name: str):
    page = site / f"reference/components/{kind}.html"
    assert f'id="{anchor(name)}"' in page.read_text()
    entry = page.read_text().partition(f'id="{anchor(name)}"')[2].partition("<h2")[0]
    for setting, field in fields_of(REGISTRY.find(kind, name)).items():
        assert f"<code>{setting}</code>" in entry
        assert " ".join(field.param.help.replace("`", "").split())[:40] in " ".join(
            html.unescape(re.sub(r"<[^>]+>", "", entry)).split()
        )


def test_every_command_and_option_has_its_entry(site: Path):
    page, text = (site / "reference/commands.html").read_text(), _text(site / "reference/commands.html")
    found = list(commands(cellcls, "cellcls"))
    assert len(found) >= 14
    for context in found:
        assert f'id="{anchor(context.command_path)}"' in page
        assert "-h, --help" in dict(options(context))
        for option, help in options(context):
            assert option in text
            assert " ".join(help.replace("`", "").split())[:30] in text


def test_every_key_of_a_recipe_has_its_entry(site: Path):
    page = (site / "reference/recipe.html").read_text()
    text = _text(site / "reference/recipe.html")
    rows = json.loads(CliRunner().invoke(cellcls, ["describe", "recipe", "--json"], catch_exceptions=False).stdout)
    assert len(rows) >= 60
    for row in rows:
        assert f"<code>{row['setting']}</code>" in page
        assert " ".join(row["help"].replace("`", "").split())[:40] in text
    for key in schema(REGISTRY)["properties"]:
        assert re.search(rf"<code>(\[+)?{key}\b", page), f"`{key}` may stand in a recipe and has no entry"


def test_every_environment_variable_has_its_entry(site: Path):
    def named(*places: str) -> set[str]:
        files = [path for place in places for path in sorted(ROOT.glob(place))]
        assert files
        return {name for path in files for name in re.findall(r"\bCELLCLS_[A-Z_]+\b", path.read_text())}

    code = named("cellcls/**/*.py", "cellcls/**/*.jinja", "plugins/*/src/**/*.py")
    tests = named("tests/**/*.py", "plugins/*/tests/*.py", "benchmarks/*", "Makefile", ".github/workflows/*")
    assert (code, tests - code) == (set(ENVIRONMENT), set(ENVIRONMENT_OF_TESTS))
    page = (site / "reference/environment.html").read_text()
    assert all(f"<code>{name}</code>" in page for name in ENVIRONMENT | ENVIRONMENT_OF_TESTS)


def test_every_shipped_plugin_has_its_entry(site: Path):
    page, text = (site / "reference/plugins.html").read_text(), _text(site / "reference/plugins.html")
    folders = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
    assert len(folders) >= 8
    for name in folders:
        assert f'id="{name}"' in page
        assert f"$ pip install ./plugins/{name}" in text


def test_fragments_of_the_changelog_are_no_pages(site: Path):
    assert not (site / "changes").exists()


def test_links_of_notebooks_lead_somewhere(site: Path):
    notebooks = sorted((site.parent / "notebooks").glob("*.ipynb"))
    assert len(notebooks) == 8
    found = 0
    for path in notebooks:
        cells = json.loads(path.read_text())["cells"]
        text = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
            found += 1
    assert found >= 20


def test_every_exit_code_has_its_entry(site: Path):
    text = _text(site / "reference/exit-codes.html")
    for code in ExitCode:
        assert f"{int(code)} {code.meaning}" in text


def test_the_hook_stands_with_its_exact_signature(site: Path):
    text = _text(site / "reference/hook.html")
    assert "def cellcls_components() -> list[type[Component]]" in text
    assert "def cellcls_models() -> list[TrainedModel]" in text


def test_the_api_has_every_kind(site: Path):
    page = (site / "reference/api.html").read_text()
    for cls in KINDS.values():
        assert f'id="cellcls.api.kinds.{cls.__name__}"' in page


def test_nothing_is_fetched_from_another_server(site: Path):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) >= 40
    for page in pages:
        assert not FETCHED.findall(page.read_text()), page
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )[\"']?https?:", sheet.read_text()), sheet


# --- in a browser ---------------------------------------------------------------------------------------------------

SHOWN = (
    "index.html",
    "tutorials/your-first-run.html",
    "tutorials/read-a-report.html",
    "how-to/get-data.html",
    "reference/recipe.html",
    "reference/plugins.html",
    "reference/components/augmentation.html",
    "design/export.html",
    "glossary.html",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium() is None:
        why = "no Chromium on this machine: apt-get install chromium"
        pytest.fail(why) if os.environ.get("CELLCLS_REQUIRE_BROWSER") else pytest.skip(why)
    with opened() as browser:
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1280])
def test_a_page_fits_its_window(site: Path, browser: Browser, width: int, scheme: str):
    shown = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    problems: list[str] = []
    shown.on("pageerror", lambda error: problems.append(str(error)))
    for page in SHOWN:
        shown.goto((site / page).as_uri())
        assert shown.evaluate("document.documentElement.scrollWidth") <= width, f"{page} is wider than the window"
        colour = shown.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3
        assert (light > 200) == (scheme == "light"), f"{page}: {colour}"
        broken = shown.evaluate("[...document.images].filter(one => !one.naturalWidth).map(one => one.src)")
        assert broken == []
    shown.close()
    assert problems == []


# --- the schema ---------------------------------------------------------------------------------------------------

VALIDATOR = jsonschema.Draft7Validator(schema(REGISTRY))
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))


def test_the_schema_is_one_and_finds_recipes():
    jsonschema.Draft7Validator.check_schema(VALIDATOR.schema)
    assert len(RECIPES) >= 14


def unfit(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(tomli.loads(text))]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_schema_takes_a_shipped_recipe(path: Path):
    assert unfit(path.read_text()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_takes_the_recipe_of_a_new_plugin(kind: str):
    text = dict(render(template_values("cellcls-new", [kind])))[Path("recipe.toml")]
    assert unfit(text.replace('use = "new"', f'use = "{REGISTRY.names(kind)[0]}"')) == []  # one that is there


TAUGHT = [
    pytest.param(recipe, id=f"{page.stem}-{number}")
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for number, recipe in enumerate(re.findall(r'^```toml title="\w+\.toml"\n(.*?)^```', page.read_text(), re.M | re.S))
    if "cellcls-fade" not in recipe  # the plugin that is written on that page
]


def test_there_are_recipes_in_the_docs():
    assert len(TAUGHT) >= 15


@pytest.mark.parametrize("text", TAUGHT)
def test_the_schema_takes_a_recipe_of_the_docs(text: str):
    assert unfit(text) == []


@pytest.mark.parametrize(
    "text",
    [
        'nmae = "a"',
        '[backbone]\nuse = "timm"\nmodl = "a"',
        '[backbone]\nuse = "tim"',
        '[backbone]\nuse = "timm"\nfilters = [1]',
        "[head]\ndropot = 0.1",
        "[[stages]]\nepoch = 1",
        "[[stages]]\nepochs = 0",
        '[[stages]]\noptimizer = { use = "adam", lrr = 1 }',
        "[[stages]]\nfreeze = { until = 3 }",
        '[split]\nval = "a"',
        "[input]\nsize = true",
        "[claim]\ntest.accuracy = { valu = 0.9 }",
        '[variants.a.head]\nuse = "linear"\ndropot = 1',
        '[[expect]]\nmetrc = "val.accuracy"',
        '[sweep]\nuse = "random"\ntrails = 3',
        '[sweep]\nuse = "random"\nspace = { "seed" = { lowest = 1 } }',
        '[variants.a.sweep]\nuse = "random"',
        '[variants.a]\nbase = "b.toml"',
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text: str):
    assert not VALIDATOR.is_valid(tomli.loads(text))


@pytest.mark.parametrize(
    "text", ["[head]\ndropout = 0.1", 'base = "a.toml"\n[dataset]\nfile = "b.npz"', "seeds = [1, 2]"]
)
def test_the_schema_takes_an_overlay(text: str):
    assert VALIDATOR.is_valid(tomli.loads(text))
