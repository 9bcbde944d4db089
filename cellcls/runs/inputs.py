"""Finding a recipe's inputs before anything heavy is imported; what is missing is told in one list."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import attrs

from cellcls.api import Component, Dataset, WantedWeights, changed
from cellcls.errors import DataError, MissingInputError, MissingPluginError
from cellcls.ops.storage.files import printable
from cellcls.recipe import Init, Recipe, Split
from cellcls.registry import Registry
from cellcls.runs.options import Options

_log = logging.getLogger(__name__)
_KNOWN = (
    "a data set is an npz with `images` and `labels` (the challenge's training_set.npz), a MedMNIST npz "
    "(bloodmnist.npz), or a folder with a folder of images for each of two classes or more; cellcls describe dataset "
    "lists all kinds"
)


@attrs.frozen(kw_only=True)
class Inputs:
    """A recipe whose data set is found. ``path``: where its file is (None: it has none)."""

    recipe: Recipe
    path: Path | None
    given: bool = False
    """Whether the data set came with ``--data`` instead of being the recipe's own."""


def find_inputs(recipe: Recipe, recipe_file: Path, registry: Registry, options: Options) -> Inputs:
    """Find the data set's file and check that wanted weights can be had.

    Raises ``MissingPluginError`` where a callback's library is not installed, ``MissingInputError`` with one list of
    all that is missing and the ways out.
    """
    _refuse_missing_libraries(recipe, registry)
    if options.rehearse:
        return Inputs(recipe=rehearsal(recipe, registry), path=None)
    recipe = _with_files(recipe, recipe_file, options.data)
    wanted = None if recipe.init.from_ else recipe.backbone.wants(options.weight_places)
    replaced = _given(recipe, registry, options.data)
    if replaced:
        return _absolute(replaced)
    file = getattr(recipe.dataset, "file", None)
    if file is None:
        return Inputs(recipe=recipe, path=None)
    looked = list(_places(file, recipe_file, options.data))
    found = next((place for place in looked if place.exists()), None)
    if found is None:
        raise MissingInputError(*_missing(recipe, file, recipe_file, looked, wanted))
    return _absolute(Inputs(recipe=recipe, path=found))


def _refuse_missing_libraries(recipe: Recipe, registry: Registry) -> None:
    for callback in recipe.callbacks:
        for library in callback.imports:
            if find_spec(library) is None:
                plugin = registry.plugin_of(type(callback)).distribution
                raise MissingPluginError(
                    f"the callback `{callback.component_name}` needs the library `{library}`, which is not installed",
                    f"install its plugin anew, which brings it: pip install --force-reinstall {plugin}",
                )


def _with_files(recipe: Recipe, recipe_file: Path, data: Path | None) -> Recipe:
    """Return the recipe with the files of its cleaners found. Raises ``MissingInputError``."""
    found = (_with_file(one, one.component_name, recipe_file, data) for one in recipe.cleaners)
    return changed(recipe, cleaners=tuple(found))


def _with_file(part: Component, cleaner: str, recipe_file: Path, data: Path | None) -> Any:
    """Return a cleaner, or the data set it looks at, with its file found. Raises ``MissingInputError``."""
    settings: dict[str, Any] = {}
    for name, value in _needing_files(part).items():
        if isinstance(value, Dataset):
            settings[name] = _with_file(value, cleaner, recipe_file, data)
            continue
        looked = list(_places(value, recipe_file, data))
        found = next((place for place in looked if place.exists()), None)
        if found is None:
            raise MissingInputError(
                f"{recipe_file}: the file `{value}` of the cleaner `{cleaner}` is not there",
                "looked for: " + ", ".join(dict.fromkeys(map(str, looked))),
                *(part.how_to_get if isinstance(part, Dataset) else ()),
            )
        settings[name] = found.resolve()
    return changed(part, **settings)


def _needing_files(part: Component) -> dict[str, Any]:
    """Return the settings that name a file, or a data set."""
    return {
        name: value
        for name, value in attrs.asdict(part, recurse=False).items()
        if name == "file" or isinstance(value, Dataset)
    }


def datasets(registry: Registry) -> list[type[Dataset]]:
    """Return the classes of all data sets by name, those that take any folder of pictures last."""
    found = [cast("type[Dataset]", registry.find("dataset", name)) for name in registry.names("dataset")]
    return sorted(found, key=lambda cls: cls.accepts_any_images)


def recognised(path: Path, registry: Registry, own: Dataset | None = None) -> Dataset | None:
    """Return the data set that ``path`` is, asked of every dataset component, or None.

    The recipe's ``own`` is asked first, and where it says yes keeps its settings. One that cannot tell is passed over.
    """
    if own is not None and _recognises(type(own), path, registry):
        return changed(own, file=path)
    for cls in datasets(registry):
        if _recognises(cls, path, registry):
            return cast("Any", cls)(file=path)  # type: ignore[no-any-return]
    return None


