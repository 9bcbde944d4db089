from __future__ import annotations

import inspect
from types import MappingProxyType

import numpy as np

from cellcls.api import BadImage, Source, WrappedSource


class _Full(Source):
    """A source that says all that a source may say."""

    class_names = ("a", "b")
    labels = np.array([0, 1, 1])
    parts = np.array(["train", "val", "test"])
    columns = MappingProxyType({"patient": ("p1", "p1", "p2")})
    names = ("x", "y", "z")
    sizes = np.array([[9, 8]] * 3)
    hashes = ("1", "2", "3")
    prepared = True
    bad_images = (BadImage("bad", "why"),)
    skipped_files = (BadImage("notes.txt", "no picture"),)

    def __init__(self) -> None:
        self.released = False

    def read(self, indices):
        return np.full((len(indices), 2, 2, 3), 7, np.uint8)

    def masks(self, indices):
        return np.ones((len(indices), 2, 2), bool)

    def release_memory(self) -> None:
        self.released = True


def test_a_wrapped_source_forwards_all_that_a_source_says() -> None:
    full = _Full()
    wrapped = WrappedSource(full)
    for name in Source.__annotations__:
        assert getattr(full, name) is not getattr(Source, name, None), f"the test's source says nothing of {name}"
        assert getattr(wrapped, name) is getattr(full, name), name
    np.testing.assert_array_equal(wrapped.read(np.arange(2)), full.read(np.arange(2)))
    np.testing.assert_array_equal(wrapped.masks(np.arange(2)), full.masks(np.arange(2)))
    wrapped.release_memory()
    assert full.released
    assert len(wrapped) == 3


def test_it_forwards_every_method() -> None:
    methods = {name for name, value in vars(Source).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert methods <= set(vars(WrappedSource))
