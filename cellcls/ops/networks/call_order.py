"""Records the submodule calls of a network, in the order in which they return, which is that of Keras graphs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from torch import nn


@attrs.frozen
class Call:
    """A call of a submodule and its output."""

    name: str
    output: Any


def record_calls(module: nn.Module, run: Callable[[], Any]) -> list[Call]:
    """Record the calls of submodules of ``module`` during ``run``, in the order in which they return."""
    calls: list[Call] = []

    def record(_module: nn.Module, _inputs: Any, output: Any, *, called: str) -> None:
        calls.append(Call(called, output))

    parts = [(name, part) for name, part in module.named_modules() if name]
    hooks = [part.register_forward_hook(partial(record, called=name)) for name, part in parts]
    try:
        run()
    finally:
        for hook in hooks:
            hook.remove()
    return calls
