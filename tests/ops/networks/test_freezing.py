from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.errors import RecipeError
from cellcls.ops.networks.freezing import Depth, frozen_modules

DEPTH = Depth(
    weighted=("stem", "blocks.0.conv", "blocks.0.bn", "blocks.1", "blocks.10.conv"),
    parameters={"stem": 10, "blocks.0.conv": 20, "blocks.0.bn": 0, "blocks.1": 30, "blocks.10.conv": 40},
    keras_nodes="0120011",
    model="tiny",
)


def test_none_and_backbone() -> None:
    assert frozen_modules(DEPTH, "none") == ()
    assert frozen_modules(DEPTH, "backbone") == DEPTH.weighted


@pytest.mark.parametrize(("layers", "count"), [(0, 0), (1, 0), (2, 1), (3, 3), (5, 3), (6, 4), (7, 5)])
def test_keras_layers(layers: int, count: int) -> None:
    assert frozen_modules(DEPTH, keras_layers=layers) == DEPTH.weighted[:count]


@pytest.mark.parametrize(
    ("fraction", "count"), [(0.0, 0), (0.1, 1), (0.29, 1), (0.3, 3), (0.6, 4), (0.99, 4), (1.0, 5)]
)
def test_fraction_is_never_exceeded(fraction: float, count: int) -> None:
    assert frozen_modules(DEPTH, fraction=fraction) == DEPTH.weighted[:count]


@given(sizes=st.lists(st.integers(0, 1000), min_size=1, max_size=30), fraction=st.floats(0, 1))
def test_fraction_freezes_all_it_may(sizes: list[int], fraction: float) -> None:
    names = [f"m{place}" for place in range(len(sizes))]
    frozen = frozen_modules(Depth(weighted=names, parameters=dict(zip(names, sizes, strict=True))), fraction=fraction)
    assert sum(sizes[: len(frozen)]) <= fraction * sum(sizes)
    if len(frozen) < len(sizes):
        assert sum(sizes[: len(frozen) + 1]) > fraction * sum(sizes)


@pytest.mark.parametrize(("until", "count"), [("stem", 0), ("blocks", 1), ("blocks.1", 3), ("blocks.10", 4)])
def test_until_is_the_first_trained(until: str, count: int) -> None:
    assert frozen_modules(DEPTH, until=until) == DEPTH.weighted[:count]


def test_an_unknown_name_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(RecipeError, match=r"did you mean .*`blocks.0.conv`"):
        frozen_modules(DEPTH, until="blocks.0.con")


def test_keras_layers_without_a_list_names_the_other_forms() -> None:
    depth = Depth(weighted=DEPTH.weighted, parameters=DEPTH.parameters, model="resnet18")
    with pytest.raises(RecipeError, match=r"(?s)resnet18 has no list of Keras layers.*fraction.*until"):
        frozen_modules(depth, keras_layers=5)


def test_more_keras_layers_than_there_are() -> None:
    with pytest.raises(RecipeError, match="tiny has 7 layers in Keras"):
        frozen_modules(DEPTH, keras_layers=8)
