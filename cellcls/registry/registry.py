"""The registry: all components by kind and name, and all plugins with their components or failures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from cellcls.api import KINDS, Backbone, Component, TrainedModel
from cellcls.errors import suggestion


@attrs.frozen(kw_only=True)
class PluginRecord:
    """A plugin: where it comes from, and what it offers or its failure."""

    name: str
    distribution: str
    version: str
    origin: str
    requires: tuple[str, ...] = ()
    """The requirements of its distribution, as in its metadata: ``cellcls>=0.1``."""
    components: tuple[type[Component], ...] = ()
    models: tuple[TrainedModel, ...] = ()
    failure: str | None = None
    blocked: bool = False
    """Whether it is excluded by an environment variable, which is its ``failure`` then."""
    warnings: tuple[str, ...] = ()
    """Side effects, if it works nevertheless."""
    seconds: float = 0.0
    """Time for importing it and calling its hook."""
    heavy: tuple[str, ...] = ()
    """Heavy libraries that were imported with it."""

    def offers(self) -> list[str]:
        """Return its components as ``kind name``, and its models as ``model name``."""
        components = [f"{cls.kind} {cls.component_name}" for cls in self.components]
        return components + [f"model {model.name}" for model in self.models]


@attrs.frozen(kw_only=True)
class Registry:
    """All components by kind and name. Created by ``load_registry``, passed along and never changed."""

    components: Mapping[str, Mapping[str, type[Component]]]
    plugins: tuple[PluginRecord, ...]

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of a kind's components, sorted."""
        return tuple(sorted(self.components.get(kind, {})))

    def find(self, kind: str, name: str) -> type[Component] | None:
        """Return a component class, or None if no plugin offers it."""
        return self.components.get(kind, {}).get(name)

    def instead_of(self, kind: str, name: str) -> str:
        """Return what may be meant by ``name``, which is no component of the kind, with two blanks behind it, or an
        empty string."""
        others = [other for other in KINDS if self.find(other, name)]
        if others:
            return f"`{name}` is of kind {', '.join(others)}.  "
        if near := suggestion(name, self.names(kind)):
            return near
        taking_models = [cls for cls in self if cls.kind == kind and issubclass(cls, Backbone) and cls.takes_model]
        return "".join(
            f'of `{cls.component_name}`: use = "{cls.component_name}", model = "{name}".  ' for cls in taking_models
        )

    def __iter__(self) -> Iterator[type[Component]]:
        for kind in KINDS:
            for name in self.names(kind):
                yield self.components[kind][name]

    def plugin_of(self, cls: type[Component]) -> PluginRecord:
        """Return the plugin that offers a component."""
        return next(plugin for plugin in self.plugins if cls in plugin.components)

    def models(self) -> dict[str, tuple[TrainedModel, PluginRecord]]:
        """Return the trained models by name, each with the plugin that brings it."""
        return {model.name: (model, plugin) for plugin in self.plugins for model in plugin.models}

    def distributions(self) -> dict[str, str]:
        """Return the version of each working plugin's distribution by its name."""
        return {plugin.distribution: plugin.version for plugin in self.plugins if plugin.failure is None}
