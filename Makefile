# The same commands on a laptop and on a server. PYTHON picks the interpreter, 3.11 or newer.
PYTHON ?= python3
EXTRAS ?= train,export,serve,bench,cpu,dev
BIN := .venv/bin
comma := ,
INSTALLED := .venv/installed-$(subst $(comma),-,$(EXTRAS))

.DEFAULT_GOAL := help
.PHONY: help install test lint test-tensorrt gpu-check demo micro faults soak accuracy tables

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: $(INSTALLED)  ## create .venv with everything that tests and demo need

$(INSTALLED): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

lint: $(INSTALLED)  ## ruff, mypy and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint  ## lint, then run the whole test suite
	$(BIN)/pytest

test-tensorrt: $(INSTALLED)  ## install TensorRT-RTX (about 220 MB), build engines of every model; needs no GPU
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[tensorrt-rtx]'
	$(BIN)/pytest -m tensorrt

gpu-check: $(INSTALLED)  ## where there is a GPU: build, run, compare and time a TensorRT plan of every export
	$(BIN)/python -m export.gpu_check

demo: $(INSTALLED)  ## the whole path once for each family: train, export, publish, serve, ask, measure
	$(BIN)/leanzoo demo

micro: $(INSTALLED)  ## one call of every exported graph, in process, by pytest-benchmark
	$(BIN)/pytest benchmarks/ --benchmark-only --benchmark-max-time=0.05 --benchmark-min-rounds=3

faults: $(INSTALLED)  ## kill, overload, poison, stop and fuzz the gateway; roll versions under load (half an hour)
	$(BIN)/python -m benchmarks.faults kill rollouts overload poison sigterm fuzz

soak: $(INSTALLED)  ## ask the gateway for SECONDS, by default an hour: no errors, no growth
	$(BIN)/python -m benchmarks.faults soak $(if $(SECONDS),--seconds $(SECONDS)) $(if $(OUT),--out $(OUT))

accuracy: $(INSTALLED)  ## train all recipes on several seeds and write benchmarks/results/ (hours, resumes)
	$(BIN)/python -m benchmarks.accuracy
	$(BIN)/python -m benchmarks.ctr_accuracy
	$(BIN)/python -m benchmarks.forecast_accuracy

tables: $(INSTALLED)  ## write the tables in documents anew from benchmarks/results/
	$(BIN)/python -m benchmarks.readme
