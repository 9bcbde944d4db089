"""``python -m cellcls``."""

from cellcls.cli import main

main()
