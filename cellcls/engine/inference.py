"""Using a run's best weights on other images: evaluate, predict, explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import attrs
import numpy as np
from numpy.typing import NDArray

from cellcls.api import BadImage, Explainer, Source, WrappedSource, changed
from cellcls.engine.data import Indices, open_source, prepare
from cellcls.engine.depth import ComparedNetwork, Comparison, compare_depths
from cellcls.engine.device import Machine
from cellcls.engine.device import machine as resolve_machine
from cellcls.engine.ensemble import load_ensemble, measure_together, predict_together
from cellcls.engine.heat import HeatMaps, heat_maps, heat_metrics, masks, spread
from cellcls.engine.images import Images
from cellcls.engine.measure import suite
from cellcls.engine.network import Trained, load_network
from cellcls.engine.prediction_heat import Draw, PredictionHeat
from cellcls.engine.resemblance import warn_if_unlike
from cellcls.engine.skipped import skipped_of, warn_of_skipped
from cellcls.engine.unlabelled import unlabelled
from cellcls.errors import DataError, MissingInputError, RecipeError, UsageError
from cellcls.ops.storage.files import cache_folder
from cellcls.ops.storage.hashing import source_hashes
from cellcls.ops.storage.skipped import SkippedFiles
from cellcls.recipe import PARTS, Evaluation, Recipe, load
from cellcls.registry import Registry
from cellcls.runs.chosen import refuse_absent
from cellcls.runs.folder import RunFolder, refuse_recipe
from cellcls.runs.inputs import Inputs, find_inputs, open_given
from cellcls.runs.options import Options
from cellcls.runs.records import DataRecord, EvaluationRecord, read, to_data

_MAX_NAMED = 20
"""Images that an error names."""


@attrs.frozen(kw_only=True)
class _Opened:
    """A trained network beside a labelled set whose labels are the network's."""

    trained: Trained
    machine: Machine
    images: Images
    indices: Indices
    part: str


@attrs.frozen(kw_only=True)
class DataEvaluation:
    """A run's best weights measured on a data set."""

    record: EvaluationRecord
    runs: tuple[Path, ...]
    """The run or weights file; several are an ensemble."""
    data: Path
    seen_in_training: int | None
    """How many of the images a run was trained on, by content; None: not known."""
    rehearsal: bool
    """Whether weights come from a rehearsal."""
    bad_images: tuple[BadImage, ...]
    """Images that could not be read."""
    skipped_files: tuple[SkippedFiles, ...]
    """Files in the folder of the data set that are none of its images."""

    def to_data(self) -> dict[str, object]:
        """Return it as JSON data."""
        return {
            **to_data(self.record),
            "runs": [str(run) for run in self.runs],
            "data": str(self.data),
            "seen_in_training": self.seen_in_training,
            "rehearsal": self.rehearsal,
            "bad_images": [attrs.asdict(image) for image in self.bad_images],
            "skipped_files": [attrs.asdict(files) for files in self.skipped_files],
        }


