"""README and docs are tests: their blocks run in the order of the page (see ``tests/support/pages.py``)."""

from support.pages import sybil

pytest_collect_file = sybil().pytest()
