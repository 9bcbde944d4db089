"""The requirements of each kind, as checks: ``works`` builds a component and uses it as the engine does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from cellcls.api import (
    Batch,
    Choice,
    Colour,
    Component,
    Decision,
    Features,
    Geometric,
    Input,
    Mix,
    Source,
    StageHistory,
    Trial,
    settings,
)
from cellcls.engine.pipeline import Pipeline, Samples
from cellcls.ops.curation.copies import group_by_hash
from cellcls.ops.networks.call_order import record_calls
from cellcls.ops.storage.files import write_text
from cellcls.ops.storage.hashing import source_hashes
from cellcls.recipe import dump, to_data
from cellcls.registry import load_registry
from cellcls.runs.folder import make_folder
from cellcls.runs.options import Options, write_options
from cellcls.testing.runs import TINY, read_recipe

SIZE = 32
"""Side in pixels of the images of most checks."""
Works = Callable[[Any, Path], list[Any]]
Data = dict[str, Any]


@attrs.frozen(kw_only=True)
class KindChecks:
    """The checks of a kind."""

    works: Works
    """Build a component, use it, assert what its kind requires and return the outputs (tensors, numbers, plain data),
    which must be the same for the same seed."""
    into: Callable[[Data, Data], Data]
    """Add a component, as TOML data, to the tiny recipe."""
    trains: Callable[[Any, Path], None] | None = None
    """Assert that a training step changes what it should; None: not a part of training."""
    instead: Works | None = None
    """Check done instead of resuming a tiny run, for kinds that are not part of a single run."""
    example: Mapping[str, Any] = attrs.field(factory=dict)
    """Settings that the kind's examples need."""


# --- data -------------------------------------------------------------------------------------------------------


def dataset_works(component: Any, folder: Path) -> list[Any]:
    """``build`` returns a source with valid labels, and images in the order of the indices."""
    source = component.build(path=component.location(), input=Input(size=SIZE), cache=folder / "cache")
    count, classes = len(source), len(source.class_names)
    assert isinstance(source, Source), "build does not return a cellcls.api.Source"
    assert type(component.leniently()) is type(component), "leniently returns another component"
    assert count > 0, "the example data set is empty"
    assert source.labels.dtype == np.int64, "labels are not int64"
    assert source.labels.shape == (count,), "labels are not (N,)"
    assert len(set(source.class_names)) == classes, "class names repeat"
    assert source.labels.min() >= 0, "labels are negative"
    assert source.labels.max() < classes, "labels exceed the number of class names"
    indices = np.array([count - 1, 0], dtype=np.intp)
    images = source.read(indices)
    assert images.dtype == np.uint8, "images are not uint8"
    assert images.ndim == 4, "images are not (B, H, W, 3)"
    assert images.shape[::3] == (2, 3), "images are not (B, H, W, 3)"
    assert np.array_equal(images[1:], source.read(indices[1:])), "images are not in the order of the indices"
    if source.parts is not None:
        assert set(source.parts.tolist()) <= {"train", "val", "test"}, "parts are not train, val or test"
    return [source.labels, images, list(source.class_names)]


EXAMPLE_SET: Mapping[str, Any] = {"use": "synthetic", "images_per_class": 12, "conflicting": 0.05}
"""The data set for cleaners, in the checks and in the tiny run."""


def example_source() -> Source:
    """Return rendered cells of the eight classes at 32 pixels, some of them twice with different labels."""
    images, labels, class_names = _example_arrays()
    return Held(images, labels.copy(), class_names)


@cache
def _example_arrays() -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]:
    synthetic: Any = load_registry().find("dataset", "synthetic")
    example_settings = {name: value for name, value in EXAMPLE_SET.items() if name != "use"}
    with TemporaryDirectory(prefix="cellcls-testing-") as cache_folder:
        source: Source = synthetic(**example_settings).build(
            path=None, input=Input(size=SIZE), cache=Path(cache_folder)
        )
        images = source.read(np.arange(len(source)))
    images.flags.writeable = False  # shared by all checks
    return images, source.labels, source.class_names


class Held(Source):
    """A data set in memory."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64], class_names: tuple[str, ...]) -> None:
        self.images = images
        self.labels = labels
        self.class_names = class_names

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return the images (B, H, W, 3) of ``indices``."""
        return self.images[indices]


