# The first Python that is new enough and can make a virtual environment.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PYTEST := $(BIN)/pytest -n 2 --dist loadfile
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev

MAKEFLAGS += --no-print-directory

.DELETE_ON_ERROR:
.PHONY: help setup demo services test test-nojit check format bench bench-fleet bench-stream bench-quality docs clean python

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: $(DEV) ## Make .venv with all that development needs

demo: $(RUNTIME) ## Find the faults of a made-up fleet, or of yours: DATA=path KEY=column TIME=column FEATURES='!label'
	@$(BIN)/tocsin demo $${DATA:+--data "$$DATA"} $${KEY:+--key "$$KEY"} $${TIME:+--time "$$TIME"} \
	$${FEATURES:+--features "$$FEATURES"} $(ARGS)

services: $(DEV) ## Install the servers that the tests need (Kafka, mosquitto, Redis), where that may be done
	@$(BIN)/python -m tests.services

test: $(DEV) services ## Run the tests and the docstrings' examples; ARGS="-k panel" goes to pytest
	$(PYTEST) $(ARGS)

test-nojit: $(DEV) ## Run the kernels' tests as plain Python
	NUMBA_DISABLE_JIT=1 $(PYTEST) tests/kernels $(ARGS)

check: $(DEV) ## Check format, lint, types, the arrows between rooms, and the docs
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(MAKE) docs

format: $(DEV) ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench: $(DEV) ## Measure speed against other libraries and against the machine, in minutes
	$(BIN)/python -m benchmarks.speed

bench-fleet: $(DEV) ## Measure the whole job, 1.44e9 readings: 6 GB of disk, a few minutes
	$(BIN)/python -m benchmarks.speed.fleet

bench-stream: $(DEV) ## Measure the stream on a real Kafka, in some minutes; ARGS="--million" adds a million assets
	$(BIN)/python -m benchmarks.speed.stream $(ARGS)

bench-quality: $(DEV) ## Show what is found on public data, and what is not
	$(BIN)/python -m benchmarks.quality

docs: $(DEV) ## Build the documentation; a warning is an error
	$(BIN)/sphinx-build --fail-on-warning --fresh-env --quiet docs docs/_build
	@echo "docs/_build/index.html"

clean: ## Remove all that make made, .venv too
	rm -rf $(VENV) docs/_build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

python:
	@"$(or $(PYTHON),false)" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo "Tocsin needs Python 3.11 or newer with venv (Debian: python3-venv): make setup PYTHON=/path/to/python3" >&2; \
	exit 1; }

$(BIN)/pip:
	@$(MAKE) python
	@"$(PYTHON)" -m venv --clear $(VENV)

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/pip
	@echo "Installing Tocsin into $(VENV)"
	@$(PIP) --upgrade pip
	@$(PIP) --build-constraint constraints.txt --editable .
	@touch $@

$(DEV): $(RUNTIME)
	@echo "Installing the development tools into $(VENV)"
	@$(PIP) --group dev
	@touch $@
