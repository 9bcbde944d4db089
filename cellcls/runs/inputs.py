"""Finding a recipe's inputs before anything heavy is imported; what is missing is told in one list."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import attrs

from cellcls.api import Cleaner, Component, Dataset, WantedWeights, changed, files, settings, with_files
from cellcls.errors import DataError, MissingInputError, MissingPluginError
from cellcls.ops.storage.files import printable
from cellcls.ops.storage.paths import folder_in, is_absolute, last_name
from cellcls.recipe import Init, Recipe, Split
from cellcls.recipe.backslashes import misread
from cellcls.registry import Registry
from cellcls.runs.options import Options

_log = logging.getLogger(__name__)
_KNOWN = (
    "a data set is an npz with `images` and `labels` (the challenge's training_set.npz), a MedMNIST npz "
    "(bloodmnist.npz), a table (CSV, TSV, Parquet) of image files and labels, or a folder with a folder of images for "
    "each of two classes or more; cellcls describe dataset lists all kinds"
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
    recipe = changed(
        recipe,
        cleaners=tuple(with_files(cleaner, _finder(cleaner, recipe_file, options.data)) for cleaner in recipe.cleaners),
    )
    wanted = None if recipe.init.from_ else recipe.backbone.wants(options.weight_places)
    replaced = _given(recipe, registry, options.data)
    if replaced:
        return _absolute(replaced, recipe_file, options.data)
    file = recipe.dataset.location()
    if file is None:
        return _absolute(Inputs(recipe=recipe, path=None), recipe_file, options.data)
    looked = list(_places(file, recipe_file, options.data))
    found = next((place for place in looked if place.exists()), None)
    if found is None:
        raise MissingInputError(*_missing(recipe, file, recipe_file, looked, wanted))
    return _absolute(Inputs(recipe=recipe, path=found), recipe_file, options.data)


def _refuse_missing_libraries(recipe: Recipe, registry: Registry) -> None:
    for callback in recipe.callbacks:
        for library in callback.imports:
            if find_spec(library) is None:
                plugin = registry.plugin_of(type(callback)).distribution
                raise MissingPluginError(
                    f"the callback `{callback.component_name}` needs the library `{library}`, which is not installed",
                    f"install its plugin anew, which brings it: pip install --force-reinstall {plugin}",
                )


def _finder(part: Component, recipe_file: Path, data: Path | None) -> Callable[[Component, Path], Path]:
    """Return the function that finds the files that a part of a recipe names. It raises ``MissingInputError`` and
    ``DataError``."""

    def find(owner: Component, file: Path) -> Path:
        looked = list(_places(file, recipe_file, data))
        found = next((place for place in looked if place.exists()), None)
        if found is None:
            raise MissingInputError(
                f"{recipe_file}: the file `{file}` of the {part.kind} `{part.component_name}` is not there",
                "looked for: " + ", ".join(dict.fromkeys(map(str, looked))),
                *(owner.how_to_get if isinstance(owner, Dataset) else ()),
            )
        path = found.resolve()
        if printable(path) != str(path):
            raise DataError(f"{printable(path)}: a name that is no UTF-8 cannot stand in the run's recipe", "rename it")
        if misread(str(path)):
            raise DataError(f"{str(path)!r}: a name with control characters cannot stand in a recipe", "rename it")
        return path

    return find


def _stands_alone(cleaner: Cleaner) -> bool:
    """Tell whether a cleaner needs neither a file nor another data set."""
    return not files(cleaner) and not any(isinstance(value, Dataset) for value in settings(cleaner).values())


def datasets(registry: Registry) -> list[type[Dataset]]:
    """Return the classes of all data sets by name, those that take any folder of pictures last."""
    found = [cast("type[Dataset]", registry.find("dataset", name)) for name in registry.names("dataset")]
    return sorted(found, key=lambda cls: cls.accepts_any_images)


def recognised(path: Path, registry: Registry, own: Dataset | None = None) -> Dataset | None:
    """Return the data set that ``path`` is, asked of every dataset component, or None.

    The recipe's ``own`` is asked first, and where it says yes keeps its settings. One that cannot tell is passed over.
    """
    asked: list[tuple[type[Dataset], Callable[[Path], Dataset]]] = [(cls, cls.at) for cls in datasets(registry)]
    if own is not None:
        asked.insert(0, (type(own), own.moved_to))
    for cls, at in asked:
        try:
            if cls.recognises(path):
                return at(path)
        except Exception as error:
            which = f"the data set `{cls.component_name}` of the plugin {registry.plugin_of(cls).distribution}"
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            _log.warning("%s cannot tell what %s is: %s", which, path, reason)
    return None


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
        cleaners=tuple(cleaner for cleaner in recipe.cleaners if _stands_alone(cleaner)),
        stages=tuple(changed(stage, epochs=1) for stage in recipe.stages),
        explain=tuple(
            changed(explainer, images=min(explainer.images, 2), depths=min(explainer.depths, 4))
            for explainer in recipe.explain
        ),
    )


def _given(recipe: Recipe, registry: Registry, data: Path | None) -> Inputs | None:
    """Return the recipe on the data set that ``--data`` is, unless it is a folder to look in. A set of the recipe's
    own kind keeps the recipe's settings."""
    if data is None:
        return None
    own, file = recipe.dataset, recipe.dataset.location()
    if file is None:
        dataset = open_given(data, registry)
    elif data.is_dir() and any((data / name).exists() for name in _names(file)):
        return None
    else:
        known = recognised(data, registry, own) if data.exists() else None
        if known is None and data.is_dir():
            raise MissingInputError(f"{data}: holds no `{file.name}`, and is no data set that cellcls knows", _KNOWN)
        alike = known is None and data.is_file() and data.suffix == file.suffix
        dataset = own.moved_to(data) if alike else known or open_given(data, registry)
    return Inputs(recipe=changed(recipe, dataset=dataset), path=data, given=True)