def cleaner_works(component: Any, _folder: Path) -> list[Any]:
    """Decisions are about images that are still kept, each with its hash, rule and reason."""
    source = example_source()
    groups = group_by_hash(source_hashes(source))
    kept = np.ones(len(source), dtype=bool)
    kept[-1] = False
    before, labels = kept.copy(), source.labels.copy()
    decisions = component.build(source=source, groups=groups, kept=kept)
    assert np.array_equal(kept, before), "it changed `kept`, which belongs to the engine"
    assert np.array_equal(source.labels, labels), "it changed the source's labels"
    for decision in decisions:
        assert isinstance(decision, Decision), f"{decision!r} is not a cellcls.api.Decision"
        assert decision.hash == groups.hashes[decision.index], (
            f"the hash of image {decision.index} belongs to another image"
        )
        assert decision.rule, "a decision has no rule"
        assert decision.reason, "a decision has no reason"
    assert len({decision.index for decision in decisions}) == len(decisions), "an image is dropped twice"
    return [[attrs.asdict(decision) for decision in decisions]]


# --- augmentation -----------------------------------------------------------------------------------------------


def _cells(count: int = 6) -> tuple[Tensor, Tensor]:
    """Return images (B, 3, S, S) in 0..1 and soft targets (B, 8)."""
    source = example_source()
    images = torch.from_numpy(source.read(np.arange(count))).permute(0, 3, 1, 2).float() / 255
    return images.contiguous(), one_hot(torch.from_numpy(source.labels[:count]), 8).float()


class _Cells:
    """Provides the example cells as partners for mixing."""

    count = 6

    def __call__(self, numbers: Tensor) -> Samples:
        images, targets = _cells()
        changed = torch.ones(len(numbers), dtype=torch.bool)
        return Samples(images=images[numbers], targets=targets[numbers], ids=numbers, changed=changed)


def _changed(operation: Any, p: float = 1.0) -> tuple[Tensor, Tensor]:
    images, targets = _cells()
    assert isinstance(operation, Geometric | Colour | Batch | Mix), (
        "build does not return a Geometric, Colour, Batch or Mix"
    )
    if not isinstance(operation, Batch | Mix):
        shape = (6, 3, 3) if isinstance(operation, Geometric) else (6, 3, 4)
        assert operation.matrix(torch.rand(6, operation.draws)).shape == shape, f"its matrices are not {shape}"
    given = images.clone(), targets.clone()
    pipeline = partial(Pipeline([(p, operation)]), seed=1, epoch=0, partners=_Cells())
    new, soft = pipeline(images, targets, sample_ids=torch.arange(6))
    again, _ = pipeline(images, targets, sample_ids=torch.arange(6))
    assert torch.equal(again, new), "the same seed gives a different result"
    for batch in ([0], [0, 1], [2, 3, 4, 5], [5, 3, 0, 1, 4, 2]):
        same, same_soft = pipeline(images[batch], targets[batch], sample_ids=torch.tensor(batch))
        assert torch.allclose(same, new[batch], atol=1e-5), "the result for an image depends on its batch"
        assert torch.allclose(same_soft, soft[batch], atol=1e-5), "the targets of an image depend on its batch"
    assert torch.equal(images, given[0]), "it changed the images it was given, in place"
    assert torch.equal(targets, given[1]), "it changed the targets it was given, in place"
    assert new.shape == images.shape, "the shape of the images changed"
    assert bool(torch.isfinite(new).all()), "the images have values that are not finite"
    assert soft.shape == targets.shape, "the shape of the targets changed"
    assert torch.allclose(soft.sum(1), torch.ones(6), atol=1e-5), "soft targets do not sum to 1"
    return new, soft


def augmentation_works(component: Any, _folder: Path) -> list[Any]:
    """``build`` returns an operation that keeps shapes and does not change its inputs in place."""
    return list(_changed(component.build(size=SIZE), component.p))


def corruption_works(component: Any, _folder: Path) -> list[Any]:
    """``build`` returns an operation for each of five severities that changes images but not targets."""
    images, targets = _cells()
    out = []
    for severity in (1, 2, 3, 4, 5):
        new, soft = _changed(component.build(severity=severity, size=SIZE))
        assert torch.equal(soft, targets), "a corruption changed targets"
        out.append(new)
    assert not torch.equal(out[-1], images), "severity 5 changes nothing"
    return out


# --- network ----------------------------------------------------------------------------------------------------


