"""Counter-based random numbers: a function of their purpose instead of the state of a generator.

A hash of (seed, epoch, sample id, position of the operation, index): the same bits on every device, for any batch and
in any order, so resuming needs no generator state. Each word is mixed in by the finaliser of SplitMix64 (Steele,
Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014, with Stafford's constants "Mix13").
"""

from __future__ import annotations

import torch
from torch import Tensor

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_MASK = (1 << 64) - 1
_ORDER = -1  # the place of the epoch's order; operations have places from 0


def draws(seed: int, epoch: int, sample_ids: Tensor, place: int, count: int) -> Tensor:
    """Return uniform draws (B, ``count``) float32 in [0, 1) for the operation at ``place``.

    ``sample_ids`` (B,) int64; the draws of a sample depend on its id only, not on the rest of the batch.
    """
    return draws_at(seed, epoch, sample_ids, [(place, index) for index in range(count)])


def draws_at(seed: int, epoch: int, sample_ids: Tensor, cells: list[tuple[int, int]]) -> Tensor:
    """Return the draws (B, len(cells)) of several (place, index) at once: the same values as those of ``draws``."""
    bits = _hash(seed, epoch, sample_ids, cells)
    return _shifted(bits, 40).to(torch.float32) * 2.0**-24  # 24 bits fill float32's significand


def permutation(seed: int, epoch: int, count: int) -> Tensor:
    """Return the order (``count``,) int64 of the samples in an epoch, each of 0..count-1 once."""
    keys = _hash(seed, epoch, torch.arange(count), [(_ORDER, 0)])[:, 0]
    return torch.argsort(keys, stable=True)


def between(draws: Tensor, low: float, high: float) -> Tensor:
    """Scale draws in [0, 1) to [``low``, ``high``)."""
    return low + (high - low) * draws


def _hash(seed: int, epoch: int, sample_ids: Tensor, cells: list[tuple[int, int]]) -> Tensor:
    start = _signed(_absorb_int(_absorb_int(0, seed), epoch))
    words = [_signed(((place << 32) + index) & _MASK) for place, index in cells]
    samples = _mix((sample_ids.to(torch.int64) ^ start) + _signed(_GOLDEN))  # (B,)
    return _mix(
        (samples[:, None] ^ torch.tensor(words, dtype=torch.int64, device=sample_ids.device)) + _signed(_GOLDEN)
    )


def _absorb_int(state: int, word: int) -> int:
    mixed = ((state ^ (word & _MASK)) + _GOLDEN) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * _FIRST) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * _SECOND) & _MASK
    return mixed ^ (mixed >> 31)


def _mix(values: Tensor) -> Tensor:
    """The same finaliser on int64, whose products wrap."""
    values = (values ^ _shifted(values, 30)) * _signed(_FIRST)
    values = (values ^ _shifted(values, 27)) * _signed(_SECOND)
    return values ^ _shifted(values, 31)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Logical right shift, which torch does not have on every device."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word