def _names(file: Path) -> tuple[Path, ...]:
    """Return the names a recipe's file may have in a folder to look in."""
    if str(file).startswith("~"):  # the home folder of nobody, or a folder of that name
        return (file,)
    return (Path(last_name(file)),) if is_absolute(file) else tuple(dict.fromkeys((file, Path(file.name))))


def _absolute(inputs: Inputs, recipe_file: Path, data: Path | None) -> Inputs:
    """Write where the data set's files were found into the recipe, so that the run's own recipe repeats the run."""
    dataset = inputs.recipe.dataset
    if inputs.path is not None:
        dataset = dataset.moved_to(inputs.path.absolute())
    dataset = with_files(dataset, _finder(dataset, recipe_file, data))
    return attrs.evolve(inputs, recipe=changed(inputs.recipe, dataset=dataset), path=dataset.location())


def _places(file: Path, recipe_file: Path, data: Path | None) -> Iterator[Path]:
    """Yield where a recipe's file may be. An absolute path is that file; its name is looked for where ``--data`` says
    only."""
    folders = [data, recipe_file.parent, Path("data"), folder_in("CELLCLS_DATA")]
    if is_absolute(file):
        yield file
        folders = [data]
    for folder in folders:
        if folder is not None:
            yield from (folder / name for name in _names(file))


def _missing(
    recipe: Recipe, file: Path, recipe_file: Path, looked: list[Path], wanted: WantedWeights | None
) -> Iterator[str]:
    yield f"{recipe_file}: its data set `{file}` is not there"
    yield "looked for: " + ", ".join(dict.fromkeys(map(str, looked)))
    if is_absolute(file):
        yield "an absolute path is not searched for elsewhere: correct it, or give the data set with --data PATH"
    elif "CELLCLS_DATA" not in os.environ:
        yield "(the environment variable CELLCLS_DATA names a further folder to look in; it is not set)"
    yield from recipe.dataset.how_to_get
    if wanted is not None:
        size = f"about {wanted.megabytes:.0f} MB" if wanted.megabytes else "size unknown"
        state = "at hand" if wanted.at_hand else "not here yet"
        yield f"weights it will need: {wanted.name} ({size}, {state})" + (
            f"; {wanted.how_to_get}" if wanted.how_to_get and not wanted.at_hand else ""
        )
    yield f"to see it work without any of this: cellcls run {recipe_file} --rehearse"
