"""Classes of ``kornia.augmentation`` with draws that are a function of the sample.

kornia draws from torch's global generator, for a batch at once. Here the parameters of each sample are drawn by
themselves, on the CPU, under a generator that is seeded for that sample and put back afterwards, and handed to the
class for the whole batch. A class that draws again while it is applied, or whose parameters cannot be put together,
is applied to one sample at a time, under that sample's generator.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import kornia.augmentation as kornia
import torch
from torch import Tensor

from cellcls.errors import RecipeError, suggestion

OWN = {
    "p": "use the `p` of the augmentation",
    "p_batch": "each sample is drawn by itself",
    "same_on_batch": "each sample is drawn by itself",
    "keepdim": "images always come as a batch",
    "size": "images keep the size of `[input]`",
    "data_keys": "only images are augmented",
}
"""Arguments that the engine supplies or that have no meaning here, each with the reason."""
_RESIZING = dict.fromkeys(
    ("CenterCrop", "LongestMaxSize", "PadTo", "Resize", "SmallestMaxSize"),
    "it changes the size of images, which is that of `[input]`",
)
_EXCLUDED = {
    **_RESIZING,
    "Normalize": "the network normalises its input itself",
    "Denormalize": "the network normalises its input itself",
    "RandomDissolving": "it downloads the weights of a diffusion model",
}
_TRIED = 24
"""Side in pixels of the images that a class is tested on."""


@cache
def offered() -> tuple[dict[str, type[Any]], dict[str, str]]:
    """Return the usable classes by name, and the reasons why the others cannot be used."""
    works, excluded = {}, {}
    for name, cls in inspect.getmembers(kornia, inspect.isclass):
        reason = _reason(name, cls)
        if reason:
            excluded[name] = reason
        else:
            works[name] = cls
    return works, excluded


def _reason(name: str, cls: type[Any]) -> str | None:
    if name in _EXCLUDED:
        return _EXCLUDED[name]
    if "Base" in name:
        return "it is a base class"
    if name.endswith("3D"):
        return "it is for volumes"
    if issubclass(cls, kornia.MixAugmentationBaseV2):
        return "it mixes the images of a batch: `mixup` and `cutmix` draw a partner for each sample"
    if not issubclass(cls, kornia.AugmentationBase2D):
        return "it combines other augmentations: list them in the recipe"
    return None


def arguments_of(name: str) -> dict[str, inspect.Parameter]:
    """Return the arguments of a class that can be set in a recipe."""
    parameters = inspect.signature(offered()[0][name]).parameters
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {key: parameter for key, parameter in parameters.items() if key not in OWN and parameter.kind not in kinds}


def problems(name: str, given: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield setting, problem and hint for each problem with a class's name and arguments."""
    works, excluded = offered()
    if name not in works:
        why = excluded.get(name)
        advice = "" if why else suggestion(name, works)
        yield (
            "name",
            f"kornia's `{name}` cannot be used: {why}" if why else f"kornia has no augmentation `{name}`",
            f"{advice}More: cellcls describe augmentation kornia",
        )
        return
    allowed = arguments_of(name)
    takes = f"{name} takes: {', '.join(allowed) or 'no arguments'}"
    wrong = False
    for key, value in given.items():
        problem = _problem(name, key, value, allowed, takes)
        if problem:
            wrong = True
            yield problem
    missing = [key for key, parameter in allowed.items() if parameter.default is parameter.empty and key not in given]
    if missing:
        yield "name", f"kornia's `{name}` needs `{missing[0]}`", takes
    elif not wrong:
        yield from _refused(name, given, allowed, takes)


def _problem(
    name: str, key: str, value: Any, allowed: Mapping[str, inspect.Parameter], takes: str
) -> tuple[str, str, str] | None:
    if key in OWN:
        return key, f"kornia's `{key}` cannot be set: {OWN[key]}", takes
    if key not in allowed:
        return key, f"kornia's `{name}` has no argument `{key}`", suggestion(key, allowed) + takes
    hint = _hint(offered()[0][name], key)
    if not _accepts(hint, value):
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        return key, f"`{key}` must be {_in_words(hint)}, not {shown}", takes
    return None


def _refused(
    name: str, given: Mapping[str, Any], allowed: Mapping[str, inspect.Parameter], takes: str
) -> Iterator[tuple[str, str, str]]:
    """Yield the problem that the class itself raises, at the argument that causes it."""
    error = _refusal(name, given)
    if error is None:
        return
    required = {key for key, parameter in allowed.items() if parameter.default is parameter.empty}
    alone = [
        key for key in given if key not in required and _refusal(name, {**_only(given, required), key: given[key]})
    ]
    place = alone[0] if alone else next(iter(sorted(required & given.keys())), "name")
    text = " ".join(str(error).split())[:200] or type(error).__name__
    yield place, f"kornia's `{name}` rejects it: {text}", takes


def _only(given: Mapping[str, Any], keys: set[str]) -> dict[str, Any]:
    return {key: given[key] for key in given if key in keys}


def _refusal(name: str, given: Mapping[str, Any]) -> Exception | None:
    try:
        with _kept_generator():
            module = _module(name, given, _TRIED)
            images = torch.rand(1, 3, _TRIED, _TRIED)
            module(images, params=module.forward_parameters(images.shape))
    except Exception as error:  # anybody's code, with any error
        return error
    return None