def evaluate_on(
    runs: Path | Sequence[Path],
    data: Path,
    registry: Registry,
    options: Options,
    *,
    part: str | None = None,
    unseen: bool = False,
    corrupt: str | None = None,
    views: tuple[str, ...] = (),
    classes_present: bool = False,
    center_crop: int | None = None,
) -> DataEvaluation:
    """Measure the best weights of a run, or of several as an ensemble, on a data set. Of a set with its own parts,
    ``test`` unless ``part`` says else.

    ``unseen`` leaves out the images that a run was trained on. ``corrupt`` and ``views`` are as in ``[[evaluate]]``.
    ``classes_present`` restricts probabilities to the classes that occur; ``center_crop`` is as in ``predict_images``.
    Images of another scale or colour than the training images' are a warning.

    Raises ``MissingInputError``, ``DataError``, ``UsageError``.
    """
    if corrupt is not None:
        _refuse_unknown(corrupt, registry)
    runs = _several(runs)
    members = _open(runs, data, registry, options, part, center_crop)
    for opened in members:
        warn_if_unlike(opened.trained.training_images, opened.images, cropped=center_crop is not None)
    source, indices = members[0].images.source, members[0].indices
    seen = _seen(runs, source, indices)
    if unseen:
        if seen is None:
            unknown = ", ".join(str(run) for run in runs if not _data_record(run).exists())
            raise UsageError(f"{unknown}: which images it was trained on is not known (no data.json)", "omit --unseen")
        indices = indices[~seen]
        if not len(indices):
            raise DataError(f"{data}: a run was trained on every image of it; --unseen leaves nothing to measure on")
    how = Evaluation(name="given", part="test", corrupt=corrupt, views=cast("Any", views))
    networks = [(opened.trained.network, opened.images) for opened in members]
    found = measure_together(networks, indices, members[0].machine, how, registry)
    classes = source.class_names
    present = tuple(classes[label] for label in np.unique(source.labels[indices])) if classes_present else ()
    if classes_present:
        found = found.restricted()
    return DataEvaluation(
        record=attrs.evolve(found.record(classes), part=members[0].part, restricted_to=present),
        runs=runs,
        data=data,
        seen_in_training=None if seen is None else int(seen.sum()),
        rehearsal=any(opened.trained.rehearsal for opened in members),
        bad_images=source.bad_images,
        skipped_files=skipped_of(source),
    )


def _refuse_unknown(corrupt: str, registry: Registry) -> None:
    try:
        suite(corrupt, registry)
    except RecipeError as error:  # here the command line names it
        raise UsageError(f"--corrupt {corrupt}: {error.message}", *error.hints) from error


@attrs.frozen(kw_only=True)
class Explained:
    """Heat maps of a run's best weights, and their comparison with another network."""

    maps: HeatMaps
    classes: tuple[str, ...]
    metrics: dict[str, float]
    comparison: Comparison | None


def explain_on(
    run: Path,
    data: Path | None,
    registry: Registry,
    options: Options,
    *,
    use: str = "grad_cam",
    images: int = 16,
    other: Path | None = None,
    depths: int = 16,
) -> Explained:
    """Explain a run's best weights on ``data`` (None: its own test part), and compare depth by depth: with ``other``,
    else the network of the first stage with that of the last, where there are several."""
    cls = registry.find("explainer", use)
    if cls is None:
        raise UsageError(f"no explainer is called `{use}`", f"there are: {', '.join(registry.names('explainer'))}")
    explainer = cast("Explainer", cast("Any", cls)(images=images, depths=depths))
    opened = _open((run,), data, registry, options, None)[0] if data else _own(run, registry, options)
    network, source = opened.trained.network, opened.images.source
    chosen = spread(source.labels, opened.indices, images)
    maps = heat_maps(explainer, network, opened.images, chosen)
    pair = _stages(run, opened, registry) if other is None else _runs(run, other, opened, data, registry, options)
    return Explained(
        maps=maps,
        classes=opened.trained.config.classes,
        metrics=heat_metrics(maps.maps, masks(opened.images, chosen)),
        comparison=compare_depths(explainer, pair, chosen) if pair else None,
    )


def _stages(run: Path, opened: _Opened, registry: Registry) -> tuple[ComparedNetwork, ComparedNetwork] | None:
    """Return the networks at the ends of a run's first and last stage, None where it has one only."""
    files = sorted((run / "stages").glob("*.safetensors"), key=lambda file: int(file.stem.partition("-")[0]))
    if len(files) < 2:
        return None

    def subject(file: Path) -> ComparedNetwork:
        network = load_network(file, registry).network.to(opened.machine.device)
        return ComparedNetwork(name=file.stem, network=network, images=opened.images)

    return subject(files[0]), subject(files[-1])


