"""The registry: every component by kind and name, and every plugin with what it offers or why it failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from cellcls.api import KINDS, Component


@attrs.frozen(kw_only=True)
class PluginRecord:
    """One entry point: where it comes from and what became of it."""

    name: str
    distribution: str
    version: str
    origin: str
    requires: tuple[str, ...] = ()
    """What its distribution requires, as in its metadata: ``cellcls>=0.1``."""
    components: tuple[type[Component], ...] = ()
    failure: str | None = None
    blocked: bool = False
    """Whether the environment keeps it out; then that is its ``failure``."""
    warnings: tuple[str, ...] = ()
    """What it does that it should not, though it works."""
    seconds: float = 0.0
    """Time that importing it and calling its hook took."""
    heavy: tuple[str, ...] = ()
    """Heavy libraries that were imported with it."""

    def offers(self) -> list[str]:
        """Return what it offers as ``kind name``."""
        return [f"{cls.kind} {cls.component_name}" for cls in self.components]


@attrs.frozen(kw_only=True)
class Registry:
    """Every component by kind and name. Built once by ``load_registry`` and passed along; never changed."""

    components: Mapping[str, Mapping[str, type[Component]]]
    plugins: tuple[PluginRecord, ...]

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of a kind's components, sorted."""
        return tuple(sorted(self.components.get(kind, {})))

    def find(self, kind: str, name: str) -> type[Component] | None:
        """Return a component class, or None where nobody offers it."""
        return self.components.get(kind, {}).get(name)

    def __iter__(self) -> Iterator[type[Component]]:
        for kind in KINDS:
            for name in self.names(kind):
                yield self.components[kind][name]

    def plugin_of(self, cls: type[Component]) -> PluginRecord:
        """Return the plugin that offers a component."""
        return next(plugin for plugin in self.plugins if cls in plugin.components)

    def distributions(self) -> dict[str, str]:
        """Return the version of each working plugin's distribution by its name."""
        return {plugin.distribution: plugin.version for plugin in self.plugins if plugin.failure is None}