def backbone_works(component: Any, _folder: Path) -> list[Any]:
    """``build`` returns features with the right number of channels and names of modules that exist."""
    features = component.build(size=2 * SIZE, weights=None)
    assert isinstance(features, Features), "build does not return cellcls.api.Features"
    features.module.eval()
    outputs: list[Any] = []
    with torch.no_grad():
        images = torch.rand(2, 3, 2 * SIZE, 2 * SIZE)
        called = [call.name for call in record_calls(features.module, lambda: outputs.append(features.module(images)))]
    [out] = outputs
    assert out.ndim == 4, "the output is not a map (B, C, h, w)"
    assert out.shape[:2] == (2, features.channels), "`channels` does not match the output"
    assert bool(torch.isfinite(out).all()), "the map has values that are not finite"
    modules = dict(features.module.named_modules())
    assert set(features.weighted) <= set(modules), "`weighted` names modules that do not exist"
    assert set(features.layers) <= set(modules), "`layers` names modules that do not exist"
    assert features.layers, "`layers` is empty: explanations need at least one"
    order = [called.index(name) for name in features.layers if name in called]
    assert len(order) == len(features.layers), "`layers` names modules that are not called"
    assert order == sorted(order), "`layers` are not in order from shallow to deep"
    counted = sum(
        parameter.numel() for name in features.weighted for parameter in modules[name].parameters(recurse=False)
    )
    assert counted == sum(parameter.numel() for parameter in features.module.parameters()), (
        "`weighted` leaves out parameters"
    )
    return [out]


def backbone_trains(component: Any, _folder: Path) -> None:
    """A training step reaches all parameters except frozen ones."""
    features = component.build(size=2 * SIZE, weights=None)
    _takes_a_step(features.module, lambda: features.module(torch.rand(4, 3, 2 * SIZE, 2 * SIZE)).mean((2, 3)))


def head_works(component: Any, _folder: Path) -> list[Any]:
    """``build`` returns a module from a map, square or not, to one logit per class."""
    out = []
    for channels, size, classes in ((8, (4, 4), 8), (12, (3, 2), 5), (8, (1, 1), 2)):
        module = component.build(channels=channels, size=size, num_classes=classes).eval()
        with torch.no_grad():
            logits = module(torch.rand(3, channels, *size))
        assert logits.shape == (3, classes), f"a map (3, {channels}, {size[0]}, {size[1]}) gives {tuple(logits.shape)}"
        assert bool(torch.isfinite(logits).all()), "logits are not finite"
        out.append(logits)
    return out


def head_trains(component: Any, _folder: Path) -> None:
    """A training step reaches all parameters."""
    head = component.build(channels=8, size=(4, 4), num_classes=5)
    _takes_a_step(head, lambda: head(torch.rand(4, 8, 4, 4)))


def _takes_a_step(module: nn.Module, forward: Callable[[], Tensor]) -> None:
    module.train()
    trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    before = {name: parameter.detach().clone() for name, parameter in trained.items()}
    optimizer = torch.optim.SGD(list(trained.values()), lr=1.0) if trained else None
    features = forward()
    loss = cross_entropy(features, torch.arange(len(features)) % features.shape[1])
    if optimizer is None:
        return
    loss.backward()  # type: ignore[no-untyped-call]
    unreached = [name for name, parameter in trained.items() if parameter.grad is None]
    assert not unreached, f"no gradient reaches {', '.join(unreached[:5])}"
    optimizer.step()
    assert any(not torch.equal(before[name], parameter) for name, parameter in trained.items()), (
        "a step changed no parameter"
    )


# --- training ---------------------------------------------------------------------------------------------------

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.4, 0.3], [-3.0, 1.0, 0.0], [0.0, 0.0, 5.0]])
CLASSES = torch.tensor([0, 1, 2, 2])


def loss_works(component: Any, _folder: Path) -> list[Any]:
    """The loss is one value per sample, the same for a class and its one-hot target, with and without class weights."""
    out = []
    for weights in (None, torch.tensor([1.0, 2.0, 0.5])):
        loss = component.build(class_weights=weights)
        hard, soft = loss(LOGITS, CLASSES), loss(LOGITS, one_hot(CLASSES, 3).float())
        assert hard.shape == (4,), "the loss is not one value per sample (B,): the engine takes the mean"
        assert bool(torch.isfinite(hard).all()), "the loss is not finite"
        assert torch.allclose(hard, soft, atol=1e-5), "a class and its one-hot target have different losses"
        out.append(hard)
    return out