def _runs(
    run: Path, other: Path, opened: _Opened, data: Path | None, registry: Registry, options: Options
) -> tuple[ComparedNetwork, ComparedNetwork]:
    """Return two runs, each with the images that ``opened`` has at its own size."""
    (trained,), machine = _trained((other,), registry, options)
    if trained.config.classes != opened.trained.config.classes:
        raise DataError(f"{other}: its classes are not those of {run}", "compare runs on the same classes")
    if data:
        images = _open((other,), data, registry, options, None)[0].images
    else:
        source = open_source(_own_inputs(run, registry, options, trained))
        images = _images(source, trained, machine)
    first, second = distinct_names(run, other)
    return (
        ComparedNetwork(name=first, network=opened.trained.network, images=opened.images),
        ComparedNetwork(name=second, network=trained.network, images=images),
    )


def distinct_names(first: Path, second: Path) -> tuple[str, str]:
    """Return the shortest ends of two paths that differ (``a/run`` and ``b/run``), each with one name at least."""
    left, right = _parts(first), _parts(second)
    lengths = range(1, max(len(left), len(right)) + 1)
    length = next((length for length in lengths if left[-length:] != right[-length:]), 1)
    return str(Path(*left[-length:])), str(Path(*right[-length:]))


def _parts(path: Path) -> tuple[str, ...]:
    whole = path.resolve()
    return (*whole.parts[:-1], whole.stem if whole.is_file() else whole.name)


@attrs.frozen(kw_only=True)
class ImagePrediction:
    """What a network, or an ensemble, says of one image; of one that cannot be read, why."""

    image: str
    predicted: str = ""
    """The likeliest class."""
    probability: float = 0.0
    second: str | None = None
    """The second likeliest class."""
    unknown: str | None = None
    """Why the image is unknown, "" if it is not, None if that cannot be told."""
    probabilities: Mapping[str, float] = attrs.field(factory=dict)
    error: str | None = None

    def to_data(self) -> dict[str, object]:
        """Return it as JSON data; ``error`` is there for an image that cannot be read, whose other values are null."""
        data = attrs.asdict(self)
        if self.error is None:
            del data["error"]
            return data
        return data | dict.fromkeys(("predicted", "probability", "second", "unknown"))


@attrs.frozen(kw_only=True)
class ImagePredictions:
    """What a network, or an ensemble of several, says of images without labels."""

    names: tuple[str, ...]
    """Of all images, those that could not be read included."""
    probabilities: NDArray[np.float32]
    """(N, K), of no meaning for an image that could not be read."""
    classes: tuple[str, ...]
    rehearsal: bool
    unreadable: Mapping[int, str]
    """Reason by index of each image that could not be read."""
    distance: NDArray[np.float32] | None = None
    """(N,) from the known images, in thresholds; None if the weights have no model of them."""

    @property
    def bad_images(self) -> tuple[BadImage, ...]:
        """Images that could not be read."""
        return tuple(BadImage(self.names[index], reason) for index, reason in sorted(self.unreadable.items()))

    def rows(self) -> list[ImagePrediction]:
        """Return the prediction of each image."""
        return [self._row(index, row) for index, row in enumerate(self.probabilities)]

    def _row(self, index: int, row: NDArray[np.float32]) -> ImagePrediction:
        if index in self.unreadable:
            return ImagePrediction(image=self.names[index], error=self.unreadable[index])
        order = np.argsort(-row, kind="stable")
        return ImagePrediction(
            image=self.names[index],
            predicted=self.classes[order[0]],
            probability=float(row[order[0]]),
            second=self.classes[order[1]] if len(order) > 1 else None,
            unknown=None if self.distance is None else why_unknown(float(self.distance[index])),
            probabilities={label: float(value) for label, value in zip(self.classes, row, strict=True)},
        )

    def error(self) -> DataError | None:
        """Return an error that names the images that could not be read, None if there are none."""
        bad = [image.reason for image in self.bad_images]
        if not bad:
            return None
        predicted = f"the other {len(self.names) - len(bad):,} images are predicted"
        hints = [predicted] if len(bad) < len(self.names) else []
        if len(bad) == 1:
            return DataError(bad[0], *hints)
        more = [f"and {len(bad) - _MAX_NAMED:,} more"] if len(bad) > _MAX_NAMED else []
        return DataError(f"{len(bad):,} of {len(self.names):,} images cannot be read", *bad[:_MAX_NAMED], *more, *hints)


