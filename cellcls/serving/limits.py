"""What a server allows, known before anything of it is imported."""

from __future__ import annotations

import attrs

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine, under which only itself is reached."""


@attrs.frozen(kw_only=True)
class Limits:
    """What a request may ask for."""

    megabytes: float = 32.0
    """Size of an image file, in 10^6 bytes."""
    seconds: float = 60.0
    """For sending the file, and again for the answer."""
