"""The memory a run takes: what is counted of it, and what is estimated before."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from support.sources import CPU, Held, images_of, noise
from torch import Tensor, nn

from cellcls.engine import memory
from cellcls.engine.job import Job
from cellcls.engine.memory import PeakMemory, estimate_mb, measured_state
from cellcls.recipe import Recipe


@pytest.mark.parametrize(
    ("optimizer", "tensors"),
    [
        ('use = "sgd"\nmomentum = 0.0', 0),
        ('use = "sgd"\nmomentum = 0.9', 1),
        ('use = "adam"', 2),
        ('use = "lion"', 1),
    ],
)
def test_an_optimizers_state_is_counted(make_job: Callable[..., Job], optimizer: str, tensors: int) -> None:
    recipe = make_job(f"[[stages]]\n[stages.optimizer]\nlr = 0.1\n{optimizer}\n").recipe
    assert measured_state(recipe.stages[0].optimizer) == tensors


WRITTEN = """
import numpy as np, torch
from cellcls.engine.memory import anonymous_mb
before = anonymous_mb(torch.device("cpu"))
held = np.ones(64_000_000, np.uint8)
print(anonymous_mb(torch.device("cpu")) - before)
"""


def test_memory_that_is_written_to_is_seen() -> None:
    """In a process of its own: what other tests have left is freed at any time."""
    done = subprocess.run([sys.executable, "-c", WRITTEN], capture_output=True, text=True, check=True)
    assert 60 < float(done.stdout) < 80


def test_the_peak_is_the_largest_of_all_that_was_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, all_seen = iter([3.0, 9.0, 4.0]), threading.Event()

    def told(_device: torch.device) -> float:
        value = next(seen, None)
        if value is None:
            all_seen.set()
        return value or 1.0

    monkeypatch.setattr(memory, "anonymous_mb", told)
    with PeakMemory(torch.device("cpu"), every=0.0) as watched:
        assert all_seen.wait(60)
    assert watched.megabytes == 9.0


def test_other_systems_tell_the_peak_in_their_own_units(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_proc(*_given: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(memory, "open", no_proc, raising=False)
    monkeypatch.setattr("resource.getrusage", lambda _who: SimpleNamespace(ru_maxrss=2_000_000))
    cpu = torch.device("cpu")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory.anonymous_mb(cpu) == 2.0  # bytes
    monkeypatch.setattr(sys, "platform", "freebsd14")
    assert memory.anonymous_mb(cpu) == 2048.0  # KiB
    monkeypatch.setitem(sys.modules, "resource", None)  # Windows
    assert memory.anonymous_mb(cpu) == 0.0


class Doubling(nn.Module):
    """Holds its input, its double and the mean of that: bytes alive that can be counted by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        return (images * self.weight).mean((2, 3))


@pytest.fixture
def estimate(make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> Callable[..., float]:
    """Return a function that estimates training ``Doubling`` on 64 pixels, in megabytes beyond what is taken now."""
    monkeypatch.setattr(memory, "anonymous_mb", lambda _device: 0.0)
    monkeypatch.setattr(memory, "_COMPILER_MB", 0.0)

    def estimated(network: nn.Module | None = None, *overrides: str) -> float:
        recipe: Recipe = make_job(overrides=overrides, out=f"run{len(overrides)}-{hash(overrides)}").recipe
        images = images_of(Held(noise(4, 64)), size=64)
        return estimate_mb(recipe, network or Doubling(), images, CPU)

    return estimated


def test_a_larger_batch_costs_what_it_holds(estimate: Callable[..., float]) -> None:
    """Forward: the images and their double; backward, when the double's gradient is there, no more than that twice."""
    image = 3 * 64 * 64 * 4 / 1e6
    grown = estimate(None, "train.batch_size=1024") - estimate(None, "train.batch_size=512")
    assert 512 * 2 * image <= grown * 1.001
    assert grown <= 512 * 4 * image


def test_parts_of_a_batch_cost_no_more_than_a_part(estimate: Callable[..., float]) -> None:
    whole = estimate(None, "train.batch_size=1024")
    assert estimate(None, "train.batch_size=4096", "train.accumulate=4") == pytest.approx(whole)


def test_weights_are_counted_with_their_copies(estimate: Callable[..., float]) -> None:
    """AdamW, the default, keeps two tensors beside a weight, an average of the network a third."""

    class Heavy(Doubling):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(10_000_000))

    light, heavy = estimate(), estimate(Heavy())
    assert heavy - light == pytest.approx(3 * 40, rel=0.01)
    assert estimate(Heavy(), "train.ema_decay=0.9") - heavy == pytest.approx(40, rel=0.01)
