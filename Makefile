# `make demo` and `make test` need nothing but Python 3.11+ and make: they build .venv first.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
PARALLEL ?= --numprocesses auto --dist loadscope
EXPLAINSAL_SHARED ?= $(CURDIR)/../shared
export EXPLAINSAL_SHARED

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow check docs format smoke bench clean

help:  ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## environment in .venv, versions pinned by constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "explainsal needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

DEMO = outputs/demo/$(shell date +%Y-%m-%d_%H-%M-%S)
demo: $(STAMP)  ## train and explain a small CMRNet on generated scenes, explain the packaged one; two reports (minutes on 2 cores)
	@to=$(DEMO); set -e; \
	$(BIN)/python -m explainsal.train +experiment=demo hydra.run.dir=$$to/trained_here $(DATA) $(ARGS); \
	$(BIN)/python -m explainsal.explain +experiment=demo_packaged hydra.run.dir=$$to/packaged $(DATA); \
	echo "the network trained here, explained:  $$to/trained_here/report.html"; \
	echo "the packaged network, explained:      $$to/packaged/report.html"

test: $(STAMP)  ## the test suite without the slow tests
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL)

test-slow: $(STAMP)  ## the slow tests: real multi-process runs, kill and resume, a browser
	$(BIN)/python -m pytest -m slow $(PARALLEL)

check: $(STAMP)  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)  ## the documentation as site/index.html; a broken link is an error
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

format: $(STAMP)  ## format the code and sort its imports
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

smoke: $(STAMP)  ## every experiment for a few batches, where its data is there
	$(BIN)/python -m explainsal.train +experiment=demo trainer.max_epochs=1 +trainer.limit_train_batches=2 \
	  +trainer.limit_val_batches=1 evaluation.explain_images=1 data.sizes.train=8 data.sizes.val=2 data.sizes.test=2 data.root=data/smoke

bench: $(STAMP)  ## ratios against plain baselines, in one process each
	for script in $(filter-out benchmarks/gpu.py,$(wildcard benchmarks/*.py)); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:  ## remove the environment and caches, keep data and outputs
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
