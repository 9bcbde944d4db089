"""Checks which version of cellcls a plugin was made for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import metadata

from cellcls.api.hooks import PROJECT
from cellcls.registry.hook import Refused

_RELEASE = r"\d+(?:\.\d+)*"


def refuse_other_version(requirements: Iterable[str]) -> None:
    """Raise ``Refused`` if a plugin's distribution requires another version of cellcls."""
    for requirement in requirements:
        ours = re.match(rf"{PROJECT}\s*($|[^\w.\s-])", requirement, re.IGNORECASE)
        if ours and not _is_plainly_met(requirement, _here()):
            _refuse_unmet(requirement, _here())


@cache
def _here() -> str:
    return metadata.version(PROJECT)


def _is_plainly_met(requirement: str, here: str) -> bool:
    """Return whether the usual case, ``cellcls>=0.1``, is met, without importing packaging, which is slow."""
    least = re.fullmatch(rf"{PROJECT}>=({_RELEASE})", requirement)
    return bool(least and re.fullmatch(_RELEASE, here) and _numbers(here) >= _numbers(least[1]))


def _numbers(release: str) -> list[int]:
    return [int(number) for number in release.split(".")]


def _refuse_unmet(text: str, here: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return
    if (wanted.marker is None or wanted.marker.evaluate()) and not wanted.specifier.contains(here, True):
        raise Refused(f"it was made for cellcls{wanted.specifier}, but this is cellcls {here}")
