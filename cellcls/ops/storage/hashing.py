"""Content hashes of images, data sets and files: BLAKE2b (RFC 7693) with 16 bytes, in hexadecimal."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from cellcls.api import Source

_BYTES = 16


def content_hash(image: NDArray[np.uint8]) -> str:
    """Return the hash of an image (H, W, 3) uint8: its shape and pixels, independent of the file format."""
    digest = hashlib.blake2b(str(image.shape).encode(), digest_size=_BYTES)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def content_hashes(
    read: Callable[[NDArray[np.intp]], NDArray[np.uint8]], count: int, *, batch: int = 64
) -> tuple[str, ...]:
    """Return the hash of each of ``count`` images. ``read`` maps indices (B,) to images (B, H, W, 3); it is called for
    ``batch`` images at a time, so that the data set need not fit into memory."""
    hashes: list[str] = []
    for start in range(0, count, batch):
        hashes.extend(map(content_hash, read(np.arange(start, min(start + batch, count), dtype=np.intp))))
    return tuple(hashes)


def source_hashes(source: Source) -> tuple[str, ...]:
    """Return the content hash of each image of a source: its own ``hashes`` if set, else computed."""
    return tuple(source.hashes) if source.hashes is not None else content_hashes(source.read, len(source))


def file_hash(path: Path) -> str:
    """Return the hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_BYTES)).hexdigest()


def data_hash(hashes: Sequence[str], labels: NDArray[np.int64], class_names: Sequence[str]) -> str:
    """Return the hash of a labelled data set: images in order, their labels, and the class names.

    ``hashes`` (N,) content hashes, ``labels`` (N,) in 0..K-1, ``class_names`` (K,).
    """
    digest = hashlib.blake2b(digest_size=_BYTES)
    for name in class_names:
        digest.update(f"{len(name)}:{name}\n".encode())
    for value, label in zip(hashes, labels.tolist(), strict=True):
        digest.update(f"{value} {label}\n".encode())
    return digest.hexdigest()
