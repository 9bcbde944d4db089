"""Which networks a command uses: the runs and weights files among its arguments, or the installed model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from cellcls.api import TrainedModel
from cellcls.errors import MissingInputError, MissingPluginError, UsageError
from cellcls.registry import PluginRecord, Registry
from cellcls.runs.folder import RunFolder, refuse_recipe

_WEIGHTS = (".safetensors", ".pth", ".pt", ".ckpt")
"""Suffixes of files with weights. Only the first are read; the network's loader says why the others are not."""
_INSTALL = (
    'to install one: pip install "cellcls[model]"',
    "in a checkout of cellcls: pip install ./plugins/cellcls-model",
    "or name a run folder or a weights file first",
)


@attrs.frozen(kw_only=True)
class Chosen:
    """The networks to use: run folders or weights files, several of them an ensemble."""

    runs: tuple[Path, ...]
    names: tuple[str, ...]
    """What to call each: an installed model by name, version and hash, all else by its path."""
    models: tuple[str, ...] = ()
    """The names of the installed models among them."""


def is_run(path: Path) -> bool:
    """Return whether a path is a run: a weights file, or a folder that a run or several were written to."""
    if path.suffix in _WEIGHTS:
        return True
    folder = RunFolder(path)
    return folder.is_run or folder.best.is_file() or folder.plan.is_file()


def leading_runs(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the leading paths that are runs, and the others.

    Raises ``UsageError`` for a run behind an image, as the pictures in its folder would be taken for cells, and for a
    recipe in the place of a run.
    """
    count = next((at for at, path in enumerate(paths) if not is_run(path)), len(paths))
    runs, others = list(paths[:count]), list(paths[count:])
    if others and not runs:
        refuse_recipe(others[0])
    late = next(filter(is_run, others), None)
    if late is not None:
        raise UsageError(
            f"{late}: a run behind images",
            "name runs before images",
            "or say which are runs, then all others are images: --run RUN",
        )
    return runs, others


def refuse_absent(images: Sequence[object]) -> None:
    """Raise ``UsageError`` without images and ``MissingInputError`` for paths that do not exist."""
    if not images:
        raise UsageError("no images to predict", "name files, folders of images, or npz files")
    absent = [str(path) for path in images if isinstance(path, Path) and not path.exists() and not path.is_symlink()]
    if absent:
        raise MissingInputError(f"no image, folder or npz at {', '.join(absent)}")


def choose(runs: Sequence[Path], registry: Registry) -> Chosen:
    """Return the networks of ``runs``; if there are none, the installed model.

    The name of an installed model stands for it, unless there is a file or folder of this name. Raises
    ``MissingPluginError`` if no model is installed, ``UsageError`` if several are, and ``MissingInputError`` for a
    model without weights.
    """
    installed = registry.models()
    named = [str(run) for run in runs] or [_only(registry)]
    models = {name: _model(*installed[name]) for name in named if name in installed and not Path(name).exists()}
    return Chosen(
        runs=tuple(models[name][0] if name in models else Path(name) for name in named),
        names=tuple(models[name][1] if name in models else name for name in named),
        models=tuple(shown for _, shown in models.values()),
    )


def _only(registry: Registry) -> str:
    """Return the name of the installed model."""
    names = list(registry.models())
    if not names:
        raise MissingPluginError("no run is named and no trained model is installed", *_failed(registry), *_INSTALL)
    if len(names) > 1:
        raise UsageError(f"several models are installed: {', '.join(names)}", f"name one of them: --run {names[0]}")
    return names[0]


def _failed(registry: Registry) -> list[str]:
    """Say which plugins could not be used: one of them may have brought the model."""
    names = [plugin.name for plugin in registry.plugins if plugin.failure is not None]
    return [f"plugins that are not used: {', '.join(names)}; for the reason: cellcls list-plugins"] if names else []


def _model(model: TrainedModel, plugin: PluginRecord) -> tuple[Path, str]:
    """Return the weights file of a model, and its name, version and hash."""
    if not model.weights.is_file():
        raise MissingInputError(
            f"the model `{model.name}` of {plugin.distribution} {plugin.version} has no weights at {model.weights}",
            f"install it again: pip install --force-reinstall {plugin.distribution}",
            "or name a run folder or a weights file first",
        )
    from cellcls.ops.storage.hashing import file_hash  # it imports numpy

    return model.weights, f"{model.name} {plugin.version} ({file_hash(model.weights)[:12]})"
