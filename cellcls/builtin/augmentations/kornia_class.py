"""Any class of ``kornia.augmentation`` as an augmentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cellcls.api import Augmentation, Batch, component, param

Argument = bool | int | float | str | tuple[bool | int | float | str | tuple[int | float, ...], ...]
"""What an argument may be."""


@component("kornia")
class Kornia(Augmentation):
    """A class of ``kornia.augmentation`` (Riba et al., Kornia, WACV 2020), with its arguments beside its name.

    What happens to a sample is a function of the sample, as for all augmentations.
    """

    name: str = param(help="The class: RandomPlasmaShadow.")
    arguments: Mapping[str, Argument] = param(factory=dict, rest=True, help="The class's arguments.")

    def problems(self) -> Iterator[tuple[str, str, str]]:
        """Yield what kornia says against the name and each argument."""
        from cellcls.ops.imaging import kornia_classes

        yield from kornia_classes.problems(self.name, self.arguments)

    @classmethod
    def catalogue(cls) -> list[dict[str, str]]:
        """Return a row for each class: its arguments, or why it cannot be used."""
        from cellcls.ops.imaging import kornia_classes

        works, excluded = kornia_classes.offered()
        rows = []
        for name in works:
            arguments = kornia_classes.arguments_of(name).values()
            takes = ", ".join(
                argument.name if argument.default is argument.empty else f"{argument.name} = {argument.default}"
                for argument in arguments
            )
            rows.append({"name": name, "arguments": takes or "-", "cannot be used": ""})
        return rows + [{"name": name, "arguments": "", "cannot be used": why} for name, why in excluded.items()]

    def build(self, *, size: int) -> Batch:
        """Return the operation; its draws seed kornia's own. Raises ``RecipeError`` for wrong arguments."""
        from cellcls.ops.imaging import kornia_classes

        return Batch(draws=2, apply=kornia_classes.build(self.name, self.arguments, size))
