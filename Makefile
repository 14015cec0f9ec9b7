# `make course` and `make test` are all a reader needs; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install course book test lab render clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

install: $(READY) ## set up .venv with everything

# The stamp is newer than pyproject.toml once all is installed: a second call does nothing.
$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --group dev
	touch $(READY)

course: $(READY) ## run all notebooks on the sample and build the book from these runs
	$(BIN)/python tools/run_fast.py
	$(BIN)/python tools/build_book.py --fast

book: $(READY) ## build the book from the stored outputs of the full data
	$(BIN)/python tools/build_book.py

test: $(READY) ## run all tests, notebooks included
	$(BIN)/python -m pytest

lab: $(READY) ## open JupyterLab
	$(BIN)/python -m jupyterlab notebooks

render: $(READY) ## run the notebooks on the full data and store the outputs (CHAPTER=3 for one)
	$(BIN)/python tools/render.py $(if $(CHAPTER),--chapter $(CHAPTER))

clean: ## remove what was built, keep .venv and data
	rm -rf book/_build .pytest_cache .ruff_cache .hypothesis
