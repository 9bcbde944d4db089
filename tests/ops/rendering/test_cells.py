from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellcls.ops.classes import CLASSES
from cellcls.ops.rendering.cells import SMALLEST, Rendered, render, render_target
from cellcls.ops.rendering.styles import LOOK_ALIKES, STYLES

EACH = 40


@pytest.fixture(scope="module")
def cells() -> dict[str, list[Rendered]]:
    return {name: [render(label, seed) for seed in range(EACH)] for label, name in enumerate(CLASSES)}


@settings(max_examples=40, deadline=None)
@given(label=st.integers(0, 7), seed=st.integers(0, 2**70), size=st.integers(SMALLEST, 130))
def test_any_arguments_give_a_picture_and_always_the_same(label: int, seed: int, size: int) -> None:
    image, mask = render(label, seed, size=size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert mask.shape == (size, size)
    assert mask.dtype == bool
    assert image.std() > 3
    again = render(label, seed, size=size)
    assert np.array_equal(image, again.image)
    assert np.array_equal(mask, again.mask)


def test_other_seeds_and_other_labels_are_other_pictures() -> None:
    hashes = {render(label, seed, size=32).image.tobytes() for label in range(8) for seed in range(20)}
    assert len(hashes) == 160


@pytest.mark.parametrize(("label", "seed", "size"), [(8, 0, 96), (-1, 0, 96), (0, -1, 96), (0, 0, SMALLEST - 1)])
def test_arguments_out_of_range_are_refused(label: int, seed: int, size: int) -> None:
    with pytest.raises(ValueError, match=r"label must be 0\.\.7"):
        render(label, seed, size=size)


def test_every_class_has_a_look_and_another_look_alike() -> None:
    assert tuple(STYLES) == CLASSES
    assert all(LOOK_ALIKES[name] in CLASSES and LOOK_ALIKES[name] != name for name in CLASSES)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("basophil", 0.12, 0.55),
        ("eosinophil", 0.15, 0.58),
        ("erythroblast", 0.05, 0.38),
        ("immature_granulocyte", 0.18, 0.72),
        ("lymphocyte", 0.06, 0.38),
        ("monocyte", 0.18, 0.75),
        ("neutrophil", 0.13, 0.58),
        ("platelet", 0.004, 0.11),
    ],
)
def test_the_cell_has_the_size_of_its_class(
    cells: dict[str, list[Rendered]], name: str, low: float, high: float
) -> None:
    shares = [cell.mask.mean() for cell in cells[name]]
    assert low < min(shares)
    assert max(shares) < high


def test_the_mask_lies_on_the_cell(cells: dict[str, list[Rendered]]) -> None:
    # The stained cell is darker than what surrounds it, and where the mask ends the brightness changes.
    for name, pictures in cells.items():
        darker = [image[~mask].mean() - image[mask].mean() for image, mask in pictures]
        assert np.median(darker) > 15, name
        assert np.mean(np.array(darker) > 0) > 0.9, name


def test_the_mask_lies_near_the_middle(cells: dict[str, list[Rendered]]) -> None:
    for pictures in cells.values():
        for _, mask in pictures:
            rows, columns = np.nonzero(mask)
            assert abs(rows.mean() / 95 - 0.5) < 0.1
            assert abs(columns.mean() / 95 - 0.5) < 0.1


def test_classes_differ_in_what_tells_them_apart(cells: dict[str, list[Rendered]]) -> None:
    def inside(name: str) -> np.ndarray:
        return np.array([image[mask].mean(0) for image, mask in cells[name]]).mean(0)

    def redness(name: str) -> float:
        return float(inside(name)[0] - inside(name)[2])

    assert redness("eosinophil") > max(redness(name) for name in CLASSES if name != "eosinophil") + 10
    assert inside("basophil").mean() < inside("neutrophil").mean() - 40
    assert inside("lymphocyte").mean() < inside("erythroblast").mean() - 15


def test_a_seed_is_the_same_cell_at_any_size() -> None:
    for label in range(8):
        large, small = render(label, 3, size=192), render(label, 3, size=96)
        halved = large.image.reshape(96, 2, 96, 2, 3).mean((1, 3))
        assert np.corrcoef(halved.ravel(), small.image.ravel())[0, 1] > 0.95
        assert large.mask.mean() == pytest.approx(small.mask.mean(), rel=0.03, abs=0.001)


def test_mean_colour_does_not_tell_the_classes() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels = np.repeat(np.arange(8), 100)
    means = np.stack([render(int(label), i % 100, size=48).image.mean((0, 1)) for i, label in enumerate(labels)])
    scores = []
    for draw in range(4):
        train, test, known, wanted = train_test_split(means, labels, random_state=draw, stratify=labels)
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train, known)
        scores.append(model.score(test, wanted))
    assert 0.125 < np.mean(scores) < 0.5


def test_the_focus_target_is_no_cell() -> None:
    target = render_target(64)
    assert target.shape == (64, 64, 3)
    assert target.dtype == np.uint8
    assert np.array_equal(np.unique(target), [40, 215])
