# Every target sets up .venv when it is missing or older than pyproject.toml, and not otherwise.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install course book test lab render clean

help:  ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 16

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "This course needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

install: $(INSTALLED)  ## set up .venv with everything that the course needs

course: $(INSTALLED)  ## run all notebooks on the bundled data and make a book of these runs
	$(BIN)/python -m tools.run_fast
	$(BIN)/python -m tools.build_book --fast

book: $(INSTALLED)  ## make the book from the stored outputs: the one to publish
	$(BIN)/python -m tools.build_book

test: $(INSTALLED)  ## run all tests, the notebooks among them, on two cores
	$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

lab: $(INSTALLED)  ## open the notebooks in JupyterLab
	$(BIN)/python -m jupyterlab --notebook-dir=. notebooks

render: $(INSTALLED)  ## run all notebooks (or one: CHAPTER=3) on the full data, store the outputs
	$(BIN)/python -m tools.render $(if $(CHAPTER),--chapter $(CHAPTER))

clean:  ## remove what was built; .venv and data stay
	rm -rf book/_build .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