def loss_trains(component: Any, _folder: Path) -> None:
    """A small step against the gradient reduces the loss."""
    loss = component.build(class_weights=None)
    logits = LOGITS.clone().requires_grad_()
    before = loss(logits, CLASSES).mean()
    before.backward()
    assert logits.grad is not None, "no gradient reaches the logits"
    assert bool(logits.grad.abs().sum() > 0), "the gradient is 0 everywhere"
    after = loss((logits - 1e-2 * logits.grad).detach(), CLASSES).mean()
    assert after <= before + 1e-7, "a step against the gradient increased the loss"


def _parameter() -> nn.Parameter:
    return nn.Parameter(torch.tensor([[1.0, -2.0], [3.0, 0.5]]))


def optimizer_works(component: Any, _folder: Path) -> list[Any]:
    """``build`` returns a torch optimizer with learning rate ``lr`` that continues identically from its state."""
    parameter = _parameter()
    optimizer = component.build(parameters=[parameter])
    assert isinstance(optimizer, torch.optim.Optimizer), "build does not return a torch.optim.Optimizer"
    assert all(group["lr"] == component.lr for group in optimizer.param_groups), "the learning rate is not `lr`"
    for _ in range(2):
        _step(optimizer, parameter)
    copied = nn.Parameter(parameter.detach().clone())
    resumed = component.build(parameters=[copied])
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    _step(optimizer, parameter)
    _step(resumed, copied)
    assert bool(torch.isfinite(parameter).all()), "parameters are no longer finite"
    assert torch.equal(parameter, copied), "it continues differently from its own state_dict"
    return [parameter.detach()]


