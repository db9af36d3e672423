# The commands for working on merflow. People, hooks and CI all use them.
VENV ?= .venv
PYTHON ?= python3
EMODB ?= ../shared/data/emodb/utterances.csv
MELD ?= ../shared/data/meld/utterances.csv
# The fullest preset of each model, and one ablation.
DEMO := context-mmt:mmt-frozen,foal-net:full,foal-net:audio-only,gia-mic:full,layer-adapter-fusion:stc-mf-la,mfdr:full
# The model that the demo's gate refuses, and the number of test utterances in its stress suites.
WEAKER := foal-net:audio-only
STRESSED := 40
# The two models of the demo of scores; the gate refuses the weaker one.
SCORED := layer-adapter-fusion:stc-mf-la
WEAKER_SCORED := context-mmt:mmt-frozen
# The recording that the demo's champion listens to for the screenshots in docs.
DIALOGUE := runs/demo/corpus/demo-video/Session5/dialog/wav/Ses05F_impro05.wav
# Number of processes that run the tests; each takes a core and more than 2 GB of memory.
JOBS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export MLFLOW_DISABLE_TELEMETRY := true
export DVC_NO_ANALYTICS := 1
export MPLBACKEND := Agg

# make images: the base image by digest, the targets, and further options of the builder (tools/images.py).
BASE ?=
TARGETS ?= cpu
BUILD_OPTIONS ?=
OVERLAY ?= infra/kustomize/overlays/podman

.PHONY: help install demo demo-scores screenshots repro test check format pipelines images services dvc bench clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-12s %s\n", $$1, $$2}'

install: $(STAMP) ## create a virtual environment in .venv with everything

$(STAMP): pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "merflow needs Python 3.11 or newer; try: make install PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[dev]'
	@touch $(STAMP)

demo: $(STAMP) ## run the whole pipeline on a synthetic corpus, up to a promoted model in MLflow: runs/demo (about 8 minutes)
	@$(BIN)/merflow pipeline run benchmark --corpus synthetic --size demo --profile lite \
		--models $(DEMO) --set training.max_epochs=2 --out runs/demo
	@echo "Registering the best model, which becomes the champion if it passes the gate ..."
	@$(BIN)/merflow registry register runs/demo best --stress-utterances $(STRESSED)
	@$(BIN)/merflow registry promote 1 --folder runs/demo
	@echo "Registering a weaker model, which the gate refuses ..."
	@$(BIN)/merflow registry register runs/demo $(WEAKER) --stress-utterances $(STRESSED)
	@$(BIN)/merflow registry promote 2 --folder runs/demo; test $$? -eq 2
	@$(BIN)/merflow registry list --folder runs/demo

demo-scores: $(STAMP) ## do the same for scores, on a synthetic CMU-MOSEI: runs/demo-scores
	@$(BIN)/merflow pipeline run benchmark --corpus synthetic-mosei --size small --profile lite --protocol k-fold \
		--models $(SCORED),$(WEAKER_SCORED) --set splits.folds=2 --set splits.development=random \
		--set training.max_epochs=4 --out runs/demo-scores
	@echo "Registering the model with the lowest error, which becomes the champion if it passes the gate ..."
	@$(BIN)/merflow registry register runs/demo-scores best --stress-utterances $(STRESSED)
	@$(BIN)/merflow registry promote 1 --folder runs/demo-scores
	@echo "Registering a weaker model, which the gate refuses ..."
	@$(BIN)/merflow registry register runs/demo-scores $(WEAKER_SCORED) --stress-utterances $(STRESSED)
	@$(BIN)/merflow registry promote 2 --folder runs/demo-scores; test $$? -eq 2
	@$(BIN)/merflow registry list --folder runs/demo-scores

screenshots: demo ## take the screenshots in docs again, from the demo
	@$(BIN)/python -m tools.report_screenshots runs/demo/report.html --out docs/report
	@$(BIN)/python -m tools.mlflow_screenshots runs/demo --out docs/images
	@$(BIN)/python -m tools.registry_screenshots runs/demo --out docs/images
	@$(BIN)/merflow listen $(DIALOGUE) --model runs/demo --out runs/demo/listening
	@$(BIN)/python -m tools.page_screenshots runs/demo/listening/listening.html listening --keys nnn --out docs/images

repro: $(STAMP) ## run a benchmark as DVC stages; only changed stages run again
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/dvc repro

test: $(STAMP) ## run all tests in two processes, or as many as in: make test JOBS=8
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --durations=15 --durations-min=1

check: $(STAMP) ## run the linters, the type checker and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/python tools/check_docstrings.py
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP) ## format the code and fix what the linter can fix
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

pipelines: $(STAMP) ## compile the pipelines into pipelines/compiled, and write the pods of the rehearsals
	@$(BIN)/python -m tools.packages
	@$(BIN)/python -m tools.rehearsal_pods

images: $(STAMP) ## build images with podman, buildah or docker: make images BASE=NAME@sha256:DIGEST TARGETS="cpu serve"
	@$(BIN)/python -m tools.images $(TARGETS) --base "$(BASE)" -- $(BUILD_OPTIONS)

services: $(STAMP) ## start an overlay's PostgreSQL, SeaweedFS and MLflow with podman
	@$(BIN)/python -m tools.services up $(OVERLAY)

dvc: $(STAMP) ## update the code dependencies of the stages in dvc.yaml
	@$(BIN)/python -m tools.dvc_deps

bench: $(STAMP) ## run every measurement and write benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks.indexing
	@$(BIN)/python -m benchmarks.against_classics --emodb $(EMODB) --meld $(MELD) --synthetic --out runs/against-classics
	@$(BIN)/python -m benchmarks.learning_curves runs/against-classics --out runs/learning-curves
	@$(BIN)/python -m benchmarks.store
	@$(BIN)/python -m benchmarks.store_on_disk
	@$(BIN)/python -m benchmarks.mosei
	@$(BIN)/python -m benchmarks.s3_transfer
	@$(BIN)/python -m benchmarks.s3_first_batch
	@$(BIN)/python -m benchmarks.video
	@$(BIN)/python -m benchmarks.extraction
	@$(BIN)/python -m benchmarks.extraction_growth
	@$(BIN)/python -m benchmarks.trainer
	@$(BIN)/python -m benchmarks.foal_net
	@$(BIN)/python -m benchmarks.mfdr
	@$(BIN)/python -m benchmarks.real_size
	@$(BIN)/python -m benchmarks.finetuning
	@$(BIN)/python -m benchmarks.gate_error_rates
	@$(BIN)/python -m benchmarks.gate_score_error_rates
	@$(BIN)/python -m benchmarks.gate_power
	@$(BIN)/python -m benchmarks.results_page

clean: ## remove runs and caches, but keep the virtual environment
	rm -rf runs .mypy_cache .ruff_cache .pytest_cache
