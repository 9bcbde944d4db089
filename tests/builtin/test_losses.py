from __future__ import annotations

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from cellcls.builtin.losses import CrossEntropy, Focal

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-3.0, 4.0, 1.0], [1.0, 1.0, 1.0]])
TARGETS = torch.tensor([0, 2, 1, 0])
WEIGHTS = torch.tensor([0.5, 1.0, 4.0])


def test_equation_1_by_hand() -> None:
    losses = CrossEntropy().build(class_weights=WEIGHTS)(LOGITS, TARGETS)
    p = LOGITS.softmax(dim=1)
    expected = [-WEIGHTS[y] * torch.log(p[i, y]) for i, y in enumerate(TARGETS)]
    torch.testing.assert_close(losses, torch.stack(expected))


def test_mean_over_n_is_not_torchs_weighted_mean() -> None:
    ours = CrossEntropy().build(class_weights=WEIGHTS)(LOGITS, TARGETS).mean()
    torchs = F.cross_entropy(LOGITS, TARGETS, weight=WEIGHTS)
    assert abs(float(ours - torchs)) > 0.05
    torch.testing.assert_close(ours, torchs * WEIGHTS[TARGETS].sum() / len(TARGETS))


@given(
    seed=st.integers(0, 2**31),
    classes=st.integers(2, 9),
    smoothing=st.floats(0, 0.9),
    weighted=st.booleans(),
)
def test_hard_targets_and_one_hot_targets_are_one(seed: int, classes: int, smoothing: float, weighted: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(5, classes, generator=generator) * 4
    targets = torch.randint(classes, (5,), generator=generator)
    weights = torch.rand(classes, generator=generator) + 0.1 if weighted else None
    shares = F.one_hot(targets, classes).float()
    for loss in (CrossEntropy(label_smoothing=smoothing), Focal(gamma=smoothing * 3)):
        function = loss.build(class_weights=weights)
        torch.testing.assert_close(function(logits, targets), function(logits, shares), rtol=1e-4, atol=1e-5)
    oracle = F.cross_entropy(logits, targets, weight=weights, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(
        CrossEntropy(label_smoothing=smoothing).build(class_weights=weights)(logits, targets), oracle
    )


def test_a_mixed_target_weighs_each_class() -> None:
    function = CrossEntropy().build(class_weights=WEIGHTS)
    mixed = function(LOGITS[:1], torch.tensor([[0.3, 0.0, 0.7]]))
    parts = function(LOGITS[:1].expand(2, 3), torch.tensor([0, 2]))
    torch.testing.assert_close(mixed[0], 0.3 * parts[0] + 0.7 * parts[1])


def test_focal_at_gamma_0_is_cross_entropy() -> None:
    focal = Focal(gamma=0.0).build(class_weights=WEIGHTS)(LOGITS, TARGETS)
    torch.testing.assert_close(focal, CrossEntropy().build(class_weights=WEIGHTS)(LOGITS, TARGETS))


def test_focal_weakens_what_is_sure() -> None:
    plain = CrossEntropy().build(class_weights=None)(LOGITS, TARGETS)
    p = torch.exp(-plain)
    torch.testing.assert_close(Focal(gamma=2.0).build(class_weights=None)(LOGITS, TARGETS), (1 - p) ** 2 * plain)


def test_gradients_are_finite_at_certainty() -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    for loss in (Focal(gamma=0.5), Focal(), CrossEntropy(label_smoothing=0.1)):
        value = loss.build(class_weights=None)(logits, torch.tensor([0, 0])).sum()
        (gradient,) = torch.autograd.grad(value, logits)
        assert torch.isfinite(value)
        assert torch.isfinite(gradient).all()


def test_half_precision_logits_give_float32_losses() -> None:
    for loss in (CrossEntropy(), Focal()):
        function = loss.build(class_weights=WEIGHTS.double())
        assert function(LOGITS.bfloat16(), TARGETS).dtype == torch.float32
