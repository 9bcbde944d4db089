"""Write the reference pages: from the registry, the command line, the grammar, the exit codes and the hook.

python tools/docs_reference.py docs/reference

Nothing here states a fact of its own: a component's page says what `cellcls describe` says.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import tomli
import yaml
from click.testing import CliRunner
from docs_schema import schema

from cellcls.api import KINDS
from cellcls.api.hooks import cellcls_components, cellcls_models
from cellcls.cli.main import cellcls
from cellcls.errors import ExitCode
from cellcls.recipe.model import OUTER
from cellcls.registry import Registry, load_registry

ROOT = Path(__file__).parents[1]
MADE = "<!-- Made by tools/docs_reference.py; do not edit. -->\n\n"


def pages(registry: Registry) -> dict[str, str]:
    """Return the text of every reference page by its path below ``reference/``."""
    made = {
        "index.md": _index(registry),
        "commands.md": _commands(),
        "recipe.md": _recipe(),
        "exit-codes.md": _exit_codes(),
        "hook.md": _hook(),
        "api.md": _API,
        "schema.md": _SCHEMA,
        "environment.md": _environment(),
        "plugins.md": _plugins(),
        "citation.md": _citation(),
        "picture-files.md": _picture_files(),
        "run-folder.md": _RUN_FOLDER,
        "library.md": _LIBRARY,
        "recipes.md": _shipped_recipes(),
    }
    made |= {f"components/{kind}.md": _components(kind, registry) for kind in KINDS}
    return {path: text if path == "recipes.md" else MADE + text for path, text in made.items()}


def _picture_files() -> str:
    """Return what is read of each sort of picture file, as the tests hold it."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.picture_modes import MODES

    from cellcls.ops.storage.picture_limits import MAX_PIXELS, MAX_SCANS, MAX_SIDE

    def outcome(says: str, refused: bool) -> str:
        if refused:
            return f'refused: "... {says} ..."'
        return f'read, with a warning: "... {says} ..."' if says else "read"

    rows = [[mode.name, outcome(mode.says, mode.right is None)] for mode in MODES]
    return f"""# Picture files

JPEG, PNG, WebP, BMP and TIFF, told by what is in the file and not by its name. Each line is a test: what is read is
compared with what was written. Warnings say what was assumed where a file does not say how it is meant; they come once
for a whole set, with the number of its files.

Limits: {MAX_PIXELS:,} pixels, {MAX_SIDE:,} a side, {MAX_SCANS} scans of a JPEG. The images that are decoded at the same
time have together no more pixels than the largest one may, so that decoding takes at most about 1 GB.

{_table(["file", "what becomes of it"], rows)}
"""


def _index(registry: Registry) -> str:
    rows = [
        [
            f"[{kind}](components/{kind}.md)",
            first_sentence(cls.__doc__),
            ", ".join(f"[`{name}`](components/{kind}.md#{anchor(name)})" for name in registry.names(kind)),
        ]
        for kind, cls in KINDS.items()
    ]
    plugins = sorted({plugin.distribution for plugin in registry.plugins if not plugin.failure})
    return (
        "# Reference\n\nMade from the code when the site is built.\n\n"
        "- [Commands](commands.md), [exit codes](exit-codes.md), [environment variables](environment.md)\n"
        "- [The recipe's grammar](recipe.md), [its JSON Schema for editors](schema.md), "
        "[the shipped recipes](recipes.md)\n"
        "- [Plugins that ship](plugins.md); [the hooks](hook.md) and [the API](api.md) for plugins\n"
        "- [What to cite](citation.md)\n\n## Components\n\n"
        f"Of {', '.join(plugins)}.\n\n" + _table(["kind", "what it is", "components"], rows)
    )


def _components(kind: str, registry: Registry) -> str:
    cls = KINDS[kind]
    parts = [f"# {kind.replace('_', ' ').capitalize()}\n\n{prose(cls.__doc__)}\n"]
    for name in registry.names(kind):
        about = _answer("describe", kind, name)
        parts.append(f"## `{name}` {{ #{anchor(name)} }}\n\n{prose(about['help'])}\n\nFrom `{about['plugin']}`.\n")
        parts.append(_settings(about["settings"]) if about["settings"] else "It has no settings.\n")
    if not registry.names(kind):
        parts.append("None is installed.\n")
    return "\n".join(parts)


def _recipe() -> str:
    rows = _answer("describe", "recipe")
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        section, _, _ = row["setting"].rpartition(".")
        groups.setdefault(section, []).append(row)
    parts = [_GRAMMAR.format(outer=" and ".join([", ".join(f"`{key}`" for key in OUTER[:-1]), f"`{OUTER[-1]}`"]))]
    for section, settings in groups.items():
        title = f"`[{section.replace('[]', '')}]`" if section else "The file itself"
        if section.endswith("[]"):
            title = f"`[[{section.removesuffix('[]')}]]`"
        parts.append(f"## {title} {{ #{anchor(section or 'file')} }}\n\n{_settings(settings)}")
    return "\n".join(parts)


