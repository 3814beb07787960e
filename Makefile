# make demo      install into .venv, train the digits classifier on both backends
# make test      install into .venv, run the tests but for the slow ones and the toy plugin's own
# make test-all  all tests, the slow ones too, with new random examples; Keras on jax to compare with
# make lint      ruff, mypy and the layers
# make bench     print the tables of tests/benchmarks
# make clean     remove the two environments and what the tools left
#
# PYTHON is the interpreter (3.11 or newer) that makes the environments; JOBS the processes of the tests.

PYTHON ?= python3
JOBS ?= 2

# A process that has done its share takes over part of another's: some tests take minutes.
SHARED := -n $(JOBS) --dist worksteal

VENV := .venv
LINT_VENV := .venv-dev
TOY := tests/plugins/irflow_toy
PIP_FLAGS := --quiet --disable-pip-version-check

.DELETE_ON_ERROR:
.PHONY: demo test test-all lint bench clean

demo: $(VENV)/.installed
	$(VENV)/bin/python -m irflow.cli demo

test: $(VENV)/.installed
	$(VENV)/bin/python -m pytest $(SHARED) -m "not slow" --ignore $(TOY)

test-all: $(VENV)/.peers
	IRFLOW_TEST=all $(VENV)/bin/python -m pytest $(SHARED)

bench: $(VENV)/.installed
	$(VENV)/bin/python -m pytest -q -s -p no:xdist --override-ini "python_files=bench_*.py" --override-ini "python_functions=bench_*" tests/benchmarks

lint: $(LINT_VENV)/.installed
	$(LINT_VENV)/bin/ruff check .
	$(LINT_VENV)/bin/ruff format --check .
	$(LINT_VENV)/bin/mypy
	$(LINT_VENV)/bin/python -m pytest tests/test_layers.py

# The environments are made anew where pyproject.toml (of irflow or of the toy plugin) has changed.
# The toy plugin is a distribution of its own, so it is installed on its own.
$(VENV)/.installed: pyproject.toml $(wildcard $(TOY)/pyproject.toml)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "irflow needs Python 3.11 or newer: make PYTHON=python3.x")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) -e '.[test]'
	if [ -d $(TOY) ]; then $(VENV)/bin/python -m pip install $(PIP_FLAGS) -e $(TOY); fi
	touch $@

# What irflow.keras is compared with.
$(VENV)/.peers: $(VENV)/.installed
	$(VENV)/bin/python -m pip install $(PIP_FLAGS) -e '.[test,peers]'
	touch $@

$(LINT_VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(LINT_VENV)
	$(LINT_VENV)/bin/python -m pip install $(PIP_FLAGS) -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(LINT_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