def _hint(cls: type[Any], key: str) -> Any:
    """Return the type of an argument, Any if it cannot be determined."""
    annotation = inspect.signature(cls).parameters[key].annotation
    if isinstance(annotation, str):
        names = {**vars(typing), "torch": torch, "Tensor": Tensor, **vars(kornia)}
        try:
            return eval(annotation, names)  # kornia's own source, not a recipe's
        except (NameError, AttributeError, TypeError):
            return Any
    return annotation


def _accepts(hint: Any, value: Any) -> bool:
    """Return whether a value in a recipe has the type of an argument. A list may be a tuple, a list or a tensor."""
    origin, arms = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_accepts(arm, value) for arm in arms)
    if hint is bool:
        return isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (float, Tensor) and not isinstance(value, tuple):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is Tensor:
        return all(_accepts(Tensor, item) for item in value)
    if hint is str:
        return isinstance(value, str)
    if origin is tuple and arms and arms[-1] is not Ellipsis:
        sizes = isinstance(value, tuple) and (len(value) == len(arms) or len(arms) == 1)
        return sizes and all(_accepts(arm, item) for arm, item in zip(arms * len(value), value, strict=False))
    if origin in (tuple, list):
        return isinstance(value, tuple) and all(_accepts(arms[0], item) for item in value)
    if hint is type(None):
        return False
    return hint is Any or not isinstance(hint, type) or isinstance(value, int | str)  # an enumeration's name or number


def _in_words(hint: Any) -> str:
    arms = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        words = dict.fromkeys(_in_words(arm) for arm in arms if arm is not type(None))
        return " or ".join(words)
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Tensor: "a number or list"}
    if typing.get_origin(hint) is tuple and arms[-1] is not Ellipsis:
        return f"a list of {len(arms)} ({', '.join(_in_words(arm) for arm in arms)})"
    if typing.get_origin(hint) in (tuple, list):
        return "a list"
    return names.get(hint, "a text")


def _module(name: str, given: Mapping[str, Any], size: int) -> Any:
    """Build a class for images of ``size`` x ``size`` pixels that changes every image."""
    cls = offered()[0][name]
    parameters = inspect.signature(cls).parameters
    built = {key: _argument(_hint(cls, key), value) for key, value in given.items()}
    supplied = {"p": 1.0, "size": (size, size)}
    return cls(**built, **{key: value for key, value in supplied.items() if key in parameters})


def _argument(hint: Any, value: Any) -> Any:
    """Return a value as kornia takes it: as a tensor if it takes nothing else."""
    return torch.as_tensor(value, dtype=torch.float32) if hint is Tensor else value


def build(name: str, given: Mapping[str, Any], size: int) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return a class as the ``apply`` of a ``Batch`` with two draws, the sample's seed. Raises ``RecipeError``."""
    for _, problem, hint in problems(name, given):
        raise RecipeError(f"augmentation kornia: {problem}", hint)
    module = _module(name, given, size)
    together = _works_together(module, size)

    def apply(images: Tensor, targets: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        seeds = seeds_of(draws)
        with _kept_generator(images.device):
            changed = _together(module, images, seeds) if together else _one_by_one(module, images, seeds)
        return changed.to(images.dtype), targets

    return apply


def seeds_of(draws: Tensor) -> list[int]:
    """Return a seed of 48 bits from two draws (B, 2) of 24 bits."""
    words = (draws.detach().cpu().double() * 2**24).long()
    return [int(first) << 24 | int(second) for first, second in words.tolist()]


def _drawn(module: Any, shape: Sequence[int], seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    drawn: dict[str, Any] = module.forward_parameters(torch.Size((1, *shape)))
    return drawn


def _together(module: Any, images: Tensor, seeds: Sequence[int]) -> Tensor:
    """Apply a class to a batch, each sample with its own parameters."""
    parameters = [_drawn(module, images.shape[1:], seed) for seed in seeds]
    stacked = {key: _stacked([drawn[key] for drawn in parameters]) for key in parameters[0]}
    stacked["forward_input_shape"] = torch.tensor(images.shape)
    changed: Tensor = module(images, params=stacked)
    return changed


def _stacked(values: Sequence[Any]) -> Any:
    first = values[0]
    return torch.cat(list(values)) if isinstance(first, Tensor) and first.ndim and first.shape[0] == 1 else first


def _one_by_one(module: Any, images: Tensor, seeds: Sequence[int]) -> Tensor:
    """Apply a class to one sample at a time, so that random numbers drawn while applying depend on its seed only."""
    changed = []
    for image, seed in zip(images, seeds, strict=True):
        drawn = _drawn(module, image.shape, seed)
        changed.append(module(image[None], params=drawn))
    return torch.cat(changed)


def _works_together(module: Any, size: int) -> bool:
    """Return whether a class gives the same result for a batch as for its samples one by one."""
    with _kept_generator():
        images = torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0))
        try:
            whole = _together(module, images, [1, 2, 3])
        except Exception:  # parameters that cannot be stacked
            return False
        return torch.allclose(whole, _one_by_one(module, images, [1, 2, 3]), atol=1e-6)


def _kept_generator(device: torch.device | None = None) -> Any:
    """Restore torch's global generators at the end of the block."""
    devices = [device] if device is not None and device.type == "cuda" else []
    return torch.random.fork_rng(devices=devices)
