"""The recipes that come with cellcls."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from cellcls.errors import closest


def shipped() -> list[Path]:
    """Return the shipped recipes: those of the checkout, or those installed with the wheel."""
    checkout = Path(__file__).resolve().parents[2] / "recipes"
    if checkout.is_dir():
        return sorted(checkout.glob("*.toml"))
    files = metadata.files("cellcls") or []
    found = [Path(str(file.locate())) for file in files if "share/cellcls/recipes/" in file.as_posix()]
    return sorted(path.resolve() for path in found if path.suffix == ".toml")


def instead_of(name: str) -> str:
    """Return what to write for ``name``, which is no recipe here but may be meant as a shipped one."""
    close = closest(name, [path.stem for path in shipped()])
    if close is None:
        return "to see the shipped recipes: cellcls recipes ls"
    meant = f"`{name}` is a shipped recipe" if close == name else f"did you mean the shipped recipe `{close}`?"
    return f"{meant}  To copy it here: cellcls recipes cp {close}"
