# The words for working on merflow: people, hooks and CI use these and no others.
VENV ?= .venv
PYTHON ?= python3
EMODB ?= ../shared/data/emodb/utterances.csv
# The fullest preset of each model, and for three of them a row without a part.
DEMO := context-mmt:mmt-frozen,context-mmt:wavlm-te-frozen,foal-net:full,foal-net:audio-only,gia-mic:full,layer-adapter-fusion:stc-mf-la,mfdr:full,mfdr:no-context
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := 1
export MPLBACKEND := Agg

.PHONY: help install demo screenshots repro test check format pipelines dvc bench clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## a virtual environment with everything, in .venv

$(STAMP): pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "merflow needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[dev]'
	@touch $(STAMP)

demo: $(STAMP) ## synthetic corpus -> KFP pipeline run locally -> table, report, MLflow, under runs/demo
	@$(BIN)/merflow pipeline run benchmark --corpus synthetic --size small --profile lite \
		--models $(DEMO) --set training.max_epochs=6 --out runs/demo

screenshots: demo ## take the screenshots in docs again, from the demo
	@$(BIN)/python -m tools.report_screenshots runs/demo/report.html --out docs/report
	@$(BIN)/python -m tools.mlflow_screenshots runs/demo --out docs/images

repro: $(STAMP) ## the demo's benchmark as DVC stages; runs what changed
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/dvc repro

test: $(STAMP) ## all tests
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(STAMP) ## linters, types, room borders
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP) ## format the code and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

pipelines: $(STAMP) ## compile the pipelines into pipelines/compiled
	@$(BIN)/merflow pipeline compile

dvc: $(STAMP) ## write the code that each DVC stage depends on into dvc.yaml
	@$(BIN)/python -m tools.dvc_deps

bench: $(STAMP) ## run every measurement and write benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks.indexing
	@$(BIN)/python -m benchmarks.emodb --root $(EMODB)
	@$(BIN)/python -m benchmarks.store
	@$(BIN)/python -m benchmarks.store_on_disk
	@$(BIN)/python -m benchmarks.video
	@$(BIN)/python -m benchmarks.extraction
	@$(BIN)/python -m benchmarks.extraction_growth
	@$(BIN)/python -m benchmarks.trainer
	@$(BIN)/python -m benchmarks.foal_net
	@$(BIN)/python -m benchmarks.mfdr
	@$(BIN)/python -m benchmarks.real_size
	@$(BIN)/python -m benchmarks.results_page

clean: ## remove runs and caches, keep the environment
	rm -rf runs .mypy_cache .ruff_cache .pytest_cache
