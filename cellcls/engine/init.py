"""Starting from the weights of another run (``[init] from``)."""

from __future__ import annotations

import logging
from pathlib import Path

import attrs

from cellcls.engine.data import Data
from cellcls.engine.network import Network, NetworkConfig, Trained, load_network
from cellcls.errors import DataError, MissingInputError
from cellcls.ops.storage.hashing import file_hash
from cellcls.ops.storage.weight_files import load_weights
from cellcls.registry import Registry
from cellcls.runs.folder import RunFolder
from cellcls.runs.records import DataRecord, InitRecord, read

_log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Start:
    """The weights a run started from: their file, its hash, and whether the head's were taken too."""

    weights: Path
    hash: str
    head: bool
    trained_on: frozenset[str]
    """Content hashes of the images they are known to be trained on."""
    known: bool
    """Whether those are all of them."""

    def record(self) -> InitRecord:
        """Return what ``data.json`` holds of it."""
        return InitRecord(weights=str(self.weights), hash=self.hash, head=self.head, known=self.known)


def recorded_start(folder: RunFolder) -> Start | None:
    """Return what a run with a saved state started from, as it wrote it down: the source may be gone or another now.

    Raises ``MissingInputError`` and ``DataError`` where ``data.json`` cannot be read.
    """
    if not folder.data.is_file():
        raise MissingInputError(f"{folder.data}: not there", "start the run again")
    data = read(folder.data, DataRecord)
    if data.init is None:
        return None
    return Start(
        weights=Path(data.init.weights),
        hash=data.init.hash,
        head=data.init.head,
        known=data.init.known,
        trained_on=frozenset(data.trained_on or ()),
    )


def start_from(path: Path, network: Network, config: NetworkConfig, data: Data, registry: Registry) -> Start:
    """Copy a run's weights into ``network``: the backbone's always, the head's where head and classes are the same.

    ``path``: a run folder (its best weights) or a weights file of one. Raises ``MissingInputError``, and ``DataError``
    for weights of another backbone or of a rehearsal, and where they were trained on images this run evaluates.
    """
    trained = load_network(path, registry)
    file = RunFolder(path).best if path.is_dir() else path
    if trained.rehearsal:
        raise DataError(f"{file}: weights of a rehearsal know nothing of cells", "start from a run of real data")
    if type(trained.config.backbone) is not type(config.backbone):
        theirs, ours = trained.config.backbone.component_name, config.backbone.component_name
        raise DataError(f"{file}: weights of the backbone `{theirs}`, and the recipe's is `{ours}`")
    seen, known = _trained_on(path)
    _refuse_seen(file, seen, data)
    load_weights(network.backbone, trained.network.backbone.state_dict(), source=str(file))
    head = _take_head(trained, network, config)
    return Start(weights=file, hash=file_hash(file), head=head, trained_on=seen, known=known)


def _take_head(trained: Trained, network: Network, config: NetworkConfig) -> bool:
    """Copy the head's weights where they mean the same classes; else it starts anew, with a line that says so."""
    given, own = trained.network.head.state_dict(), network.head.state_dict()
    same = {name: tensor.shape for name, tensor in given.items()} == {
        name: tensor.shape for name, tensor in own.items()
    }
    if trained.config.classes != config.classes or not same:
        _log.warning("[init]: classes or head differ from that run's: the head starts anew")
        return False
    network.head.load_state_dict(given)
    return True


def _trained_on(path: Path) -> tuple[frozenset[str], bool]:
    """Return the content hashes of the images a run was trained on, and whether that is all of them: not where the
    record beside the weights is missing, or tells that the run itself started from something unknown."""
    records = (RunFolder(folder).data for folder in (path, path.parent, path.parent.parent))
    found = next((read(record, DataRecord) for record in records if record.is_file()), DataRecord())
    known = found.trained_on is not None and (found.init is None or found.init.known)
    if not known:
        _log.warning("[init]: %s: nobody knows all it was trained on; metrics may flatter", path)
    return frozenset(found.trained_on or ()), known


def _refuse_seen(file: Path, seen: frozenset[str], data: Data) -> None:
    """A metric on images the weights were trained on would flatter."""
    for part in ("val", "test"):
        count = sum(data.hashes[index] in seen for index in data.parts[part])
        if count:
            raise DataError(
                f"{file} was trained on {count:,} of the {len(data.parts[part]):,} images of `{part}`, so its metrics "
                "would flatter",
                "give both recipes the same data set, cleaners and [split]",
            )
