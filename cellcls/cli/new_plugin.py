"""``cellcls new-plugin``: creates an installable package to start a plugin from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

import attrs
import click

from cellcls.api import KINDS
from cellcls.cli.output import PathType, json_option, print_json
from cellcls.errors import UsageError
from cellcls.ops.storage.files import write_text
from cellcls.registry import load_registry
from cellcls.terminal import answer, say

TEMPLATE = Path(__file__).parent / "template" / "package"
"""Jinja templates of file names and contents; with the repository's ``copier.yml``, copier makes the same files."""
LICENCES = ("Apache-2.0", "MIT", "none")
_NAME = re.compile(r"cellcls-[a-z][a-z0-9]*(-[a-z0-9]+)*")


@click.command("new-plugin")
@click.argument("name")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice([*KINDS]), help="Kind of component to offer; may be repeated."
)
@click.option("--out", type=PathType(), help="Folder to create; default: NAME.")
@click.option(
    "--licence", type=click.Choice(LICENCES), default="Apache-2.0", show_default=True, help="Licence of the plugin."
)
@click.option("--author", default="The authors", show_default=True, help="Author of the plugin.")
@json_option
def new_plugin(name: str, kinds: tuple[str, ...], out: Path | None, licence: str, author: str, as_json: bool) -> None:
    """Create a working package: a component of each --kind (default: augmentation), tests, a recipe and a README."""
    folder = out or Path(name)
    wanted = kinds or ("augmentation",)
    values = template_values(name, wanted, licence=licence, author=author)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} already exists; nothing was written", "choose another folder with --out")
    _refuse_taken(name, values.short, wanted)
    written = []
    for path, text in render(values):
        write_text(folder / path, text)
        written.append(path.as_posix())
    if as_json:
        print_json({"folder": str(folder), "files": written})
        return
    say(f"wrote {folder}; next:")
    answer(f"cd {folder}\npip install -e .\npython -m pytest\ncellcls run recipe.toml")


@attrs.frozen(kw_only=True)
class TemplateValues:
    """What the template fills in."""

    name: str
    module: str
    short: str
    """The name of its component."""
    title: str
    """The start of its class names."""
    kinds: tuple[str, ...]
    licence: str
    author: str
    version: str
    """Of cellcls, which it requires at least."""


def template_values(name: str, kinds: Sequence[str], *, licence: str = "none", author: str = "") -> TemplateValues:
    """Return the values for the template. Raises ``UsageError`` if the name is not valid for a plugin."""
    if not _NAME.fullmatch(name):
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").removeprefix("cellcls-")
        offer = [f"such as: cellcls new-plugin cellcls-{plain}"] if _NAME.fullmatch(f"cellcls-{plain}") else []
        raise UsageError(
            f"`{name}` is not valid as a plugin's name: write lowercase words joined by hyphens, first cellcls",
            *offer,
        )
    if not author.isprintable() or set('"\\') & set(author):
        raise UsageError("--author must not contain quotes, backslashes or line breaks")
    module = name.replace("-", "_")
    short = module.removeprefix("cellcls_")
    return TemplateValues(
        name=name,
        module=module,
        short=short,
        title=short.replace("_", " ").title().replace(" ", ""),
        kinds=tuple(kind for kind in KINDS if kind in kinds),
        licence=licence,
        author=author,
        version=".".join(metadata.version("cellcls").split(".")[:2]),
    )


def _refuse_taken(name: str, short: str, kinds: Sequence[str]) -> None:
    """Raise ``UsageError`` if another plugin offers a component of this kind and name."""
    registry = load_registry()
    for kind in kinds:
        taken = registry.find(kind, short)
        owner = registry.plugin_of(taken).distribution if taken else name
        if owner != name:
            raise UsageError(
                f"the {kind} `{short}` already exists in {owner}; a component is named like its plugin",
                f"nothing was written; choose another name: cellcls new-plugin cellcls-my-{short.replace('_', '-')}",
            )


def render(values: TemplateValues) -> Iterator[tuple[Path, str]]:
    """Yield each file's path in the package and its text. Files whose rendered name is empty are skipped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    filled = attrs.asdict(values)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for file in sorted(path for path in TEMPLATE.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        named = file.relative_to(TEMPLATE)
        parts = [environment.from_string(part.removesuffix(".jinja")).render(filled) for part in named.parts]
        if not all(parts):
            continue
        text = file.read_text(encoding="utf-8")
        yield Path(*parts), environment.from_string(text).render(filled) if file.suffix == ".jinja" else text
