"""Backbones: all networks of timm, and a small network for training from scratch."""

from __future__ import annotations

from typing import ClassVar, Self

from cellcls.api import Backbone, Features, WantedWeights, WeightPlaces, changed, component, param


@component("timm")
class Timm(Backbone):
    """Any network of timm, truncated to its last feature map (Wightman, PyTorch Image Models, 2019)."""

    model: str = param(help="Name in timm, with or without its tag: tf_efficientnetv2_m.in1k.")
    pretrained: bool = param(default=False, help="Start from timm's weights, downloaded or from --weights DIR.")
    drop_path: float = param(
        default=0.0, ge=0, lt=1, help="Share of residual branches dropped while training, growing with depth."
    )

    takes_model: ClassVar[bool] = True

    @classmethod
    def for_features(cls, model: str) -> Self:
        """Return timm's network ``model`` with timm's weights."""
        return cls(model=model, pretrained=True)

    def starting(self, *, pretrained: bool) -> Self:
        """Return it with or without timm's weights."""
        return changed(self, pretrained=pretrained)

    def network_name(self) -> str:
        """Return its name in timm."""
        return self.model

    def wants(self, places: WeightPlaces) -> WantedWeights | None:
        """Return the weights that ``pretrained`` needs and whether they are available locally."""
        from cellcls.builtin.backbones.pretrained import wanted

        return wanted(self.model, places) if self.pretrained else None

    def build(self, *, size: int, weights: WeightPlaces | None) -> Features:
        """Raises ``RecipeError`` for an unknown name or an unsupported size, ``MissingInputError`` if pretrained
        weights are not available, and ``DataError`` if a file contains the weights of another network."""
        from cellcls.builtin.backbones.timm_network import build_features

        places = weights if self.pretrained else None
        return build_features(self.model, size=size, drop_path=self.drop_path, places=places)


@component("cnn5")
class Cnn5(Backbone):
    """Blocks of one 3x3 convolution, ReLU and 2x2 maximum pooling, trained from scratch (report, section 3).

    Weights are initialized according to He et al. (2015).
    """

    filters: tuple[int, ...] = param(default=(32, 64, 128, 256, 256), ge=1, help="Channels of each block.")

    def build(self, *, size: int, weights: WeightPlaces | None) -> Features:
        """Raises ``RecipeError`` if ``size`` cannot be halved once per block."""
        from cellcls.builtin.backbones.cnn5_network import build_features

        return build_features(self.filters, size=size)
