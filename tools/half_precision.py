"""Write a copy of a run's best weights in half precision, as a packaged model has them.

python tools/half_precision.py RUN/best.safetensors plugins/cellcls-model/src/cellcls_model/model.safetensors
"""

from __future__ import annotations

import sys
from pathlib import Path

from cellcls.errors import CellclsError
from cellcls.ops.storage.weight_files import save_half


def main(source: Path, target: Path) -> None:
    """Write ``target`` and print both sizes."""
    save_half(source, target)
    before, after = (path.stat().st_size / 1e6 for path in (source, target))
    print(f"{target}: {after:.2f} MB, from {before:.2f} MB")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit((__doc__ or "").strip())
    try:
        main(*map(Path, sys.argv[1:]))
    except CellclsError as error:
        sys.exit(str(error))
