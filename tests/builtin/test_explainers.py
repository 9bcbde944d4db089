from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from cellcls.builtin.explainers import GradCam
from cellcls.ops.networks.timm_features import to_channels_first, to_grid


class Tiny(nn.Module):
    """The logits of its classes are weighted means of the last map's channels, so Grad-CAM is known exactly."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=inplace)
        self.drop = nn.Dropout(0.5)
        self.dense = nn.Linear(4, 3, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.dense(self.drop(self.relu(self.conv(images)).mean(dim=(2, 3))))
        return logits


class Shaped(nn.Module):
    """The same, with the map passing a layer in another shape."""

    def __init__(self, tiny: Tiny, tokens: bool) -> None:
        super().__init__()
        self.tiny, self.tokens, self.layer = tiny, tokens, nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        features = self.tiny.relu(self.tiny.conv(images)).permute(0, 2, 3, 1)
        batch, height, width, channels = features.shape
        if self.tokens:
            flat = features.reshape(batch, height * width, channels)
            features = self.layer(torch.cat([torch.full_like(flat[:, :1], 9.0), flat], dim=1))[:, 1:]
        else:
            features = self.layer(features).flatten(1, 2)
        logits: Tensor = self.tiny.dense(features.mean(dim=1))
        return logits


@pytest.fixture
def tiny() -> Tiny:
    torch.manual_seed(1)
    return Tiny()


IMAGES = torch.rand(5, 3, 6, 6, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([0, 1, 2, 1, 0])


def _expected(network: Tiny, *, before_relu: bool = False) -> Tensor:
    with torch.no_grad():
        before = network.conv(IMAGES)
        weights = network.dense.weight[CLASSES] / 36  # the mean's gradient
        if before_relu:
            slope = (before > 0).float().mean(dim=(2, 3)) * weights
            return (slope[:, :, None, None] * before).sum(dim=1).relu()
        return (weights[:, :, None, None] * before.relu()).sum(dim=1).relu()


def test_equation_1_and_2(tiny: Tiny) -> None:
    maps = GradCam().build(network=tiny, layer=tiny.relu, grid=None)(IMAGES, CLASSES)
    assert maps.shape == (5, 6, 6)
    assert maps.dtype == torch.float32
    assert float(maps.max()) > 0
    torch.testing.assert_close(maps, _expected(tiny))


@pytest.mark.parametrize("frozen", [False, True])
def test_in_place_layers_and_frozen_ones_give_the_same(frozen: bool) -> None:
    torch.manual_seed(1)
    network = Tiny(inplace=True).requires_grad_(not frozen)
    for layer, before_relu in ((network.relu, False), (network.conv, True)):
        maps = GradCam().build(network=network, layer=layer, grid=None)(IMAGES, CLASSES)
        torch.testing.assert_close(maps, _expected(network, before_relu=before_relu))


@pytest.mark.parametrize("tokens", [True, False])
def test_tokens_and_channels_last(tiny: Tiny, tokens: bool) -> None:
    network = Shaped(tiny, tokens)
    grid = partial(to_grid, prefix=1) if tokens else to_channels_first
    maps = GradCam().build(network=network, layer=network.layer, grid=grid)(IMAGES, CLASSES)
    torch.testing.assert_close(maps, _expected(tiny))


def test_the_network_is_left_as_it_was(tiny: Tiny) -> None:
    tiny.train()
    tiny.relu.eval()
    tiny.conv.requires_grad_(False)
    images = IMAGES.clone()
    maps = GradCam().build(network=tiny, layer=tiny.relu, grid=None)(images, CLASSES)
    torch.testing.assert_close(maps, _expected(tiny))  # no dropout in between
    assert [module.training for module in (tiny, tiny.conv, tiny.relu, tiny.drop)] == [True, True, False, True]
    assert [parameter.requires_grad for parameter in tiny.parameters()] == [False, False, True]
    assert all(parameter.grad is None for parameter in tiny.parameters())
    assert not images.requires_grad
    assert not tiny.relu._forward_hooks


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_off(tiny: Tiny, mode: type) -> None:
    with mode():
        maps = GradCam().build(network=tiny, layer=tiny.relu, grid=None)(IMAGES, CLASSES)
    torch.testing.assert_close(maps, _expected(tiny))