def _recognises(cls: type[Dataset], path: Path, registry: Registry) -> bool:
    try:
        return cls.recognises(path)
    except Exception as error:
        which = f"the data set `{cls.component_name}` of the plugin {registry.plugin_of(cls).distribution}"
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        _log.warning("%s cannot tell what %s is: %s", which, path, reason)
        return False


def open_given(path: Path, registry: Registry) -> Dataset:
    """Return the data set that ``path`` is. Raises ``MissingInputError`` where nothing is there, ``DataError`` where
    what is there is no data set."""
    if not path.exists():
        raise MissingInputError(f"no data at {path}", _KNOWN)
    dataset = recognised(path, registry)
    if dataset is None:
        held = ""
        if path.is_file() and path.suffix == ".npz":
            from cellcls.ops.storage import npz  # numpy is slow to arrive

            names = ", ".join(f"`{name}`" for name in npz.keys(path))
            held = f"; it holds {names or 'no array'}"
        raise DataError(f"{path}: no data set that cellcls knows{held}", _KNOWN)
    return dataset


def rehearsal(recipe: Recipe, registry: Registry) -> Recipe:
    """Return the recipe on rendered cells, one epoch a stage (the engine takes one step of it), no weights asked."""
    return changed(
        recipe,
        dataset=next(made for cls in datasets(registry) if (made := cls.for_rehearsal()) is not None),
        split=Split(),
        init=Init(),
        cleaners=tuple(one for one in recipe.cleaners if not _needing_files(one)),
        stages=tuple(changed(stage, epochs=1) for stage in recipe.stages),
        explain=tuple(changed(one, images=min(one.images, 2), depths=min(one.depths, 4)) for one in recipe.explain),
    )


def _given(recipe: Recipe, registry: Registry, data: Path | None) -> Inputs | None:
    """Return the recipe on the data set that ``--data`` is, unless it is a folder to look in. A set of the recipe's
    own kind keeps the recipe's settings."""
    if data is None:
        return None
    own, file = recipe.dataset, getattr(recipe.dataset, "file", None)
    if file is None:
        dataset = open_given(data, registry)
    elif data.is_dir() and any((data / name).exists() for name in _names(file)):
        return None
    else:
        known = recognised(data, registry, own) if data.exists() else None
        if known is None and data.is_dir():
            raise MissingInputError(f"{data}: holds no `{file.name}`, and is no data set that cellcls knows", _KNOWN)
        alike = known is None and data.is_file() and data.suffix == file.suffix
        dataset = changed(own, file=data) if alike else known or open_given(data, registry)
    return Inputs(recipe=changed(recipe, dataset=dataset), path=data, given=True)


def _names(file: Path) -> tuple[Path, ...]:
    """Return the names a recipe's file may have in a folder to look in."""
    return (Path(file.name),) if file.is_absolute() else tuple(dict.fromkeys((file, Path(file.name))))


def _absolute(inputs: Inputs) -> Inputs:
    """Write where the file was found into the recipe, so that the run's own recipe repeats the run."""
    if inputs.path is None:
        return inputs
    path = inputs.path.resolve()
    if printable(path) != str(path):
        raise DataError(f"{printable(path)}: a name that is no UTF-8 cannot stand in the run's recipe", "rename it")
    dataset = changed(inputs.recipe.dataset, file=path)
    return attrs.evolve(inputs, recipe=changed(inputs.recipe, dataset=dataset), path=path)


def _places(file: Path, recipe_file: Path, data: Path | None) -> Iterator[Path]:
    if file.is_absolute():
        yield file
    variable = os.environ.get("CELLCLS_DATA")
    for folder in (data, recipe_file.parent, Path("data"), Path(variable) if variable else None):
        if folder is not None:
            yield from (folder / name for name in _names(file))


def _missing(
    recipe: Recipe, file: Path, recipe_file: Path, looked: list[Path], wanted: WantedWeights | None
) -> Iterator[str]:
    yield f"{recipe_file}: its data set `{file}` is not there"
    yield "looked for: " + ", ".join(dict.fromkeys(map(str, looked)))
    if "CELLCLS_DATA" not in os.environ:
        yield "(the environment variable CELLCLS_DATA names a further folder to look in; it is not set)"
    yield from recipe.dataset.how_to_get
    if wanted is not None:
        size = f"about {wanted.megabytes:.0f} MB" if wanted.megabytes else "size unknown"
        state = "at hand" if wanted.at_hand else "not here yet"
        yield f"weights it will need: {wanted.name} ({size}, {state})" + (
            f"; {wanted.how_to_get}" if wanted.how_to_get and not wanted.at_hand else ""
        )
    yield f"to see it work without any of this: cellcls run {recipe_file} --rehearse"
