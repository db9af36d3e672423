"""Commands that only read finished folds load no model, no encoder and no training code."""

import json
import subprocess
import sys

import pytest

READERS = [
    "merflow.jobs.evaluate",
    "merflow.jobs.compare",
    "merflow.jobs.report",
    "merflow.jobs.plots",
    "merflow.jobs.lineage",
    "merflow.jobs.sync",
    "merflow.jobs.track",
    "merflow.runs.fold_folder",
    "merflow.runs.finished_runs",
    "merflow.runs.remembered",
]
HEAVY = ("torch", "transformers", "mlflow", "optuna", "dvc")
ROOMS = ("features", "folds", "inference", "models", "training", "tuning")


def heavy_modules_after(code: str) -> list[str]:
    """Run code in a fresh interpreter and list the modules that no reader needs."""
    report = "\nimport json, sys; sys.stdout.write(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    names = [name.split(".") for name in json.loads(done.stdout)]
    return sorted(
        ".".join(name)
        for name in names
        if name[0] in HEAVY or (name[0] == "merflow" and len(name) > 1 and name[1] in ROOMS)
    )


@pytest.mark.parametrize("module", READERS)
def test_a_reader_loads_no_model_and_no_encoder(module: str) -> None:
    assert heavy_modules_after(f"import {module}") == []


def test_the_check_sees_a_module_that_loads_a_model() -> None:
    found = heavy_modules_after("import merflow.jobs.explain")
    assert {"torch", "merflow.models.mfdr", "merflow.folds.inputs"} <= set(found)
