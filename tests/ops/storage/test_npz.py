from __future__ import annotations

import io
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellcls.errors import DataError, MissingInputError
from cellcls.ops.storage import npz

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)


def saved(path: Path, *, compressed: bool = False, **arrays: object) -> Path:
    (np.savez_compressed if compressed else np.savez)(path, **arrays)  # type: ignore[arg-type]
    return path


def with_header(path: Path, descr: str, shape: str, data: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    """An npz whose header says what we like, whatever its data are."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("images.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data)
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_come_back_as_they_were(tmp_path: Path, compressed: bool) -> None:
    path = saved(tmp_path / "set.npz", compressed=compressed, images=IMAGES, labels=np.arange(5))
    assert npz.keys(path) == ("images", "labels")
    found = npz.member(path, "images")
    assert (found.shape, found.dtype) == (IMAGES.shape, IMAGES.dtype)
    mapped = npz.memory_mapped(found, cache=tmp_path / "cache")
    np.testing.assert_array_equal(mapped, IMAGES)
    np.testing.assert_array_equal(npz.load(npz.member(path, "labels")), np.arange(5))
    assert not mapped.flags.writeable
    assert (tmp_path / "cache").exists() == compressed


def test_a_compressed_array_is_unpacked_once_and_anew_when_the_file_changes(tmp_path: Path) -> None:
    path, cache = tmp_path / "set.npz", tmp_path / "cache"
    saved(path, compressed=True, images=IMAGES)
    npz.memory_mapped(npz.member(path, "images"), cache=cache)
    (copy,) = cache.glob("*.npy")
    before = copy.stat().st_mtime_ns
    npz.memory_mapped(npz.member(path, "images"), cache=cache)
    assert copy.stat().st_mtime_ns == before
    saved(path, compressed=True, images=IMAGES + 1)
    np.testing.assert_array_equal(npz.memory_mapped(npz.member(path, "images"), cache=cache), IMAGES + 1)
    copy.write_bytes(copy.read_bytes()[:-9])  # a copy that was cut short is made anew, too
    saved(path, compressed=True, images=IMAGES)
    np.testing.assert_array_equal(npz.memory_mapped(npz.member(path, "images"), cache=cache), IMAGES)


def test_fortran_order_is_mapped_as_it_is(tmp_path: Path) -> None:
    path = saved(tmp_path / "set.npz", images=np.asfortranarray(IMAGES))
    np.testing.assert_array_equal(npz.memory_mapped(npz.member(path, "images"), cache=tmp_path), IMAGES)
    path = saved(tmp_path / "packed.npz", compressed=True, images=np.asfortranarray(IMAGES))
    with pytest.raises(DataError, match="Fortran order"):
        npz.memory_mapped(npz.member(path, "images"), cache=tmp_path)


def test_a_missing_array_names_those_that_are_there(tmp_path: Path) -> None:
    path = saved(tmp_path / "set.npz", pictures=IMAGES, y=np.arange(5))
    with pytest.raises(DataError, match="no array `images`; it contains `pictures`, `y`"):
        npz.member(path, "images")


def test_python_objects_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return pytest.fail, ("unpickled",)

    path = with_header(tmp_path / "set.npz", "'|O'", "(1,)", pickle.dumps(Trap()))
    with pytest.raises(DataError, match="Python objects"):
        npz.member(path, "images")
    with pytest.raises(DataError, match="Python objects"):
        npz.load(npz.member(path, "images", objects=True))


@pytest.mark.parametrize("shape", ["(1000000, 96, 96, 3)", "(2,)", "(-1, -4)", "(10**30, 4)"])
def test_a_header_that_promises_what_is_not_there(tmp_path: Path, shape: str) -> None:
    path = with_header(tmp_path / "set.npz", "'|u1'", shape, b"abcd")
    with pytest.raises(DataError, match=r"set\.npz"):
        npz.member(path, "images")


def test_a_bomb_is_refused_before_it_goes_off(tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    count = 300 << 20
    archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    with archive, archive.open("images.npy", "w") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count,)}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(count >> 20):
            file.write(bytes(1 << 20))
    assert path.stat().st_size < 4 << 20
    with pytest.raises(DataError, match="would unpack to 314,572,800"):
        npz.member(path, "images")


def test_small_arrays_have_a_limit(tmp_path: Path) -> None:
    path = saved(tmp_path / "set.npz", labels=np.zeros(100, dtype=np.int64))
    with pytest.raises(DataError, match="800 bytes, but at most 799"):
        npz.load(npz.member(path, "labels"), limit=799)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no such file"):
        npz.keys(tmp_path / "set.npz")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_changed_byte_of_the_data_is_found(tmp_path: Path, compressed: bool) -> None:
    path = saved(tmp_path / "set.npz", compressed=compressed, images=IMAGES)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"set\.npz"):
        npz.memory_mapped(npz.member(path, "images"), cache=tmp_path / "cache")
    assert not list(tmp_path.glob("cache/*.npy"))


def _good() -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=IMAGES, labels=np.arange(5))
    return buffer.getvalue()


@given(
    place=st.integers(0, len(_good()) - 1),
    replacement=st.binary(min_size=0, max_size=8),
    keep=st.integers(0, len(_good())) | st.just(None),
)
def test_damage_anywhere_is_a_data_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, place: int, replacement: bytes, keep: int | None
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    content = _good()
    (folder / "set.npz").write_bytes((content[:place] + replacement + content[place + len(replacement) :])[:keep])
    try:
        images = npz.memory_mapped(npz.member(folder / "set.npz", "images"), cache=folder)
    except DataError:
        return
    np.testing.assert_array_equal(images, IMAGES)


def test_all_arrays_of_a_file_are_loaded_unless_they_are_many_bytes(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6).reshape(2, 3), "word": np.array("deep"), "none": np.zeros((0, 2), np.float32)}
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    found = npz.load_all(tmp_path / "x.npz")
    assert {key: value.tolist() for key, value in found.items()} == {key: it.tolist() for key, it in arrays.items()}
    with pytest.raises(DataError, match="its arrays have 64 bytes, but at most 63 are allowed"):
        npz.load_all(tmp_path / "x.npz", limit=63)


def test_only_the_guarded_reader_opens_numpys_files() -> None:
    """``clean_run.py`` runs where cellcls is not, and opens what cellcls wrote for it."""
    root = Path(__file__).parents[3]
    files = [path for folder in ("cellcls", "plugins") for path in (root / folder).rglob("*.py")]
    assert len(files) > 250
    bare = re.compile(r"(np|numpy)\.(load|fromfile|loadtxt|genfromtxt)\(|pickle\.loads?\(|weights_only=False")
    opening = [path for path in files if "tests" not in path.parts and bare.search(path.read_text())]
    assert [path.name for path in opening] == ["clean_run.py"]
