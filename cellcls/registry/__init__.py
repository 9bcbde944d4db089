"""Loads plugins, one entry point at a time, and collects their components in a read-only registry."""

from cellcls.registry.discover import load_registry
from cellcls.registry.heavy import HEAVY
from cellcls.registry.registry import PluginRecord, Registry

__all__ = ["HEAVY", "PluginRecord", "Registry", "load_registry"]
