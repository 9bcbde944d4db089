"""Files of tensors with what is to be known about them: safetensors, as pickles can execute code.

safetensors writes its metadata in random order, so all of it is one text: equal content makes equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import attrs
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cellcls.errors import DataError
from cellcls.ops.storage.files import JsonObject, replacing_within

_KEY = "cellcls"


@attrs.frozen(kw_only=True)
class TensorFile:
    """A file that ``save_tensors`` wrote, of which only the header has been read."""

    path: Path
    about: JsonObject
    shapes: Mapping[str, tuple[int, ...]]

    def read(self) -> dict[str, Tensor]:
        """Read the tensors onto the CPU. Raises ``DataError``."""
        try:
            with safe_open(self.path, framework="pt") as opened:
                return {name: opened.get_tensor(name) for name in self.shapes}
        except (SafetensorError, OSError, ValueError) as error:
            raise _unreadable(self.path, error) from error


def open_tensors(path: Path) -> TensorFile:
    """Read the header of a file. Raises ``DataError`` if it is damaged, or none that ``save_tensors`` wrote."""
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
        about = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: its metadata are damaged: {error}") from error
    if not isinstance(about, dict):
        raise DataError(f"{path}: its metadata are damaged")
    return TensorFile(path=path, about=about, shapes=shapes)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, object]) -> None:
    """Write tensors and JSON data as a safetensors file, atomically. Raises ``WriteError``."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing_within(path) as temporary:  # safetensors has temporary files of its own
        try:
            save_file(plain, temporary, metadata={_KEY: json.dumps(about)})
        except SafetensorError as error:  # also raised for errors of the operating system, such as a full disk
            raise OSError(str(error)) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path}: not a readable safetensors file: {error}")
