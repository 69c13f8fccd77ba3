# make demo   train a small network on synthetic videos, segment and score unseen ones
# make test   formatting, lint, types and all tests
# make docs   build the documentation: outputs/site/index.html
# make clean  remove the virtual environment; results stay
#
# The first three set themselves up in a virtual environment inside the clone (VENV=…), with the
# versions of constraints.txt. PIP_OPTIONS is passed to pip, e.g. to choose a build of torch.

VENV ?= .venv
PYTHON ?= python3
PIP_OPTIONS ?=
BIN := $(VENV)/bin

.PHONY: demo test docs lint format clean

# Threads that wait actively for each other are slow wherever something else needs the cores.
demo: $(VENV)/ready
	OMP_WAIT_POLICY=passive $(BIN)/python scripts/demo.py --out outputs/demo

test: lint
	$(BIN)/python -m pytest -n 2

# The variable hides an advertisement for a successor of mkdocs-material.
docs: $(VENV)/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lint: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "RANet needs Python 3.11 or later; name one with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	    || { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) \
	    --constraint constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV)
