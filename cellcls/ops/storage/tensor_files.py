"""Files of tensors with what is to be known about them: safetensors, as pickles can execute code.

safetensors writes its metadata in random order, so all of it is one text: equal content makes equal bytes. A digest of
the content lies with it and is verified when the tensors are read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import attrs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cellcls.errors import DataError
from cellcls.ops.storage.files import JsonObject, replacing_within

_KEY = "cellcls"


class DamagedError(DataError):
    """A file is not as it was written."""


@attrs.frozen(kw_only=True)
class TensorFile:
    """A file that ``save_tensors`` wrote, of which only the header has been read."""

    path: Path
    about: JsonObject
    shapes: Mapping[str, tuple[int, ...]]
    digest: object

    def read(self) -> dict[str, Tensor]:
        """Read the tensors onto the CPU. Raises ``DamagedError``."""
        try:
            with safe_open(self.path, framework="pt") as opened:
                tensors = {name: opened.get_tensor(name) for name in self.shapes}
        except (SafetensorError, OSError, ValueError) as error:
            raise _unreadable(self.path, error) from error
        if _digest(tensors, self.about) != self.digest:
            raise DamagedError(f"{self.path}: damaged: its content has another digest than when it was written")
        return tensors


def open_tensors(path: Path) -> TensorFile:
    """Read the header of a file. Raises ``DamagedError``, and ``DataError`` if ``save_tensors`` did not write it."""
    try:
        with safe_open(path, framework="pt") as opened:
            text = (opened.metadata() or {}).get(_KEY)
            names = opened.keys()
            shapes = {name: tuple(opened.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if text is None:
        raise DataError(
            f"{path}: weights that cellcls did not write, or an older version of it",
            "give pretrained weights of a backbone with --weights DIR, in timm's layout",
        )
    try:
        told = json.loads(text)
        about, digest = told["about"], told["digest"]
    except (ValueError, RecursionError, TypeError, KeyError) as error:
        raise DamagedError(f"{path}: its metadata are damaged: {error}") from error
    if not isinstance(about, dict):
        raise DamagedError(f"{path}: its metadata are damaged: no object")
    return TensorFile(path=path, about=about, shapes=shapes, digest=digest)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, object]) -> None:
    """Write tensors and JSON data as a safetensors file, atomically. Raises ``WriteError``."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    told = json.dumps({"digest": _digest(plain, about), "about": about})
    with replacing_within(path) as temporary:  # safetensors has temporary files of its own
        try:
            save_file(plain, temporary, metadata={_KEY: told})
        except SafetensorError as error:  # also raised for errors of the operating system, such as a full disk
            raise OSError(str(error)) from error


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, object]) -> str:
    found = hashlib.blake2b(json.dumps(about).encode(), digest_size=16)
    for name, tensor in sorted(tensors.items()):
        found.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        found.update(tensor.flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _unreadable(path: Path, error: Exception) -> DamagedError:
    return DamagedError(f"{path}: not a readable safetensors file: {error}")