def _settings(rows: Sequence[dict[str, str]]) -> str:
    return _table(
        ["setting", "type", "range", "default", "what it is"],
        [[f"`{row['setting']}`", row["type"], row["range"], f"`{row['default']}`", row["help"]] for row in rows],
    )


def _commands() -> str:
    parts = ["# Commands\n\nEvery command takes `--help`. Results go to stdout, progress and problems to stderr.\n"]
    for context in commands(cellcls, "cellcls"):
        command, path = context.command, context.command_path
        usage = f"{path} {' '.join(command.collect_usage_pieces(context))}"
        parts.append(
            f"## `{path}` {{ #{anchor(path)} }}\n\n{prose(command.help)}\n\n<pre><code>{_plain(usage)}</code></pre>\n"
        )
        rows = [[f"<code>{_plain(option)}</code>", help] for option, help in options(context)]
        parts.append(_table(["option", "what it does"], rows))
    return "\n".join(parts)


def commands(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Yield the context of a command, and of all below it, as a call would make it."""
    context = command.context_class(command, parent, name, **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for below in sorted(command.list_commands(context)):
            subcommand = command.get_command(context, below)
            assert subcommand is not None
            yield from commands(subcommand, below, context)


def options(context: click.Context) -> list[tuple[str, str]]:
    """Return a command's options as its help shows them."""
    records = [option.get_help_record(context) for option in context.command.get_params(context)]
    return [record for record in records if record]


def _exit_codes() -> str:
    rows = [[f"`{int(code)}`", code.meaning] for code in ExitCode]
    return (
        "# Exit codes\n\nWhat every command ends with; values from 64 follow BSD's `sysexits.h`. How a script uses "
        "them: [Read exit codes in scripts](../how-to/exit-codes.md).\n\n" + _table(["code", "meaning"], rows)
    )


def _hook() -> str:
    return _HOOK.format(hooks="\n\n".join(_signature(hook) for hook in (cellcls_components, cellcls_models)))


def _signature(hook: Callable[..., object]) -> str:
    signature = f"def {hook.__name__}{inspect.signature(hook)}"
    return f"<pre><code>{signature}</code></pre>\n\n{inspect.getdoc(hook)}".replace("'", "")


def _environment() -> str:
    tables = [
        _table(["variable", "what it does"], [[f"`{name}`", help] for name, help in variables.items()])
        for variables in (ENVIRONMENT, ENVIRONMENT_OF_TESTS)
    ]
    return _ENVIRONMENT.format(*tables)


def _plugins() -> str:
    folders = [path.parent for path in sorted((ROOT / "plugins").glob("*/pyproject.toml"))]
    rows = []
    for folder in folders:
        about = tomli.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        rows.append([f"[{about['name']}](#{about['name']})", about["description"]])
    readmes = [(folder / "README.md").read_text(encoding="utf-8") for folder in folders]
    shown = [re.sub(r"^#", "##", _COMMENT.sub("", text), flags=re.MULTILINE) for text in readmes]
    return _PLUGINS + _table(["plugin", "what it is"], rows) + "\n" + "\n".join(shown)


def _citation() -> str:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    lines = []
    for one in cited["references"]:
        authors = ", ".join(f"{author['given-names']} {author['family-names']}" for author in one["authors"])
        where = f"*{one['journal']}* {one['volume']}, {one['start']} ({one['year']})"
        lines.append(
            f"- {one['scope']}: {authors}. {one['title']}. {where}. [{one['doi']}](https://doi.org/{one['doi']})\n"
        )
    return f"# What to cite\n\n{cited['message']} `CITATION.cff` has this list for tools.\n\n" + "".join(lines)


def _shipped_recipes() -> str:
    return (ROOT / "recipes/README.md").read_text(encoding="utf-8")


def _answer(*args: str) -> Any:
    """Return what a command says in JSON."""
    done = CliRunner().invoke(cellcls, [*args, "--json"], catch_exceptions=False)
    return json.loads(done.stdout)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([_cell(one) for one in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def prose(text: str | None) -> str:
    """Return a docstring as Markdown: double backticks are single ones."""
    return inspect.cleandoc(text or "").replace("``", "`").replace("<", "&lt;")


def first_sentence(text: str | None) -> str:
    """Return a docstring's first sentence."""
    head, dot, _ = " ".join(prose(text).split()).partition(". ")
    return head + dot.strip()


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")


def anchor(name: str) -> str:
    """Return the anchor of an entry: ``cellcls recipes ls`` is ``cellcls-recipes-ls``."""
    return name.replace(" ", "-").replace("[]", "").replace(".", "-")


_COMMENT = re.compile(r"^<!--.*?-->\n+", re.MULTILINE | re.DOTALL)

ENVIRONMENT = {
    "CELLCLS_DATA": "A further folder in which recipes look for their data, and where `cellcls fetch` puts it.",
    "CELLCLS_CACHE": "Folder for what can be made anew: decoded data sets, answers of plugins. Default: the user's.",
    "CELLCLS_PLUGINS": "The only plugins to load, separated by commas; none if it is empty. The built-ins stay.",
    "CELLCLS_BLOCK": "Plugins not to load, separated by commas.",
}
"""What the code reads; a test compares them."""
ENVIRONMENT_OF_TESTS = {
    "CELLCLS_TEST_DATA": "Folder with real cells, for tests and benchmarks; without it those tests are skipped.",
    "CELLCLS_FUZZ": "Folder in which `make check-hard` keeps how far it is, and the damaged files that it found.",
    "CELLCLS_REQUIRE_BROWSER": "Tests in a browser fail where there is none, rather than being skipped.",
}

_ENVIRONMENT = """\
# Environment variables

They say how cellcls finds things on a machine, and are never part of a recipe. An option of the command line comes
first.

{}
Others' variables hold as well: torch's (`OMP_NUM_THREADS`, `CUDA_VISIBLE_DEVICES`), `HF_HOME` for timm's weights,
`MLFLOW_TRACKING_URI`, and [`NO_COLOR`](https://no-color.org). `OMP_WAIT_POLICY` is set to `PASSIVE` unless you have set
it, so that threads that wait leave the cores to others.

Your shell completes commands and options after this line in its start-up file, with `zsh_source` or `fish_source` where
it is not bash:

<pre><code>eval "$(_CELLCLS_COMPLETE=bash_source cellcls)"</code></pre>

## Of the tests

{}"""

_PLUGINS = """\
# Plugins that ship

Packages of their own that lie below `plugins/` in the repository. Each uses only what any plugin may use, so they are
models to copy as well. `pip install ./plugins/NAME` in a checkout of cellcls installs one. What is installed:
`cellcls list-plugins`; when one fails: [When a plugin is broken](../how-to/broken-plugin.md).

"""

_GRAMMAR = """\
# Recipe

A recipe is one TOML file that holds everything that changes a result. A section that is absent has its defaults;
`cellcls show RECIPE` prints them all, and where each value came from. A table of a component names it with `use` and
otherwise holds that component's settings; they are listed under [Components](index.md#components). A key that nobody
reads is an error.

{outer} stand around the recipe: they are of the file. `base = "other.toml"` lays the file over another:
tables merge by key, a list replaces the list, a changed `use` drops the old settings. `seeds = [1, 2, 3]` makes a run
of each. `[variants.NAME]` is such an overlay with a claim of its own; `--set KEY=VALUE` is one for a single call.
`[[expect]]` says how the runs compare, and `[sweep]` makes many runs with other settings. `stages[]` below means any
entry of the list; `--set stages.0.epochs=3` reaches into the first. `NAME` in a key stands for a name that the recipe
chooses.
"""

_HOOK = """\
# The hooks

A plugin is a package with an entry point of the group `cellcls`, which names a module. In that module it implements
one hook of cellcls or both, marked with `cellcls.api.hookimpl`:

{hooks}

The built-ins use the same hooks. Importing a plugin registers nothing and must be quick: torch is imported inside
`build`. A name that is taken, a misspelt hook, a class that is no component and an import that fails are named by
`cellcls list-plugins`, and everything else goes on working. How to write one:
[Write a plugin](../tutorials/write-a-plugin.md).
"""

_LIBRARY = """\
# Library

`import cellcls` gives these names; nothing else is imported before one of them is used. A tutorial shows them at work:
[In a notebook or a script](../tutorials/in-a-notebook.md).

::: cellcls.library.functions

::: cellcls.library.using
    options:
      members: [predict, evaluate]

::: cellcls.library.handles

::: cellcls.library.table

## What they return

::: cellcls.engine.inference
    options:
      members: [DataEvaluation, Explained]
"""

_RUN_FOLDER = """\
# The run folder

::: cellcls.runs
    options:
      members: []

::: cellcls.runs.records

::: cellcls.runs.plan

## Metrics

::: cellcls.ops.statistics.table
"""


_API = """\
# API

What a plugin may use: `cellcls.api`, `cellcls.ops`, `cellcls.errors` and, in its tests, `cellcls.testing`.

::: cellcls.api.component
    options:
      members: [component, param, changed, Component, Param]

## Kinds

::: cellcls.api.kinds

## Trained models

::: cellcls.api.models

## Files that settings name

::: cellcls.api.files
    options:
      members: [files, with_files]

## Events

::: cellcls.api.events

## Operations an augmentation returns

::: cellcls.api.operations

## Errors

::: cellcls.errors
"""

_SCHEMA = """\
# JSON Schema of recipes

[`recipe.schema.json`](recipe.schema.json) lets an editor complete and check a recipe while it is typed. It knows the
components that were installed when it was made; `cellcls check RECIPE` knows more, as it sees the data and the
machine too.

An editor that uses [Taplo](https://taplo.tamasfe.dev), such as VS Code with the extension Even Better TOML, reads a
line at the top of the recipe, with the path of the file you downloaded:

<pre><code>#:schema ./recipe.schema.json</code></pre>

From a checkout, with your own plugins in it: `python tools/docs_schema.py recipe.schema.json`.
"""


def main() -> None:
    """Write all pages and the schema."""
    folder, registry = Path(sys.argv[1]), load_registry()
    for path, text in pages(registry).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    made = json.dumps(schema(registry), indent=1, ensure_ascii=False)
    (folder / "recipe.schema.json").write_text(made + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
