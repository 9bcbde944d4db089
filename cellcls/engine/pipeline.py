"""A list of random operations on a batch of images, composed so that each image is resampled as seldom as possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Protocol

import attrs
import torch
from torch import Tensor

from cellcls.api.operations import Batch, Colour, Geometric, Mix
from cellcls.ops.draws import draws_at
from cellcls.ops.imaging.colour import from_uint8, homogeneous, recolour
from cellcls.ops.imaging.geometry import Padding, compose, warp

Operation = Geometric | Colour | Batch | Mix

_PORTION = 16
"""Images a CPU changes at a time, so that what comes in between stays in its cache and in memory it already has."""


@attrs.frozen
class _Drawn:
    """An operation with its draws (B, k) and whether it acts on each sample (B,) bool."""

    operation: Operation
    acts: Tensor
    draws: Tensor
    """Of a ``Mix`` the first one draws the partner."""
    place: int
    """Its place among the operations."""


@attrs.frozen
class Samples:
    """Some samples before they are changed."""

    images: Tensor
    """(B, S, S, 3) uint8, as a source gives them, or (B, 3, S, S) floats in 0..1."""
    targets: Tensor
    """(B, K)"""
    ids: Tensor
    """(B,) int64, on the CPU."""
    changed: Tensor
    """(B,) bool, on the CPU: whether augmentation acts on them at all."""


class Partners(Protocol):
    """The samples that mixtures are made with: those of the training part."""

    @property
    def count(self) -> int:
        """How many there are."""

    def __call__(self, numbers: Tensor) -> Samples:
        """Return the samples of ``numbers`` (B,) int64 in 0..count-1."""


@attrs.frozen
class Pipeline:
    """Operations in the order of the recipe, each with its ``p``, the share of the images it acts on.

    Between two ``Batch`` or ``Mix`` operations all ``Colour`` ones become one matrix and all ``Geometric`` ones one
    warp: a linear change of each pixel's colour and bilinear interpolation, whose weights sum to 1, may be swapped.
    Values are clamped to 0..1 where a ``Batch`` or ``Mix`` operation reads them and at the end, not in between.
    """

    steps: Sequence[tuple[float, Operation]]
    padding: Padding = "reflection"
    """What a warp shows beyond the edge. Colour acts first, so ``zeros`` stays black."""

    def __call__(
        self,
        images: Tensor,
        targets: Tensor,
        *,
        seed: int,
        epoch: int,
        sample_ids: Tensor,
        partners: Partners | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return images (B, 3, S, S) float32 in 0..1, contiguous, and soft targets (B, K); the given ones stay as is.

        ``images``: (B, S, S, 3) uint8, as a source gives them, or (B, 3, S, S) floats in 0..1. What happens to a sample
        depends on ``seed``, ``epoch`` and its id in ``sample_ids`` (B,) int64, not on the rest of the batch. Ids on the
        CPU spare an accelerator the small work (and the same matrices come out everywhere). ``partners`` are needed
        where an operation mixes: which one a sample gets is drawn as all else is.
        """
        with torch.autocast(images.device.type, enabled=False):
            own = from_uint8(images) if images.dtype == torch.uint8 else _copy(images)
            for run in _runs(self._draw(seed, epoch, sample_ids)):
                operation = run[0].operation
                if isinstance(operation, Batch):
                    targets = _apply_batch(run[0], operation, own, targets)
                elif isinstance(operation, Mix):
                    assert partners is not None, "a pipeline that mixes needs the samples to mix with"
                    targets = self._mix(run[0], operation, own, targets, partners, seed, epoch)
                else:
                    self._apply_linear(run, own)
            return own.clamp_(0, 1), targets

    def _mix(
        self,
        drawn: _Drawn,
        operation: Mix,
        images: Tensor,
        targets: Tensor,
        partners: Partners,
        seed: int,
        epoch: int,
    ) -> Tensor:
        """Mix the images that are acted on, in place, with their partners; return the targets."""
        rows = drawn.acts.nonzero()[:, 0]
        if not len(rows):
            return targets
        numbers = (drawn.draws[rows, 0].double() * partners.count).long()
        others, other_targets = self._before(drawn.place, partners(numbers), seed, epoch)
        draws, rows = (tensor.to(images.device) for tensor in (drawn.draws[rows, 1:], rows))
        mixed, mixed_targets = operation.apply(
            images[rows].clamp_(0, 1), others, targets[rows], other_targets.to(targets), draws
        )
        images.index_copy_(0, rows, mixed)
        return targets.index_copy(0, rows, mixed_targets)

    def _before(self, place: int, samples: Samples, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
        """Return samples as the operations before ``place`` change them, those that mix left out."""
        images = from_uint8(samples.images) if samples.images.dtype == torch.uint8 else _copy(samples.images)
        targets = samples.targets
        acts = samples.changed
        for run in _runs([drawn for drawn in self._draw(seed, epoch, samples.ids) if drawn.place < place]):
            operation = run[0].operation
            run = [attrs.evolve(drawn, acts=drawn.acts & acts) for drawn in run]
            if isinstance(operation, Batch):
                targets = _apply_batch(run[0], operation, images, targets)
            elif not isinstance(operation, Mix):
                self._apply_linear(run, images)
        return images.clamp_(0, 1), targets

    def _draw(self, seed: int, epoch: int, sample_ids: Tensor) -> list[_Drawn]:
        """Draw for all operations at once: whether each acts, then its own draws."""
        widths = [1 + isinstance(operation, Mix) + operation.draws for _, operation in self.steps]
        cells = [(place, index) for place, width in enumerate(widths) for index in range(width)]
        columns = torch.split(draws_at(seed, epoch, sample_ids, cells), widths, dim=1)
        return [
            _Drawn(operation, drawn[:, 0] < p, drawn[:, 1:], place)
            for place, ((p, operation), drawn) in enumerate(zip(self.steps, columns, strict=True))
        ]

    def _apply_linear(self, run: list[_Drawn], images: Tensor) -> None:
        colours = [drawn for drawn in run if isinstance(drawn.operation, Colour)]
        places = [drawn for drawn in run if isinstance(drawn.operation, Geometric)]
        if colours:  # the last one's matrix stands leftmost
            matrices = reduce(compose, [homogeneous(_matrices(drawn)) for drawn in reversed(colours)])
            _change(images, _any_acts(colours), recolour, matrices)
        if places:  # from output to input: the first one's matrix stands leftmost
            matrices = reduce(compose, [_matrices(drawn) for drawn in places])
            _change(images, _any_acts(places), partial(warp, padding=self.padding), matrices)


def _copy(images: Tensor) -> Tensor:
    return images.to(torch.float32).clone(memory_format=torch.contiguous_format)


def _runs(steps: list[_Drawn]) -> list[list[_Drawn]]:
    """Cut the list before and after each ``Batch`` or ``Mix`` operation."""
    runs: list[list[_Drawn]] = []
    for drawn in steps:
        if runs and not any(isinstance(end.operation, Batch | Mix) for end in (runs[-1][0], drawn)):
            runs[-1].append(drawn)
        else:
            runs.append([drawn])
    return runs


def _any_acts(run: list[_Drawn]) -> Tensor:
    return torch.stack([drawn.acts for drawn in run]).any(0)


def _matrices(drawn: _Drawn) -> Tensor:
    """Return the operation's matrices, the identity where it does not act."""
    assert not isinstance(drawn.operation, Batch | Mix)
    matrices = drawn.operation.matrix(drawn.draws)
    identity = torch.eye(*matrices.shape[1:], device=matrices.device)
    return torch.where(drawn.acts[:, None, None], matrices, identity)


def _change(images: Tensor, acts: Tensor, apply: Callable[[Tensor, Tensor], Tensor], matrices: Tensor) -> None:
    """Apply matrices in place to the images where ``acts`` (B,) holds; the others pass bit by bit."""
    rows = acts.nonzero()[:, 0]
    portion = _PORTION if images.device.type == "cpu" else max(len(rows), 1)
    for start in range(0, len(rows), portion):
        some = rows[start : start + portion]
        here = matrices[some].to(images.device)
        if len(rows) == len(images):
            images[start : start + portion] = apply(images[start : start + portion], here)
        else:
            some = some.to(images.device)
            images.index_copy_(0, some, apply(images[some], here))


def _apply_batch(drawn: _Drawn, operation: Batch, images: Tensor, targets: Tensor) -> Tensor:
    """Change the images that are acted on in place; return the targets."""
    rows = drawn.acts.nonzero()[:, 0]
    if not len(rows):
        return targets
    draws, rows = (tensor.to(images.device) for tensor in (drawn.draws[rows], rows))
    changed, changed_targets = operation.apply(images[rows].clamp_(0, 1), targets[rows], draws)
    images.index_copy_(0, rows, changed)
    return targets.index_copy(0, rows, changed_targets)
