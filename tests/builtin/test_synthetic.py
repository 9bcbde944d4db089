from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.api import Input
from cellcls.builtin.datasets.rendered import RenderedCells, class_counts
from cellcls.builtin.datasets.synthetic import Synthetic
from cellcls.ops.classes import CLASSES
from cellcls.ops.curation.copies import Groups, group_by_hash
from cellcls.ops.rendering.styles import LOOK_ALIKES
from cellcls.ops.storage.hashing import content_hashes

SIZE = 24


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def build(cache: Path, dataset: Synthetic, size: int = SIZE) -> RenderedCells:
    return dataset.build(path=None, input=Input(size=size), cache=cache)


def groups(source: RenderedCells) -> Groups:
    return group_by_hash(content_hashes(source.read, len(source)))


def test_default_set_is_balanced_shuffled_and_without_copies(cache: Path) -> None:
    source = build(cache, Synthetic(images_per_class=12))
    assert source.class_names == CLASSES
    assert source.labels.dtype == np.int64
    assert np.array_equal(np.bincount(source.labels), [12] * 8)
    assert set(source.labels[:40].tolist()) == set(range(8))
    assert not groups(source).copied()
    assert source.parts is None


def test_read_gives_images_in_the_order_asked_for(cache: Path) -> None:
    source = build(cache, Synthetic(images_per_class=3))
    images = source.read(np.array([5, 0, 5]))
    assert images.shape == (3, SIZE, SIZE, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(images[0], images[2])
    assert np.array_equal(images[1], source.read(np.array([0]))[0])
    assert not np.array_equal(images[0], images[1])
    assert source.read(np.array([], dtype=np.intp)).shape == (0, SIZE, SIZE, 3)


def test_the_same_settings_give_the_same_set_and_another_seed_another(cache: Path, tmp_path: Path) -> None:
    everything = np.arange(8 * 3)
    first = build(cache, Synthetic(images_per_class=3))
    again = build(tmp_path, Synthetic(images_per_class=3))
    assert np.array_equal(first.read(everything), again.read(everything))
    assert np.array_equal(first.labels, again.labels)
    other = build(tmp_path, Synthetic(images_per_class=3, seed=1))
    assert not set(groups(first).hashes) & set(groups(other).hashes)


def test_the_pictures_are_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = build(tmp_path, Synthetic(images_per_class=2)).read(np.arange(16))
    monkeypatch.setattr("cellcls.builtin.datasets.rendered.render", None)  # a second rendering would fail
    planted = build(tmp_path, Synthetic(images_per_class=2, conflicting=0.5, outliers=3))
    assert np.array_equal(planted.read(np.arange(16)), wanted)


def test_a_damaged_cache_is_rendered_anew(tmp_path: Path) -> None:
    wanted = build(tmp_path, Synthetic(images_per_class=2)).read(np.arange(16))
    (file,) = tmp_path.glob("*.npy")
    file.write_bytes(file.read_bytes()[:-100])
    assert np.array_equal(build(tmp_path, Synthetic(images_per_class=2)).read(np.arange(16)), wanted)


def test_other_sizes_are_other_files(cache: Path) -> None:
    assert build(cache, Synthetic(images_per_class=2), size=32).read(np.array([0])).shape == (1, 32, 32, 3)
    assert build(cache, Synthetic(images_per_class=2), size=40).read(np.array([0])).shape == (1, 40, 40, 3)


@pytest.mark.parametrize("copies", [1, 3])
def test_conflicting_copies_are_planted_under_the_look_alikes_label(cache: Path, copies: int) -> None:
    source = build(cache, Synthetic(images_per_class=10, conflicting=0.25, copies=copies))
    assert len(source) == 80 + 20 * copies
    found = groups(source)
    copied = found.copied()
    assert [len(members) for members in copied] == [1 + copies] * 20
    assert found.conflicting(source.labels).sum() == 20
    for first, *others in copied:
        alike = LOOK_ALIKES[CLASSES[source.labels[first]]]
        assert first < 80
        assert {CLASSES[label] for label in source.labels[others]} == {alike}


def test_outliers_are_one_picture_under_many_labels(cache: Path) -> None:
    source = build(cache, Synthetic(images_per_class=10, outliers=60))
    assert len(source) == 140
    found = groups(source)
    (members,) = found.copied()
    assert np.array_equal(members, np.arange(80, 140))
    assert len(set(source.labels[80:].tolist())) == 8
    assert found.overrepresented().sum() == 1


def test_all_cells_may_be_planted_again(cache: Path) -> None:
    found = groups(build(cache, Synthetic(images_per_class=3, conflicting=1.0, copies=1)))
    assert (found.sizes() == 2).all()


def test_imbalance_makes_later_classes_rarer(cache: Path) -> None:
    counts = np.bincount(build(cache, Synthetic(images_per_class=20, imbalance=0.9)).labels)
    assert counts[0] == 20
    assert counts[-1] == 2
    assert (np.diff(counts) < 0).all()


@given(each=st.integers(1, 10_000), imbalance=st.floats(0, 0.999))
def test_class_counts_never_grow_and_no_class_is_empty(each: int, imbalance: float) -> None:
    counts = class_counts(each, imbalance)
    assert counts[0] == each
    assert min(counts) >= 1
    assert sorted(counts, reverse=True) == counts
    assert counts[-1] == max(1, round(each * (1 - imbalance)))


def test_masks_lie_on_the_cells_and_nowhere_on_outliers(cache: Path) -> None:
    source = build(cache, Synthetic(images_per_class=4, conflicting=0.5, outliers=2), size=48)
    indices = np.arange(len(source))[::-1]
    masks, images = source.masks(indices), source.read(indices)
    assert masks.shape == (len(source), 48, 48)
    assert not masks[:2].any()
    shares = masks[2:].mean((1, 2))
    assert (shares > 0.003).all()
    darker = [image[~mask].mean() - image[mask].mean() for image, mask in zip(images[2:], masks[2:], strict=True)]
    assert np.mean(np.array(darker) > 0) > 0.9
    planted = groups(source).copied()
    one, other = planted[0][0], planted[0][1]
    assert np.array_equal(*source.masks(np.array([one, other])))


def test_no_path_is_taken_for_rendered_cells(tmp_path: Path) -> None:
    assert not Synthetic.recognises(tmp_path)


@pytest.mark.parametrize("wrong", [{"conflicting": 1.5}, {"imbalance": 1.0}, {"images_per_class": 0}, {"seed": -1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Synthetic(**wrong)
