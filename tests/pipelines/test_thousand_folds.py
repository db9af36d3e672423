"""A thousand folds fit into the single argument in which a cluster passes them to ``evaluate``."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from merflow.pipelines.lint.sizes import ARGUMENT_BYTES, FOLDS
from merflow.pipelines.packages import COMPILED
from merflow.runs.workspace import Workspace
from merflow.storage.local import digest

STEPS = {
    "benchmark": ("comp-evaluate", "folds"),
    "promote": ("comp-package", "folds"),
    "tune": ("comp-choose-trial", "trials"),
}


def component(pipeline: str, name: str) -> dict[str, Any]:
    spec = next(iter(yaml.safe_load_all((COMPILED / f"{pipeline}.yaml").read_text())))
    found: dict[str, Any] = spec["components"][name]
    return found


def executor_input(component: dict[str, Any], lists: dict[str, Sequence[str]], artifacts: dict[str, int]) -> str:
    """Return the argument ``--executor_input`` of a step, as KFP's driver makes it.

    Args:
        component: The step's component.
        lists: Values of its parameters that are collected from a loop.
        artifacts: Number of its artifacts, by name.
    """

    def artifact(kind: str, name: str, number: int) -> dict[str, Any]:
        folder = f"v2/artifacts/merflow-benchmark/{number:036}/train/{number:036}/{name}"
        return {
            "name": f"projects/1/artifacts/{number:010}",
            "type": {"schemaTitle": kind, "schemaVersion": "0.0.1"},
            "uri": f"s3://mlpipeline/{folder}",
            "metadata": {"display_name": name, "store_session_info": json.dumps({"Provider": "s3", "Params": {}})},
        }

    inputs = component["inputDefinitions"]
    given = {
        name: {"artifacts": [artifact(each["artifactType"]["schemaTitle"], name, number) for number in range(count)]}
        for name, each in inputs.get("artifacts", {}).items()
        for count in [artifacts.get(name, 1)]
    }
    parameters = {name: lists.get(name, "x" * 2000) for name in inputs["parameters"]}
    outputs = {
        name: {"artifacts": [artifact("system.Artifact", name, 1)]}
        for name in component["outputDefinitions"]["artifacts"]
    }
    return json.dumps(
        {
            "inputs": {"parameterValues": parameters, "artifacts": given},
            "outputs": {"artifacts": outputs, "outputFile": "/tmp/kfp_outputs/output_metadata.json"},
        }
    )


def start(argument: str) -> str:
    """Start a real process with the argument; return the number of characters that it received."""
    program = "import sys; print(len(sys.argv[2]))"
    command = [sys.executable, "-c", program, "--executor_input", argument]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("pipeline", sorted(STEPS))
def test_a_thousand_folds_reach_the_step_that_collects_them(pipeline: str) -> None:
    name, collected = STEPS[pipeline]
    fingerprints = [f"{digest(number)}-{digest(0)}" for number in range(FOLDS)]
    argument = executor_input(component(pipeline, name), {collected: fingerprints}, {})
    assert len(argument.encode()) < ARGUMENT_BYTES / 2, "and as many again would fit"
    assert start(argument) == str(len(argument))


def test_as_artifacts_they_would_not_be_started() -> None:
    step = {
        "inputDefinitions": {
            "artifacts": {"folds": {"artifactType": {"schemaTitle": "system.Model"}}},
            "parameters": {"request": {}},
        },
        "outputDefinitions": {"artifacts": {}},
    }
    assert start(executor_input(step, {}, {"folds": 200}))
    with pytest.raises(OSError, match="Argument list too long"):
        start(executor_input(step, {}, {"folds": FOLDS}))


def test_the_items_of_a_thousand_folds_are_no_larger_than_an_argument() -> None:
    name = f"layer-adapter-fusion-as-released-wavlm-fold-100-seed-9-{digest(0)}.json"
    path = Workspace(Path("/workspace")).requests / ("0" * 8) / name
    assert len(json.dumps([str(path)] * FOLDS)) < ARGUMENT_BYTES


def test_no_step_downloads_a_model() -> None:
    for pipeline in STEPS:
        spec = next(iter(yaml.safe_load_all((COMPILED / f"{pipeline}.yaml").read_text())))
        kinds = [
            each["artifactType"]["schemaTitle"]
            for step in spec["components"].values()
            for each in step.get("inputDefinitions", {}).get("artifacts", {}).values()
        ]
        assert len(kinds) > 10
        assert "system.Model" not in kinds
