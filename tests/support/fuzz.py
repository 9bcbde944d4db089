"""Files as an attacker or a bad disk makes them: each kind of input, a whole example of it, and how it is opened."""

from __future__ import annotations

import io
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

import attrs
import numpy as np
from PIL import Image

from cellcls.api import Input
from cellcls.builtin.datasets import Npz
from cellcls.builtin.datasets.table import Table
from cellcls.engine.network import load_network
from cellcls.ops.curation.decisions import DecisionRow, read_decisions, write_decisions
from cellcls.ops.rendering.cells import render
from cellcls.ops.storage.decode import decode
from cellcls.recipe import load
from cellcls.registry import load_registry
from cellcls.report.read import read_run

FORMATS = ("png", "jpeg", "webp", "bmp", "tiff")
HOSTILE = (
    b"\x00", b"\xff\xfe", b"\x1b[31m", "\u202e".encode(), b"\xed\xa0\x80", b"-1", b"1e999", b"nan", b"9" * 400,
    b"2147483648", b"18446744073709551616", b"[" * 200, b'"', b"'", b"{", b"}", b"\n", b"\r", b",", b"=", b"../", b"~",
)  # fmt: skip
"""What mutations insert."""

Open = Callable[[Path], object]


@attrs.frozen(kw_only=True)
class Kind:
    """One kind of file: the bytes of whole examples, by suffix, and what opens such a file."""

    examples: Sequence[tuple[str, bytes]]
    open: Open
    count: int
    """How many mutations a whole round tries; `make test` tries a hundredth."""


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return data with one to eight changes: bytes flipped, cut, doubled, moved, or hostile ones put in."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(made) + 1)
        end = min(len(made), at + chance.choice((1, 2, 4, 16, 64, 1024)))
        match chance.randrange(6):
            case 0 if at < len(made):
                made[at] ^= 1 << chance.randrange(8)
            case 1:
                del made[at:end]
            case 2:
                made[at:at] = made[at:end]
            case 3:
                part = bytes(made[at:end])
                del made[at:end]
                made[(to := chance.randrange(len(made) + 1)) : to] = part
            case 4:
                made[at:end] = chance.choice(HOSTILE)
            case _:
                made[at:at] = chance.choice(HOSTILE)
    return bytes(made)


def kinds(run: Path, folder: Path) -> Mapping[str, Kind]:
    """Return every kind by its name. ``run``: a finished run; ``folder``: an empty folder to work in."""
    registry = load_registry(metadata.entry_points(group="cellcls"))
    cell = Image.fromarray(render(3, 11, size=32).image)
    cell.save(folder / "cell.png")

    def saved(format: str) -> bytes:
        to = io.BytesIO()
        cell.save(to, format)
        return to.getvalue()

    def npz() -> bytes:
        to = io.BytesIO()
        images = np.stack([render(label, 1, size=16).image for label in range(8)])
        np.savez(to, images=images, labels=np.arange(8))
        return to.getvalue()

    def opened(dataset: Npz | Table) -> Open:
        return lambda path: dataset.build(path=path, input=Input(size=16), cache=folder / "cache")

    def of_run(name: str) -> Open:
        def open_run(path: Path) -> object:
            shutil.copy(path, copy / name)
            return read_run(copy)

        copy = Path(tempfile.mkdtemp(dir=folder)) / "run"
        shutil.copytree(run, copy, ignore=shutil.ignore_patterns("*.npz", "*.png", "*.safetensors"))
        return open_run

    rows = [DecisionRow(index=3, file="a.png", hash="0" * 32, finding="copy", reason="copy of 2", action="drop")]
    recipes = sorted((Path(__file__).parents[2] / "recipes").glob("*.toml"))
    made = {
        "recipe": Kind(
            examples=[(".toml", text) for path in recipes if b"\nbase" not in (text := path.read_bytes())],
            open=lambda path: load(path, registry, rehearse=True),
            count=20_000,
        ),
        "image": Kind(examples=[(f".{name}", saved(name)) for name in FORMATS], open=decode, count=8_000),
        "npz": Kind(examples=[(".npz", npz())], open=opened(Npz(file=folder)), count=5_000),
        "weights": Kind(
            examples=[(".safetensors", (run / "best.safetensors").read_bytes())],
            open=lambda path: load_network(path, registry),
            count=5_000,
        ),
        "decisions": Kind(
            examples=[(".csv", write_decisions("0" * 32, 9, rows).encode())], open=read_decisions, count=3_000
        ),
        "table": Kind(
            examples=[(".csv", b"file,label,patient\ncell.png,basophil,P1\n./cell.png,basophil,P1\n")],
            open=opened(Table(file=folder, root=folder)),
            count=3_000,
        ),
    }
    parts = ("recipe.toml", "metrics.json", "data.json", "history.jsonl", "environment.json")
    return made | {
        f"run's {name}": Kind(
            examples=[(Path(name).suffix, (run / name).read_bytes())], open=of_run(name), count=3_000 // len(parts)
        )
        for name in parts
    }
