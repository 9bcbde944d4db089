"""Rendered blood cells with known masks."""
