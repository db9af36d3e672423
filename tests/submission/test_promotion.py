"""The parameters of a promotion on a cluster, checked before it is submitted."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from merflow.errors import ParamsError, PresetError, SubmissionError
from merflow.pipelines.lint.package import Package
from merflow.submission.arguments import arguments
from tests.submission.run_options import run_options

MODELS = ["mfdr:gru"]
COMMAND = "merflow pipeline submit packages/promote.yaml --models mfdr:gru --arg kind=ensemble"


def test_a_promotion_takes_its_settings_and_reports_the_command_of_its_benchmark(compiled: Path) -> None:
    given = arguments(
        Package.read(compiled / "promote.yaml"),
        run_options(models=MODELS, command=COMMAND, kind="ensemble", approval_h=2.0),
    )
    assert given == {
        "models": ["mfdr:gru"],
        "kind": "ensemble",
        "approval_h": 2.0,
        "command": "merflow pipeline submit packages/benchmark.yaml --models mfdr:gru",
    }


def test_what_the_plan_would_refuse_is_not_submitted(compiled: Path) -> None:
    promote = Package.read(compiled / "promote.yaml")
    with pytest.raises(PresetError, match="'mfdr:gro' is not among the models"):
        arguments(promote, run_options(models=MODELS, variant="mfdr:gro"))
    with pytest.raises(ParamsError, match="policy: 1 problem"):
        arguments(promote, run_options(models=MODELS, policy="accuracy"))
    with pytest.raises(SubmissionError, match="merflow-benchmark has no parameter kind"):
        arguments(Package.read(compiled / "benchmark.yaml"), run_options(models=MODELS, kind="ensemble"))


def test_a_task_is_a_parameter_of_a_benchmark_and_a_change_of_a_promotions_params(compiled: Path) -> None:
    options = replace(run_options(models=MODELS), task="valence")
    benchmark = arguments(Package.read(compiled / "benchmark.yaml"), options)
    promotion = arguments(Package.read(compiled / "promote.yaml"), options)
    assert (benchmark["task"], "params" in benchmark) == ("valence", False)
    assert "task" not in promotion
    assert json.loads(promotion["params"])["splits"] == {"task": "valence"}
