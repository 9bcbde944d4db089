"""Data sets read from files: ``Npz``, ``Folder``, ``MedMNIST``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from cellcls.api import Dataset, Download, Input, changed, component, param
from cellcls.errors import MissingInputError

if TYPE_CHECKING:
    from cellcls.api import Source

_CHALLENGE = (
    "the challenge's training_set.npz comes from its organisers: put it beside the recipe, into ./data or $CELLCLS_DATA"
)
_BLOODMNIST = (
    "BloodMNIST, the same eight classes, is free: cellcls fetch bloodmnist (28 pixels), or bloodmnist_64, _128, _224; "
    "by hand from https://zenodo.org/records/10519652"
)
_DATA_OPTION = "--data PATH takes the folder it lies in, or any data set in its place (npz, MedMNIST, folder of images)"

_BLOODMNIST_FILES = tuple(
    Download(
        name=name,
        address=f"https://zenodo.org/records/10519652/files/{name}?download=1",
        bytes=size,
        licence="CC BY 4.0",
        checksum=f"md5:{md5}",
    )
    for name, size, md5 in (  # md5: as medmnist 3 publishes them (medmnist/info.py); size: of a file with that md5
        ("bloodmnist.npz", 35_461_855, "7053d0359d879ad8a5505303e11de1dc"),
        ("bloodmnist_64.npz", None, "2b94928a2ae4916078ca51e05b6b800b"),
        ("bloodmnist_128.npz", None, "adace1e0ed228fccda1f39692059dd4c"),
        ("bloodmnist_224.npz", None, "b718ff6835fcbdb22ba9eacccd7b2601"),
    )
)


@component("npz")
class Npz(Dataset):
    """Images and labels in one npz file, the challenge's layout: images uint8 (N, H, W, 3), labels integer (N,) or
    (N, 1). Gray images (N, H, W) or (N, H, W, 1) are repeated to RGB. Images are memory-mapped."""

    how_to_get: ClassVar[tuple[str, ...]] = (_CHALLENGE, _BLOODMNIST, _DATA_OPTION)

    file: Path = param(help="The npz file.")
    images: str = param(default="images", help="Name of the array with the images.")
    labels: str = param(default="labels", help="Name of the array with the labels, 0 to K-1.")
    classes: tuple[str, ...] | None = param(
        default=None,
        help="Names of the classes in the order of the labels. Default: the file's `class_names`; else, with labels up "
        "to 7, the eight blood cells; else class_0, class_1, ...",
    )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether ``path`` is an npz with `images` and `labels`."""
        from cellcls.builtin.datasets.arrays import has_keys

        return has_keys(path, ("images", "labels"))

    def build(self, *, path: Path | None, input: Input, cache: Path) -> Source:
        """Open the file. A compressed one is unpacked once into ``cache``. Raises ``DataError``."""
        from cellcls.builtin.datasets.npz import open_npz

        return open_npz(_given(path, self), self.images, self.labels, self.classes, cache)


@component("folder")
class Folder(Dataset):
    """Image files in one folder per class (JPEG, PNG, WebP, BMP, TIFF, any size, at any depth), optionally within
    folders train, val and test. Files are decoded once into a cache. Other files are skipped and listed."""

    how_to_get: ClassVar[tuple[str, ...]] = (
        "put the images into one folder per class: FOLDER/basophil/1.jpg, or FOLDER/train/basophil/1.jpg",
        _DATA_OPTION,
    )
    accepts_any_images: ClassVar[bool] = True

    file: Path = param(help="The folder that holds the class folders.")
    on_bad_image: Literal["error", "skip"] = param(
        default="error", help="What to do with an unreadable image: stop, or skip and list it."
    )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether ``path`` is a folder with at least two class folders that contain images."""
        from cellcls.builtin.datasets.folder import looks_like_classes

        return looks_like_classes(path)

    def leniently(self) -> Self:
        """Return the folder with unreadable images skipped."""
        return changed(self, on_bad_image="skip")

    def build(self, *, path: Path | None, input: Input, cache: Path) -> Source:
        """Decode the images, or open the cached result. Raises ``DataError``."""
        from cellcls.builtin.datasets.folder import open_folder

        skip = self.on_bad_image == "skip"
        return open_folder(_given(path, self), input, cache, skip_bad=skip)


@component("medmnist")
class MedMNIST(Dataset):
    """A set of MedMNIST v2 (Yang et al. 2023, doi:10.1038/s41597-022-01721-8) in 2D with one label per image, at any of
    its sizes (28, 64, 128, 224). Its own parts train, val and test are kept."""

    how_to_get: ClassVar[tuple[str, ...]] = (_BLOODMNIST, _DATA_OPTION)
    sources: ClassVar[tuple[Download, ...]] = _BLOODMNIST_FILES

    file: Path = param(default=Path("bloodmnist.npz"), help="The npz file.")
    classes: tuple[str, ...] | None = param(
        default=None,
        help="Names of the classes in the order of the labels. Default: the eight blood cells for colour images "
        "labelled 0 to 7, as BloodMNIST; else class_0, class_1, ...",
    )

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """Return whether ``path`` is an npz with images and labels of train, val and test."""
        from cellcls.builtin.datasets.arrays import has_keys
        from cellcls.builtin.datasets.medmnist import KEYS

        return has_keys(path, KEYS)

    def build(self, *, path: Path | None, input: Input, cache: Path) -> Source:
        """Open the file. MedMNIST's are compressed, so it is unpacked once into ``cache``. Raises ``DataError``."""
        from cellcls.builtin.datasets.medmnist import open_medmnist

        return open_medmnist(_given(path, self), self.classes, cache)


def _given(path: Path | None, dataset: Npz | Folder | MedMNIST) -> Path:
    if path is None or not path.exists():
        raise MissingInputError(f"{path or dataset.file}: no such file or folder", *dataset.how_to_get)
    return path
