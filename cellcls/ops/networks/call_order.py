"""What a network does when it runs: its parts in the order they return, the order of Keras' graphs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from torch import nn


@attrs.frozen
class Call:
    """A submodule that returned, and what it gave."""

    name: str
    output: Any


def noted_calls(module: nn.Module, run: Callable[[], Any]) -> list[Call]:
    """Note each submodule of ``module`` as it returns while ``run`` runs; one called twice is there twice."""
    calls: list[Call] = []

    def note(_module: nn.Module, _inputs: Any, output: Any, *, called: str) -> None:
        calls.append(Call(called, output))

    parts = [(name, part) for name, part in module.named_modules() if name]
    hooks = [part.register_forward_hook(partial(note, called=name)) for name, part in parts]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return calls
