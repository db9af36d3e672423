"""The parameters of a comparison, checked before it is submitted."""

from typing import Any

import pytest

from merflow.errors import MonitoringError, ParamsError, SubmissionError
from merflow.pipelines.lint.package import Package
from merflow.pipelines.packages import COMPILED
from merflow.submission.arguments import RunOptions, arguments


def options(*, models: tuple[str, ...] = (), **further: Any) -> RunOptions:  # noqa: ANN401 - as the settings
    return RunOptions(
        models=models,
        corpus=None,
        root=None,
        size=None,
        name=None,
        preset=None,
        quarantine=False,
        transcribe=False,
        presets=None,
        further=further,
        params=None,
        overrides=(),
        command="",
    )


def test_a_comparison_takes_its_settings_alone() -> None:
    package = Package.read(COMPILED / "monitor.yaml")
    given: dict[str, Any] = {"traffic": "/workspace/traffic", "since": "7d"}
    assert arguments(package, options(**given)) == given
    for wrong, kind, said in (
        (options(models=("mfdr:full",), **given), SubmissionError, "trains nothing; leave --models"),
        (options(since="7d"), SubmissionError, "name it with --arg traffic="),
        (options(traffic="a", since="soon"), MonitoringError, "since soon is no time"),
        (options(traffic="a", on_drift="retrain"), ParamsError, "no pipeline is named"),
    ):
        with pytest.raises(kind, match=said):
            arguments(package, wrong)


def test_other_pipelines_need_variants() -> None:
    with pytest.raises(SubmissionError, match="merflow-benchmark trains variants; name them with --models"):
        arguments(Package.read(COMPILED / "benchmark.yaml"), options())
