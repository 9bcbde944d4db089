"""Imports a plugin, calls its hooks and checks the components and models that it offers."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Sequence
from importlib import metadata

import attrs
import pluggy

from cellcls.api import KINDS, Callback, Component, TrainedModel
from cellcls.api import hooks as hookspecs
from cellcls.api.hooks import PROJECT
from cellcls.errors import suggestion
from cellcls.ops.storage.paths import FILE_NAME, is_file_name

_HOOK = "cellcls_components"
_MODELS = "cellcls_models"


class Refused(Exception):
    """The reason why a plugin cannot be used, for the user who has to repair or remove it."""


@attrs.frozen
class Offered:
    """What the hooks of a plugin return."""

    components: Sequence[type[Component]] = ()
    models: Sequence[TrainedModel] = ()


def offered_by(point: metadata.EntryPoint) -> Offered:
    """Import a plugin, with its own pluggy manager, and return what its hooks offer."""
    _refuse_name("its entry point", point.name)
    try:
        module = point.load()
    except (Exception, SystemExit) as error:
        raise Refused(f"import failed: {brief(error)}") from error
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name=point.name)
        manager.check_pending()
    except Exception as error:  # pluggy inspects everything in the module, and some objects raise
        raise Refused(f"hook refused: {brief(error)}") from error
    if not manager.get_hookcallers(module):
        raise Refused(f"`{point.value}` has no hook: define {_HOOK}() marked with @cellcls.api.hookimpl")
    components = _answer(manager, _HOOK, "component classes")
    models = _answer(manager, _MODELS, "models")
    return Offered(_checked(components), _checked_models(models))


def _answer(manager: pluggy.PluginManager, hook: str, what: str) -> Sequence[object]:
    """Call a hook; a plugin that does not have it offers nothing."""
    caller = getattr(manager.hook, hook)
    if not caller.get_hookimpls():
        return ()
    try:
        answers = caller()
    except (Exception, SystemExit) as error:
        raise Refused(f"{hook}() failed: {brief(error)}") from error
    if not answers:  # pluggy drops None
        raise Refused(f"{hook}() returned nothing, not a list of {what}: is `return` missing?")
    (answer,) = answers
    if not isinstance(answer, list | tuple):
        raise Refused(f"{hook}() returned {type(answer).__name__}, not a list of {what}")
    return answer


def _checked_models(answer: Sequence[object]) -> Sequence[TrainedModel]:
    models = [model for model in answer if isinstance(model, TrainedModel)]
    if len(models) < len(answer):
        wrong = next(model for model in answer if not isinstance(model, TrainedModel))
        raise Refused(f"{_MODELS}() offers {wrong!r}, which is not a TrainedModel")
    for model in models:
        _refuse_name("a model", model.name)
    return models


def _checked(answer: Sequence[object]) -> Sequence[type[Component]]:
    checked: list[type[Component]] = []
    for cls in answer:
        if not (isinstance(cls, type) and issubclass(cls, Component)):
            raise Refused(f"{_HOOK}() offers {cls!r}, which is not a component class")
        if "component_name" not in vars(cls):
            raise Refused(f"{_HOOK}() offers {cls.__name__}, which lacks @component(...)")
        _refuse_name(cls.__name__, cls.component_name)
        kind = KINDS.get(getattr(cls, "kind", ""))
        if kind is None or not issubclass(cls, kind):
            known = ", ".join(kind.__name__ for kind in KINDS.values())
            raise Refused(f"{cls.__name__} is of no known kind: subclass one of {known}")
        if kind is Callback:
            _refuse_methods(cls)
        checked.append(cls)
    return checked


def _refuse_name(what: str, name: object) -> None:
    """Raise ``Refused`` if a name could not be a file's: recipes, commands and run folders use it."""
    if not (isinstance(name, str) and is_file_name(name)):
        raise Refused(f"{what} is called {name!r}; a name has {FILE_NAME}")


def refuse_unresolved(offered: Sequence[type[Component]]) -> None:
    """Raise ``Refused`` if the type of a setting names something that its module does not have."""
    for cls in offered:
        try:
            typing.get_type_hints(cls)
        except Exception as error:
            raise Refused(f"the field types of {cls.__name__} cannot be resolved: {brief(error)}") from error


def _refuse_methods(cls: type[Component]) -> None:
    """Raise ``Refused`` for a public method of a callback that is not an event: it would never be called."""
    events = [name for name in vars(Callback) if not name.startswith("_") and inspect.isfunction(vars(Callback)[name])]
    own = [base for base in cls.__mro__ if base not in Callback.__mro__]
    for name, value in (item for base in own for item in vars(base).items()):
        public = not name.startswith("_") and name not in events
        if public and (inspect.isroutine(value) or isinstance(value, property)):
            advice = suggestion(name, events) or f"events are {', '.join(events)}.  "
            raise Refused(
                f"{cls.__name__}.{name} is not the name of an event: {advice}Start names of helpers with an underscore"
            )


def brief(error: BaseException) -> str:
    """Return an error as one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__
