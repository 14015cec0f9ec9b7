# Every target sets up .venv when it is missing or older than pyproject.toml, and not otherwise.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# The tests of `make check`: no training to the end, no second process that imports torch.
QUICK := data glossary house models notebooks prose quiz recipes setup_cell training

# The two ends of what is allowed: `make oldest`, `make newest`.
oldest_python ?= python3.11
oldest_limits := --constraint .venv-lowest.txt
# Old packages are warned by the newer ones that they need, among themselves.
oldest_pytest := -W default::DeprecationWarning -W default::FutureWarning
newest_python ?= python3.13
colab_python ?= python3.13
newest_limits := --upgrade --upgrade-strategy eager

.DEFAULT_GOAL := help
.PHONY: help install course runtime book pdf zip lint check test oldest newest colab lab render \
  reproduce mutants coverage address clean

help:  ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 16

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "This course needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group $(or $(GROUP),dev) $(LIMITS)
	@touch $@

install: $(INSTALLED)  ## set up .venv with everything that the course needs

course: $(INSTALLED)  ## run all notebooks on the bundled data and make a book of these runs
	$(BIN)/python -m tools.run_fast
	$(BIN)/python -m tools.book.build --fast

runtime: $(INSTALLED)  ## fetch what the live page runs networks with: once, needs npm
	$(BIN)/python -m tools.book.live_runtime

book: $(INSTALLED)  ## make the book from the stored outputs: the one to publish
	-$(BIN)/python -m tools.book.live_runtime
	$(BIN)/python -m tools.book.build

pdf: book  ## print the book into one PDF: needs Chromium or Chrome
	$(BIN)/python -m tools.book.pdf

zip: book  ## pack all that a classroom without a network needs
	-$(BIN)/python -m tools.book.pdf
	$(BIN)/python -m tools.book.pack

lint: $(INSTALLED)  ## look at style and spelling, and whether all that is generated is in step
	$(BIN)/python -m ruff check --quiet --output-format concise .
	$(BIN)/python -m ruff format --check --quiet .
	$(BIN)/typos
	$(BIN)/python -m tools.generate --check

check: lint  ## lint, types, and the quick tests: for the edit loop, about a minute
	$(BIN)/python -m mypy --no-error-summary
	$(BIN)/python -m pytest -q -n 2 -o addopts= $(QUICK:%=tests/test_%.py)

test: lint  ## lint, and all tests, the notebooks among them
	$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

oldest:  ## all tests with the lowest version of every range, in .venv-oldest
newest:  ## all tests with the highest versions there are, in .venv-newest
oldest newest:
	@sed -nE 's/^ *"([a-z0-9-]+)>=([0-9.]+).*/\1==\2/p' pyproject.toml > .venv-lowest.txt
	@rm -f .venv-$@/.installed
	$(MAKE) --no-print-directory install VENV=.venv-$@ PYTHON=$($@_python) LIMITS='$($@_limits)'
	.venv-$@/bin/python -m pytest -n 2 $($@_pytest) $(PYTEST_ARGS)

colab: $(INSTALLED)  ## run all notebooks as Colab does, with its versions, in .venv-colab
	$(MAKE) --no-print-directory install VENV=.venv-colab PYTHON=$(colab_python) GROUP=colab
	$(BIN)/python -m tools.run_colab .venv-colab/bin/python

lab: $(INSTALLED)  ## open the notebooks in JupyterLab
	$(BIN)/python -m jupyterlab --notebook-dir=. notebooks

render: $(INSTALLED)  ## run all notebooks (or one: CHAPTER=3) on the full data, store the outputs
	$(BIN)/python -m tools.render $(if $(CHAPTER),--chapter $(CHAPTER))

reproduce: $(INSTALLED)  ## run all notebooks (or CHAPTER=2) again, compare with recorded numbers
	$(BIN)/python -m tools.reproduce $(if $(CHAPTER),--chapter $(CHAPTER))

mutants: $(INSTALLED)  ## break helpers/ in many ways: what the tests notice (MUTANTS=200, MODULE=…)
	$(BIN)/python -m pip install --quiet --group teeth
	$(BIN)/python -m tools.mutants --seed $(or $(SEED),0) $(if $(MUTANTS),--sample $(MUTANTS)) \
	  $(if $(MODULE),--module $(MODULE))

coverage: $(INSTALLED)  ## run all tests, and list the lines and branches that no test reaches
	$(BIN)/python -m pip install --quiet --group teeth
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest -n 2 $(PYTEST_ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

address: $(INSTALLED)  ## move the course to URL=https://github.com/OWNER/NAME [BRANCH=main], or check
	$(BIN)/python -m tools.address $(if $(URL),'$(URL)' $(if $(BRANCH),--branch '$(BRANCH)'),--check)

clean:  ## remove what was built; .venv and data stay
	rm -rf book/_build .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
