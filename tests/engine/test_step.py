from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellcls.engine.device import machine
from cellcls.engine.job import Job
from cellcls.engine.session import Session, open_session
from cellcls.engine.stage import open_stage
from cellcls.engine.step import augmented, take_step

MIXING = """
[[augment]]
use = "flip"
[[augment]]
use = "rotate"
[[augment]]
use = "mixup"
alpha = 1.0
p = 0.6
[[augment]]
use = "hue"
[[augment]]
use = "cutmix"
p = 0.6
[[augment]]
use = "blur"
p = 0.5
[loss]
use = "cross_entropy"
class_weights = "balanced"
label_smoothing = 0.1
"""


def session_of(job: Job) -> Session:
    return open_session(job, machine(job.options, "float32"))


@pytest.fixture(params=["", "[expand]\ncopies = 1\n", "[expand]\ncopies = 1\nfixed = false\n"])
def session(make_job: Callable[..., Job], request: pytest.FixtureRequest) -> Session:
    return session_of(make_job(MIXING + request.param))


def in_batches(session: Session, rows: np.ndarray, sizes: list[int], epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the samples ``rows`` become when they come in batches of ``sizes``."""

    def parts() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        start = 0
        for size in sizes:
            yield augmented(session, rows[start : start + size], epoch)
            start += size

    images, targets = zip(*parts(), strict=True)
    return torch.cat(images), torch.cat(targets)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.permutations(range(8)), st.sampled_from([[8], [4, 4], [2] * 4, [1] * 8, [3, 5]]), st.integers(0, 3))
def test_a_mixed_sample_does_not_depend_on_its_batch(
    session: Session, order: list[int], sizes: list[int], epoch: int
) -> None:
    rows = np.linspace(0, len(session.samples) - 1, 8).astype(np.int64)
    images, targets = augmented(session, rows, epoch)
    mixed, soft = in_batches(session, rows[order], sizes, epoch)
    torch.testing.assert_close(mixed, images[order], atol=1e-6, rtol=0)
    torch.testing.assert_close(soft, targets[order])


def test_samples_are_mixed_with_others_of_the_training_part(session: Session) -> None:
    rows = np.arange(len(session.samples))
    images, targets = augmented(session, rows, 0)
    changed = torch.from_numpy(session.samples.changed(rows))
    soft = (targets.max(1).values < 0.999) & changed
    assert 0.3 < soft.float().sum() / changed.sum() < 0.95
    assert not (targets.max(1).values < 0.999)[~changed].any(), "what augmentation leaves alone is not mixed"
    torch.testing.assert_close(targets.sum(1), torch.ones(len(rows)))
    assert bool(((images >= 0) & (images <= 1)).all())


def test_a_fixed_copy_is_mixed_once_for_all_epochs(make_job: Callable[..., Job]) -> None:
    for fixed, same in (("true", True), ("false", False)):
        session = session_of(make_job(f"{MIXING}[expand]\ncopies = 1\nfixed = {fixed}\n", out=f"run-{fixed}"))
        rows = np.flatnonzero(session.samples.copy > 0)
        first, later = (augmented(session, rows, epoch) for epoch in (0, 1))
        assert torch.equal(first[0], later[0]) is same
        assert torch.equal(first[1], later[1]) is same


def test_class_weights_weigh_each_class_of_a_mixture(make_job: Callable[..., Job]) -> None:
    weights = torch.arange(1.0, 9.0)
    more = f'[loss]\nuse = "cross_entropy"\nclass_weights = {weights.tolist()}\n'
    session = session_of(make_job(more))
    logits = torch.randn(1, 8, generator=torch.Generator().manual_seed(0))
    log_p = logits.log_softmax(1)[0]
    soft = torch.zeros(1, 8)
    soft[0, 2], soft[0, 5] = 0.3, 0.7
    expected = -(0.3 * weights[2] * log_p[2] + 0.7 * weights[5] * log_p[5])
    torch.testing.assert_close(session.loss(logits, soft)[0], expected)


# --- the step itself --------------------------------------------------------------------------------------------

PLAIN = '[[stages]]\noptimizer = { use = "sgd", lr = 0.5, momentum = 0.0, weight_decay = 0.0 }\n'
ROWS = np.arange(0, 48, 4)


def by_hand(session: Session, rows: np.ndarray) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Return the losses of the images of ``rows``, and each weight after a step of 0.5 down their mean."""
    source, index = session.data.source, session.samples.index[rows]
    images = torch.tensor(source.read(index).transpose(0, 3, 1, 2) / 255, dtype=torch.float32)
    network = copy.deepcopy(session.network)
    losses = torch.nn.functional.cross_entropy(
        network(images), torch.from_numpy(source.labels[index]), reduction="none"
    )
    losses.mean().backward()
    return losses.detach(), {name: one.detach() - 0.5 * one.grad for name, one in network.named_parameters()}


@pytest.mark.parametrize("accumulate", [1, 3, 5, 50])
def test_a_step_goes_down_the_mean_loss_of_the_batch(make_job: Callable[..., Job], accumulate: int) -> None:
    session = session_of(make_job(PLAIN, overrides=(f"train.accumulate={accumulate}",)))
    losses, wanted = by_hand(session, ROWS)
    stage = open_stage(session, 0)
    stage.scale_lr(1.0)
    figures = take_step(session, stage, ROWS, 0)
    assert (figures.seen, figures.loss_sum) == (12, pytest.approx(float(losses.sum()), rel=1e-5))
    for name, parameter in session.network.named_parameters():
        torch.testing.assert_close(parameter.detach(), wanted[name], rtol=1e-4, atol=1e-6)


def test_the_average_follows_the_weights(make_job: Callable[..., Job]) -> None:
    session = session_of(make_job(PLAIN, overrides=("train.ema_decay=0.75",)))
    before = {name: one.clone() for name, one in session.network.state_dict().items()}
    take_step(session, open_stage(session, 0), ROWS, 0)
    for name, value in session.average.module.state_dict().items():
        after = session.network.state_dict()[name]
        torch.testing.assert_close(value, 0.75 * before[name] + 0.25 * after)


def test_dropout_is_drawn_by_step_not_by_what_was_drawn_before(make_job: Callable[..., Job]) -> None:
    def losses(*, wasted: int, total_steps: int) -> float:
        session = session_of(make_job(f"{PLAIN}[head]\ndropout = 0.5\n", out=f"run-{wasted}-{total_steps}"))
        session.progress.total_steps = total_steps
        session.network.train()
        torch.rand(wasted + 1)
        return take_step(session, open_stage(session, 0), ROWS, 0).loss_sum

    first = losses(wasted=0, total_steps=4)
    assert losses(wasted=99, total_steps=4) == first
    assert losses(wasted=0, total_steps=5) != first
