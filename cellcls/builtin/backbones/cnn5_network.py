"""The network of ``cnn5``."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from cellcls.api import Features
from cellcls.errors import RecipeError


class Cnn5Network(nn.Module):
    """Images (B, 3, H, W) to a map (B, ``filters[-1]``, H / 2^n, W / 2^n) after n blocks."""

    def __init__(self, filters: tuple[int, ...]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*map(_block, (3, *filters), filters))

    def forward(self, images: Tensor) -> Tensor:
        """Return the map."""
        features: Tensor = self.blocks(images)
        return features


def _block(inputs: int, outputs: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return nn.Sequential(OrderedDict(conv=conv, relu=nn.ReLU(inplace=True), pool=nn.MaxPool2d(2)))


def build_features(filters: tuple[int, ...], *, size: int) -> Features:
    """Build the backbone. Heat maps are computed before each pooling, at the finest resolution."""
    if not filters or size < 2 ** len(filters):
        raise RecipeError(f"cnn5: images of {size} pixels cannot be halved {len(filters)} times", "use fewer `filters`")
    blocks = range(len(filters))
    return Features(
        module=Cnn5Network(filters),
        channels=filters[-1],
        mean=(0.5, 0.5, 0.5),  # about zero mean and unit variance, as the initialization assumes
        std=(0.25, 0.25, 0.25),
        weighted=tuple(f"blocks.{block}.conv" for block in blocks),
        layers=tuple(f"blocks.{block}.relu" for block in blocks),
    )
