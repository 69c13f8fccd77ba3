# make demo        segment drawn videos with the network that is here: half a minute
# make demo-train  train a small network on drawn videos, and show it: some minutes
# make test        formatting, lint, types and all tests
# make test-fast   the core: model, metrics, data, tracker, a training, an evaluation
# make docs        build the documentation: outputs/site/index.html
# make clean       remove the virtual environment; results stay
#
# Each installs what it needs into a virtual environment inside the clone (VENV=…), with the
# versions of constraints.txt. PIP_OPTIONS is passed to pip, e.g. to choose a build of torch.

VENV ?= .venv
PYTHON ?= python3
PIP_OPTIONS ?=
BIN := $(VENV)/bin

.PHONY: demo demo-train test test-fast docs lint format clean
.NOTPARALLEL:

# Threads that wait actively for each other are slow wherever something else needs the cores.
demo: $(VENV)/ready
	OMP_WAIT_POLICY=passive $(BIN)/python scripts/demo.py

demo-train: $(VENV)/ready
	OMP_WAIT_POLICY=passive $(BIN)/python scripts/demo.py --train

# A file's tests run in one process: what they share is made once. tests/conftest.py has put the
# files in order.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
CORE := tests/methods tests/metrics tests/datasets \
    tests/inference/test_tracker.py tests/inference/test_segmenter.py \
    tests/inference/test_step.py tests/inference/test_davis_split.py \
    tests/training/test_clip.py tests/training/test_loop.py tests/training/test_losses.py \
    tests/training/test_overfit.py tests/training/test_resume.py

test: lint
	$(PYTEST)

test-fast: $(VENV)/ready-test
	$(PYTEST) -m "not slow" $(CORE)

# The variable hides an advertisement for a successor of mkdocs-material.
docs: $(VENV)/ready-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lint: $(VENV)/ready-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/ready-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A stamp for each set of extras. What is not compiled now is when it is first imported.
STAMPS := $(VENV)/ready $(VENV)/ready-test $(VENV)/ready-docs
$(VENV)/ready-test: EXTRA := [test]
$(VENV)/ready-docs: EXTRA := [docs]

$(STAMPS): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "RANet needs Python 3.11 or later; name one with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	    || { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing ranet$(EXTRA) into $(VENV). Unless pip has kept them, it downloads 350 MB$(if $(EXTRA), and what $(EXTRA) adds):"
	@echo "PyTorch for CPUs is 190, OpenCV 60, PyAV 35. Where a plain install brings PyTorch for CUDA,"
	@echo "as on Linux, it is 3 GB more, unless PIP_OPTIONS names another index: see README.md."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile $(PIP_OPTIONS) \
	    --constraint constraints.txt --editable '.$(EXTRA)'
	@touch $@

clean:
	rm -rf $(VENV)
