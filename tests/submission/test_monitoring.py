"""The parameters of a comparison, checked before it is submitted."""

from typing import Any

import pytest

from merflow.errors import MonitoringError, ParamsError, SubmissionError
from merflow.pipelines.lint.package import Package
from merflow.pipelines.packages import COMPILED
from merflow.submission.arguments import arguments
from tests.submission.run_options import run_options


def test_a_comparison_takes_its_settings_alone() -> None:
    package = Package.read(COMPILED / "monitor.yaml")
    given: dict[str, Any] = {"traffic": "/workspace/traffic", "since": "7d"}
    assert arguments(package, run_options(**given)) == given
    for wrong, kind, said in (
        (run_options(models=("mfdr:full",), **given), SubmissionError, "trains nothing; leave --models"),
        (run_options(since="7d"), SubmissionError, "name it with --arg traffic="),
        (run_options(traffic="a", since="soon"), MonitoringError, "since soon is not a time"),
        (run_options(traffic="a", on_drift="retrain"), ParamsError, "no pipeline is named"),
    ):
        with pytest.raises(kind, match=said):
            arguments(package, wrong)


def test_other_pipelines_need_variants() -> None:
    with pytest.raises(SubmissionError, match="merflow-benchmark trains variants; name them with --models"):
        arguments(Package.read(COMPILED / "benchmark.yaml"), run_options())
