"""Modules that code loads in an interpreter of its own."""

import json
import subprocess
import sys
from collections.abc import Iterable

HEAVY = ("torch", "transformers", "mlflow", "optuna", "dvc")
ROOMS = ("features", "folds", "inference", "models", "training", "tuning")


def heavy_modules_after(code: str) -> list[str]:
    """Run code in a fresh interpreter and list the modules that no reader of finished folds needs."""
    report = "\nimport json, sys; sys.stdout.write('\\n' + json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True)
    return heavy_among(json.loads(done.stdout.splitlines()[-1]))


def heavy_among(modules: Iterable[str]) -> list[str]:
    """Return those of the modules that no reader of finished folds needs."""
    names = [name.split(".") for name in modules]
    return sorted(
        ".".join(name)
        for name in names
        if name[0] in HEAVY or (name[0] == "merflow" and len(name) > 1 and name[1] in ROOMS)
    )
