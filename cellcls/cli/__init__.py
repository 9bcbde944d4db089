"""The command line: the only layer that prints. Results on stdout, progress and problems on stderr."""

from cellcls.cli.main import main

__all__ = ["main"]
