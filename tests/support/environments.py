"""Environments for tests that install something: new ones, which borrow the libraries of the one the tests run in."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

OUTER = Path(sysconfig.get_path("purelib"))
_PIP = """\
#!/bin/sh
[ "$1" = install ] && shift && set -- install --no-index --no-build-isolation "$@"
exec "{outer}" -m pip --python "{inner}" --disable-pip-version-check --quiet "$@"
"""


def new_environment(folder: Path, *, with_cellcls: bool) -> Path:
    """Make an environment in ``folder`` and return its ``bin``: every library of the outer one, and a
    ``pip`` that asks no network.

    ``with_cellcls``: the cellcls under test and its plugins are there too; else none of them is.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    own = next(folder.glob("lib/python*/site-packages"))
    if with_cellcls:
        (own / "outer.pth").write_text(f"import site; site.addsitedir({str(OUTER)!r})\n")
    else:
        (own / "outer.pth").write_text(f"{_libraries(folder / 'libraries')}\n")
    binaries = folder / "bin"
    _script(binaries / "pip", _PIP.format(outer=sys.executable, inner=binaries / "python"))
    if with_cellcls:
        for name, module in (("cellcls", "cellcls"), ("pytest", "pytest")):
            _script(binaries / name, f'#!/bin/sh\nexec "{binaries / "python"}" -m {module} "$@"\n')
    return binaries


def install(binaries: Path, *what: str | Path) -> None:
    """Install what lies on this machine, without asking for what it depends on."""
    subprocess.run([binaries / "pip", "install", "--no-deps", *what], check=True)


def _libraries(folder: Path) -> Path:
    """Return a folder of links to all libraries but cellcls, its plugins and the hooks of editable installs."""
    folder.mkdir()
    for item in OUTER.iterdir():
        if "cellcls" not in item.name and item.suffix != ".pth" and "editable" not in item.name:
            (folder / item.name).symlink_to(item)
    return folder


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
