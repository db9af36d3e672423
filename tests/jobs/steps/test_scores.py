"""The steps of a benchmark of scores, as a cluster runs them."""

from pathlib import Path

from merflow.contracts.score_results import read_any_results
from merflow.storage.local import read_json
from tests.jobs.steps.benchmark_steps import StepByStep, settings_of


def test_a_step_writes_scalar_metrics_and_no_confusion_matrix(tmp_path: Path) -> None:
    params = {"splits": {"protocol": "session5-only", "task": "valence"}}
    steps = StepByStep(
        settings_of(tmp_path / "workspace", "mfdr:gru", params=params), tmp_path / "artifacts", pods=False
    )
    results = read_any_results(steps.benchmark())
    assert results.task == "valence"
    shown = steps.said["evaluate"]
    assert (shown["classes"], shown["confusion"]) == ([], [])
    assert read_json(tmp_path / "artifacts/confusion") == {"best": "mfdr:gru"}
    assert {"mfdr:gru MAE", "mfdr:gru CCC"} <= shown["metrics"].keys()
    assert read_json(tmp_path / "artifacts/metrics") == shown["metrics"]
