# `make demo`: install and run the quickstart. `make test`: the tests. Both make or reuse the environment in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PLUGINS := $(wildcard plugins/*)
# torch's threads fight over two cores when two tests run at once: one thread each
TEST_ENV := OMP_NUM_THREADS=1

.PHONY: help install demo test check check-all check-hard docs docs-made docs-serve notebooks screenshots changelog clean

help:
	@echo "make demo       install, then train and explain a small network on rendered cells"
	@echo "make test       install, then run the tests"
	@echo "make install    make the environment .venv with cellcls and its plugins"
	@echo "make check      ruff, mypy, import-linter"
	@echo "make check-all  check, all tests, and the slow ones"
	@echo "make check-hard  damaged files of every kind, 47,000 of them"
	@echo "make docs       build the docs site, strictly, into build/site"
	@echo "make docs-serve show the docs site while it is written"
	@echo "make notebooks  the tutorials as notebooks, in build/notebooks"
	@echo "make screenshots  the pictures of README, by Chromium"
	@echo "make changelog  CHANGELOG.md from its fragments"

install: $(STAMP)

$(STAMP): pyproject.toml $(wildcard plugins/*/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "cellcls needs Python 3.11 or newer: sudo apt-get install python3.11 python3.11-venv, then make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing: sudo apt-get install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]" $(addprefix -e ./,$(PLUGINS))
	touch $(STAMP)

demo: install
	$(BIN)/cellcls run recipes/quickstart.toml

test: install
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" --durations 40 --durations-min 4

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check-all: check
	HYPOTHESIS_PROFILE=explore $(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist loadfile

# damaged files of every kind, all of them: goes on where it stopped, and keeps what it found in build/fuzz
check-hard: install
	mkdir -p build/fuzz
	CELLCLS_FUZZ=$(CURDIR)/build/fuzz $(TEST_ENV) $(BIN)/python -m pytest -n 2 --dist load --timeout 36000 tests/cli/test_fuzz.py

# what the site shows of the code and of rendered cells; git ignores it
docs-made: install
	$(BIN)/python tools/docs_reference.py docs/reference
	$(BIN)/python tools/docs_pictures.py docs/pictures

docs: docs-made
	$(BIN)/zensical build --strict

docs-serve: docs-made
	$(BIN)/zensical serve

# their links lead into the site beside them
notebooks: docs
	$(BIN)/python tools/docs_notebooks.py build/notebooks

# the pictures of README, which are committed: needs Chromium and an idle machine
screenshots: install
	$(BIN)/python tools/docs_screenshots.py docs/images

changelog: install
	$(BIN)/python tools/changelog.py

clean:
	rm -rf $(VENV)
