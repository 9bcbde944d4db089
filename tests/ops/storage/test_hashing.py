from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cellcls.ops.storage.hashing import content_hash, content_hashes, data_hash, file_hash

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 6, 3), dtype=np.uint8)


@given(st.integers(0, 4 * 6 * 3 - 1), st.integers(1, 255))
def test_any_changed_value_changes_the_hash(place: int, change: int) -> None:
    image = IMAGES[0].copy()
    image.reshape(-1)[place] ^= np.uint8(change)
    assert content_hash(image) != content_hash(IMAGES[0])


def test_the_hash_is_of_values_and_shape_not_of_memory() -> None:
    assert content_hash(np.asfortranarray(IMAGES[0])) == content_hash(IMAGES[0])
    assert content_hash(IMAGES[0].transpose(1, 0, 2)) != content_hash(IMAGES[0])
    assert content_hash(IMAGES[0].reshape(6, 4, 3)) != content_hash(IMAGES[0])
    assert len(bytes.fromhex(content_hash(IMAGES[0]))) == 16


@given(st.integers(1, 9))
def test_batches_change_nothing_and_are_never_larger(batch: int) -> None:
    asked: list[int] = []

    def read(indices: np.ndarray) -> np.ndarray:
        asked.append(len(indices))
        return IMAGES[indices]

    assert content_hashes(read, 7, batch=batch) == tuple(map(content_hash, IMAGES))
    assert max(asked) <= batch


def test_file_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"cells" * 100_000)
    assert file_hash(tmp_path / "a") == hashlib.blake2b(b"cells" * 100_000, digest_size=16).hexdigest()


def test_data_hash_tells_images_labels_order_and_names_apart() -> None:
    labels = np.array([0, 1, 1])
    sets = [
        (("a", "b", "c"), labels, ("x", "y")),
        (("b", "a", "c"), labels, ("x", "y")),
        (("a", "b", "c"), labels[::-1], ("x", "y")),
        (("a", "b", "c"), labels, ("x", "z")),
        (("a", "b", "c"), labels, ("xy",)),
    ]
    assert len({data_hash(*one) for one in sets}) == len(sets)
    assert data_hash(*sets[0]) == data_hash(list("abc"), labels.copy(), ["x", "y"])
