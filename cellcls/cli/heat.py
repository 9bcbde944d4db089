"""The files of ``predict --heat``: one PNG for each image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cellcls.errors import UsageError
from cellcls.ops.storage.files import write_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class HeatFolder:
    """A new folder of pictures: each image as the network gets it, beside it the same with its heat map."""

    def __init__(self, folder: Path) -> None:
        """Raises ``UsageError`` where there is something already."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder}: there is something already, and nothing is overwritten", "name a new folder")
        self.folder = folder
        self.files: dict[int, Path] = {}
        """The file of each image, by position."""
        self._taken: set[str] = set()

    def draw(self, position: int, name: str, image: NDArray[np.uint8], heat: NDArray[np.float32]) -> None:
        """Write the picture of an image at once, so that none is kept in memory."""
        import numpy as np

        from cellcls.report.pictures import overlay
        from cellcls.report.style import encode_png

        file = self.folder / self._free(name)
        write_bytes(file, encode_png(np.concatenate([image, overlay(image, heat)], axis=1)))
        self.files[position] = file

    def file(self, position: int) -> str | None:
        """Return the file of an image, None where it could not be read."""
        file = self.files.get(position)
        return None if file is None else str(file)

    def _free(self, name: str) -> str:
        """Return ``photo.png`` for ``cells/photo.jpg``, ``photo-2.png`` for the next of this name."""
        last = Path(name).name
        stem = re.sub(r"[^\w.-]+", "_", last if last.endswith("]") else Path(last).stem)[:100].strip("_.") or "image"
        number, free = 1, stem
        while free.lower() in self._taken:  # some file systems do not tell a from A
            number += 1
            free = f"{stem}-{number}"
        self._taken.add(free.lower())
        return f"{free}.png"
