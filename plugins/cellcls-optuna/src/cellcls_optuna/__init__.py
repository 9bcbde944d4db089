"""Searches with Optuna."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cellcls.api import Component, Search, Trial, Value, component, hookimpl, param


@component("tpe")
class TreeParzen(Search):
    """Optuna's tree-structured Parzen estimator: proposes what is likely among the good trials and unlikely among the
    others (Bergstra et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011, section 4)."""

    random_first: int = param(default=10, ge=1, help="So many trials are drawn at random before it learns from them.")

    def build(self, *, seed: int) -> Callable[[int, Sequence[Trial]], Mapping[str, Value]]:
        """Return the function (number of the trial, finished trials) -> settings by dotted name."""
        from cellcls_optuna.search import propose

        return lambda number, finished: propose(
            self.space, finished, number=number, seed=seed, lowest=self.lowest, random_first=self.random_first
        )


@hookimpl
def cellcls_components() -> list[type[Component]]:
    """Return the search."""
    return [TreeParzen]