def why_unknown(distance: float) -> str:
    """Return why an image at ``distance`` thresholds from the known ones is unknown, "" if it is not."""
    if not distance > 1:
        return ""
    return f"unlike the training images (feature distance {distance:.1f} times the threshold)"


def predict_images(
    runs: Path | Sequence[Path],
    images: Sequence[Path | NDArray[np.uint8]],
    registry: Registry,
    options: Options,
    *,
    draw: Draw | None = None,
    center_crop: int | None = None,
) -> ImagePredictions:
    """Predict with the best weights of a run, or of several as an ensemble: image files, folders of them (at any
    depth), npz files with ``images``, data sets, and arrays (H, W, 3) or (N, H, W, 3) uint8, RGB, or gray without the
    last axis, in this order. ``draw`` gets the heat map of each. Of larger images, the middle ``center_crop`` pixels
    are cut out first. Images of another scale or colour than the training images' are a warning.

    Images that cannot be read are listed in the answers. Raises ``MissingInputError`` where nothing is found,
    ``DataError`` if no image can be read, and for an array that holds no images.
    """
    refuse_absent(images)
    return Predictor(runs, registry, options, center_crop=center_crop).predict(images, draw=draw)


class Predictor:
    """The best weights of a run, or of several as an ensemble, loaded once to predict again and again."""

    def __init__(
        self, runs: Path | Sequence[Path], registry: Registry, options: Options, *, center_crop: int | None = None
    ) -> None:
        self._members, self._machine = _trained(_several(runs), registry, options, center_crop)
        self._registry = registry
        self._cropped = center_crop is not None
        self.classes = self._members[0].config.classes
        self.rehearsal = any(trained.rehearsal for trained in self._members)

    def predict(
        self, images: Sequence[Path | NDArray[np.uint8]], *, draw: Draw | None = None, warn: bool = True
    ) -> ImagePredictions:
        """Predict as ``predict_images`` does. ``warn``: of images unlike the training images as a whole."""
        heat = PredictionHeat(draw, self._registry) if draw else None
        names: list[str] = []
        rows: list[NDArray[np.float32]] = []
        distances: list[NDArray[np.float32]] = []
        unreadable: dict[int, str] = {}
        for portion in unlabelled(images, [trained.config for trained in self._members], self._registry):
            pairs = zip(self._members, portion.sources, strict=True)
            networks = [(trained.network, _images(source, trained, self._machine)) for trained, source in pairs]
            for trained, (_, seen) in zip(self._members, networks, strict=True) if warn else ():
                warn_if_unlike(trained.training_images, seen, cropped=self._cropped)
            add = partial(heat.add, networks, portion, len(names)) if heat else None
            found = predict_together(networks, self._machine, add)
            unreadable |= {len(names) + index: reason for index, reason in portion.unreadable.items()}
            names += portion.names
            rows.append(found.probabilities)
            if found.distance is not None:
                distances.append(found.distance)
        answers = ImagePredictions(
            names=tuple(names),
            probabilities=np.concatenate(rows),
            classes=self.classes,
            rehearsal=self.rehearsal,
            unreadable=unreadable,
            distance=np.concatenate(distances) if distances else None,
        )
        error = answers.error()
        if error is not None and len(unreadable) == len(names):
            raise error
        return answers


def _several(runs: Path | Sequence[Path]) -> tuple[Path, ...]:
    return (runs,) if isinstance(runs, Path) else tuple(runs)


def _trained(
    runs: Sequence[Path], registry: Registry, options: Options, center_crop: int | None = None
) -> tuple[list[Trained], Machine]:
    members = load_ensemble(runs, registry)
    if center_crop is not None:
        members = [trained.with_center_crop(center_crop) for trained in members]
    machine = resolve_machine(options, "float32")
    for trained in members:
        trained.network.to(machine.device)
    return members, machine


