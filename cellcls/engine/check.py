"""Checking a run without training: its data, classes, steps and memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from cellcls.engine.batches import steps_per_epoch
from cellcls.engine.data import prepare
from cellcls.engine.device import machine as resolve_machine
from cellcls.engine.foresight import foresee, refuse_unbuildable
from cellcls.engine.freezing import frozen_by
from cellcls.engine.images import Images
from cellcls.engine.init import start_from
from cellcls.engine.memory import estimate_mb
from cellcls.engine.network import build_features, network_config
from cellcls.engine.samples import samples
from cellcls.engine.skipped import skipped_of
from cellcls.recipe import Recipe
from cellcls.registry import Registry
from cellcls.runs.inputs import Inputs
from cellcls.runs.options import Options


@attrs.frozen(kw_only=True)
class CheckedRun:
    """What a run would be."""

    name: str
    rehearsal: bool
    dataset: str
    images: int
    dropped: int
    """Images that the cleaners drop."""
    skipped: Mapping[str, int]
    """Files of the data set's folder that are none of its images, by the reason."""
    parts: Mapping[str, int]
    """Images of each part."""
    samples: int
    """Samples of an epoch, copies included."""
    classes: Mapping[str, int]
    """Images of each class in the training part."""
    weights: str
    """What the network starts from."""
    parameters: int
    stages: Mapping[str, str]
    """How much of the backbone each stage freezes."""
    steps: int
    device: str
    precision: str
    memory_mb: float
    """Estimated peak memory."""
    warnings: tuple[str, ...]
    """What the numbers of recipe and data foretell."""


def check_run(inputs: Inputs, options: Options, registry: Registry) -> CheckedRun:
    """Return what a run would be. Raises what the run would raise before its first step."""
    recipe: Recipe = inputs.recipe
    machine = resolve_machine(options, recipe.train.precision)
    given = options.rehearse or recipe.init.from_ is not None
    refuse_unbuildable(recipe, registry)
    features = build_features(recipe, None if given else options.weight_places)
    data = prepare(inputs)
    config = network_config(recipe, data.classes)
    network = config.build(features, recipe.seed)
    if recipe.init.from_ is not None and Path(recipe.init.from_).is_absolute():  # else a run of the same file
        start_from(Path(recipe.init.from_), network, config, data, registry)
    images = Images(data.source, recipe.input, machine.device)
    trained = samples(data.parts["train"], data.source.labels, recipe.expand, seed=recipe.seed)
    warnings = foresee(recipe, data, network, len(trained), machine, rehearse=options.rehearse)
    steps = 1 if options.rehearse else steps_per_epoch(len(trained), recipe.train.batch_size)
    weighted = len(network.features.weighted)
    frozen = {
        recipe.stage_name(number): f"{len(frozen_by(network, recipe, stage))} of {weighted} modules frozen"
        for number, stage in enumerate(recipe.stages)
    }
    return CheckedRun(
        name=recipe.name,
        rehearsal=options.rehearse,
        dataset=recipe.dataset.component_name,
        images=len(data.source),
        dropped=len(data.decisions),
        skipped={skipped.reason: skipped.n for skipped in skipped_of(data.source)},
        parts={part: len(indices) for part, indices in data.parts.items()},
        samples=len(trained),
        classes=data.by_class(data.parts["train"]),
        weights=_weights(recipe, options),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        stages=frozen,
        steps=sum(stage.epochs * steps for stage in recipe.stages),
        device=str(machine.device),
        precision=machine.precision,
        memory_mb=round(estimate_mb(recipe, network, images, machine), 1),
        warnings=tuple(warnings),
    )


def _weights(recipe: Recipe, options: Options) -> str:
    """Return which weights the run starts from."""
    if options.rehearse:
        return "random (rehearsal)"
    wanted = recipe.backbone.wants(options.weight_places)
    return recipe.init.from_ or (wanted.name if wanted else "random")