def _step(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> None:
    optimizer.zero_grad()
    (parameter**2).sum().backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def optimizer_trains(component: Any, _folder: Path) -> None:
    """Ten steps reduce a sum of squares."""
    parameter = _parameter()
    optimizer = component.build(parameters=[parameter])
    before = parameter.detach().square().sum()
    for _ in range(10):
        _step(optimizer, parameter)
    assert parameter.detach().square().sum() < before, "ten steps did not reduce a sum of squares"


class _Past(StageHistory):
    """A stage with some complete epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def values(self, metric: str) -> list[float]:
        """Return values that first improve and then stay the same."""
        return [0.5, 0.7, 0.7][: self.epochs]


def schedule_works(component: Any, _folder: Path) -> list[Any]:
    """``build`` returns a pure function whose factors are finite and at least 0."""
    factor = component.build(epochs=3, steps_per_epoch=4)
    forwards = [factor(step, _Past(step // 4)) for step in range(12)]
    backwards = [factor(step, _Past(step // 4)) for step in reversed(range(12))]
    assert all(np.isfinite(value) and value >= 0 for value in forwards), "a factor is negative or not finite"
    assert forwards == backwards[::-1], "a factor depends on earlier calls"
    _metrics_are_settings(component)
    return [forwards]


def callback_works(component: Any, _folder: Path) -> list[Any]:
    """Watched settings exist; its methods are called in the run of ``test_it_resumes``."""
    _metrics_are_settings(component)
    return [to_data(component)]


def _metrics_are_settings(component: Any) -> None:
    for name in type(component).watches:
        assert name in settings(component), f"`watches` names `{name}`, which is not a setting"


# --- explaining -------------------------------------------------------------------------------------------------


def explainer_works(component: Any, _folder: Path) -> list[Any]:
    """Heat maps are non-negative, one per image, and the network is left unchanged."""
    layer = nn.Conv2d(3, 4, 3, stride=2)
    network = nn.Sequential(layer, nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8))
    network.train()
    before = copy.deepcopy(network.state_dict())
    explain = component.build(network=network, layer=layer, grid=None)
    maps = explain(_cells(3)[0], torch.tensor([0, 1, 2]))
    assert not maps.requires_grad, "maps require gradients: detach them"
    assert maps.ndim == 3, "maps are not (B, h, w)"
    assert len(maps) == 3, "there is not one map per image"
    assert bool(torch.isfinite(maps).all()), "maps have values that are not finite"
    assert float(maps.min()) >= 0, "maps have negative values"
    assert network.training, "it changed the mode of the network (train or eval)"
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items()), "it changed weights"
    assert all(parameter.grad is None for parameter in network.parameters()), (
        "it left gradients on the network's parameters"
    )
    return [maps]


# --- searching --------------------------------------------------------------------------------------------------


def search_works(component: Any, _folder: Path) -> list[Any]:
    """``build`` returns a pure function of the finished trials whose settings are in the search space."""
    first, second = component.build(seed=0), component.build(seed=0)
    trials: list[Trial] = []
    for number in range(4):
        chosen = first(number, trials)
        assert dict(second(number, list(trials))) == dict(chosen), "the same trials give different settings"
        assert chosen.keys() == component.space.keys(), "a trial's settings are not those of `space`"
        for name, value in chosen.items():
            ends = component.space[name].extremes()
            inside = value in ends if component.space[name].values else ends[0] <= value <= ends[1]
            assert inside, f"{name} = {value!r} is outside the search space"
        trials.append(Trial(number=number, settings=chosen, value=0.5 + 0.1 * number))
    fresh = component.build(seed=0)
    assert dict(fresh(3, trials[:3])) == dict(trials[3].settings), "a search continues differently after it was stopped"
    return [[dict(trial.settings) for trial in trials]]


# --- launching --------------------------------------------------------------------------------------------------


def launcher_works(component: Any, folder: Path) -> list[Any]:
    """The launcher reports on every folder once, including those that are not runs."""
    runs = [folder / name for name in ("no run", "another")]
    for run in runs:
        run.mkdir(exist_ok=True)
    codes = list(component.build()(runs))
    assert sorted(run for run, _ in codes) == sorted(runs), "the launcher does not report on every run once"
    assert all(code not in (0, None) for _, code in codes), "a folder that is not a run is reported as done"
    return [sorted((str(run.name), code) for run, code in codes)]


def launcher_executes(component: Any, folder: Path) -> list[Any]:
    """A planned run is executed to its end."""
    recipe = read_recipe(TINY, folder / "tiny.toml")
    run = make_folder(folder / "planned")
    write_options(run, Options(device="cpu"))
    write_text(run.recipe, dump(recipe))
    assert list(component.build()([run.path])) == [(run.path, 0)], "the launcher did not report that the run succeeded"
    assert run.metrics.exists(), "the run wrote no metrics"
    return []


# --- the kinds --------------------------------------------------------------------------------------------------


def _section(name: str) -> Callable[[Data, Data], Data]:
    return lambda recipe, data: {**recipe, name: data}


def _list(name: str) -> Callable[[Data, Data], Data]:
    return lambda recipe, data: {**recipe, name: [data]}


def _stage(name: str) -> Callable[[Data, Data], Data]:
    return lambda recipe, data: {**recipe, "stages": [{**recipe["stages"][0], name: data}]}


def _cleaned(recipe: Data, data: Data) -> Data:
    return {**recipe, "dataset": dict(EXAMPLE_SET), "cleaners": [data]}


def _corrupted(recipe: Data, data: Data) -> Data:
    return {**recipe, "evaluate": [{"name": "bad", "part": "test", "corrupt": data["use"], "severities": [3]}]}


CHECKS: Mapping[str, KindChecks] = {
    "dataset": KindChecks(works=dataset_works, into=_section("dataset")),
    "cleaner": KindChecks(works=cleaner_works, into=_cleaned),
    "augmentation": KindChecks(works=augmentation_works, into=_list("augment")),
    "corruption": KindChecks(works=corruption_works, into=_corrupted),
    "backbone": KindChecks(works=backbone_works, into=_section("backbone"), trains=backbone_trains),
    "head": KindChecks(works=head_works, into=_section("head"), trains=head_trains),
    "loss": KindChecks(works=loss_works, into=_section("loss"), trains=loss_trains),
    "optimizer": KindChecks(
        works=optimizer_works, into=_stage("optimizer"), trains=optimizer_trains, example={"lr": 1e-2}
    ),
    "schedule": KindChecks(works=schedule_works, into=_stage("schedule")),
    "callback": KindChecks(works=callback_works, into=_list("callbacks")),
    "search": KindChecks(
        works=search_works,
        into=_section("sweep"),
        instead=search_works,
        example={"trials": 4, "space": {"stages.0.optimizer.lr": Choice(low=1e-4, high=1e-2, log=True)}},
    ),
    "launcher": KindChecks(works=launcher_works, into=lambda recipe, _data: recipe, instead=launcher_executes),
    "explainer": KindChecks(works=explainer_works, into=_list("explain"), example={"images": 2}),
}
"""The checks of every kind."""


def checks_of(cls: type[Component]) -> KindChecks:
    """Return the checks of a component's kind."""
    return CHECKS[cls.kind]