def _images(source: Source, trained: Trained, machine: Machine) -> Images:
    return Images(source, trained.config.input, machine.device)


def _open(
    runs: Sequence[Path],
    data: Path,
    registry: Registry,
    options: Options,
    part: str | None,
    center_crop: int | None = None,
) -> list[_Opened]:
    """Open a labelled set for each network of an ensemble."""
    members, machine = _trained(runs, registry, options, center_crop)
    dataset = open_given(data, registry).leniently()
    sources = [dataset.build(path=data, input=trained.config.input, cache=cache_folder()) for trained in members]
    source = sources[0]
    warn_of_skipped(source, data)
    if source.parts is None and part not in (None, "all"):
        raise UsageError(f"{data}: has no parts of its own, so --part {part} means nothing; omit it")
    name = part or ("all" if source.parts is None else "test")
    everything = np.arange(len(source))
    indices = everything if name == "all" or source.parts is None else everything[source.parts == name]
    if not len(indices):
        held = ", ".join(f"{part} {np.sum(source.parts == part):,}" for part in PARTS) if name in PARTS else "none"
        raise DataError(f"{data}: its part `{name}` has no images", f"it has: {held}")
    matched = [_Matched(source, members[0].config.classes, data) for source in sources]
    return [
        _Opened(trained=trained, machine=machine, images=_images(source, trained, machine), indices=indices, part=name)
        for trained, source in zip(members, matched, strict=True)
    ]


class _Matched(WrappedSource):
    """A source whose classes are those of a network, matched by name."""

    def __init__(self, source: Source, classes: tuple[str, ...], where: Path) -> None:
        super().__init__(source)
        unknown = [name for name in source.class_names if name not in classes]
        if unknown:
            raise DataError(
                f"{where}: the network does not know the classes {', '.join(unknown)}",
                f"it knows: {', '.join(classes)}; rename the folders or leave these out",
            )
        self.class_names = classes
        self.labels = np.array([classes.index(name) for name in source.class_names])[source.labels]


def _own(run: Path, registry: Registry, options: Options) -> _Opened:
    """Open the run's own test part (val where there is none)."""
    _run_folder(run)  # a file of weights has no images of its own
    (trained,), machine = _trained((run,), registry, options)
    data = prepare(_own_inputs(run, registry, options, trained))
    part = "test" if len(data.parts["test"]) else "val"
    images = _images(data.source, trained, machine)
    return _Opened(trained=trained, machine=machine, images=images, indices=data.parts[part], part=part)


def _own_inputs(run: Path, registry: Registry, options: Options, trained: Trained) -> Inputs:
    """Find what a run was made from, its images to be prepared for the network ``trained``."""
    folder = _run_folder(run)
    kept = read(folder.options, Options)
    recipe: Recipe = load(folder.recipe, registry, rehearse=True)[0].recipe
    recipe = changed(recipe, input=trained.config.input)
    return find_inputs(recipe, folder.recipe, registry, attrs.evolve(kept, weights=options.weights))


def _run_folder(run: Path) -> RunFolder:
    """Return the folder of a run that has images of its own. Raises ``MissingInputError``."""
    refuse_recipe(run)
    folder = RunFolder(run)
    if not folder.recipe.is_file():
        message = f"{run}: not a run folder, so it has no images of its own"
        raise MissingInputError(message, "name them with --data PATH")
    return folder


def _seen(runs: Sequence[Path], source: Source, indices: Indices) -> NDArray[np.bool_] | None:
    """Tell of each image whether a run was trained on it, by content; None where a run does not say."""
    records = [_data_record(run) for run in runs]
    if not all(record.exists() for record in records):
        return None
    trained_on = {image for record in records for image in read(record, DataRecord).trained_on or ()}
    hashes = source_hashes(source)
    return np.array([hashes[index] in trained_on for index in indices])


def _data_record(run: Path) -> Path:
    return (run if run.is_dir() else run.parent) / "data.json"
