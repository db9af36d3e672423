"""The steps of the pipeline ``monitor``, one after the other, on a package in a folder."""

import json
from pathlib import Path

from merflow.contracts.monitoring_requests import MonitoringSettings, MonitorOutcome
from merflow.jobs import steps
from merflow.opening.monitored_model import monitored_model
from tests.monitoring.made import World, write_log, write_made_package


def test_a_drift_passes_through_the_steps(tmp_path: Path) -> None:
    write_made_package(tmp_path / "package", World())
    model = monitored_model(str(tmp_path / "package"))
    records = World(louder_db=6).traffic(300, seed=3)[0]
    named = {"model": model.name, "version": model.version}
    write_log(tmp_path / "traffic" / "1.jsonl", [record.model_copy(update=named) for record in records])
    settings = MonitoringSettings(traffic=str(tmp_path / "traffic"), model=str(model.package)).model_dump()
    params = json.dumps({"tracking": {"uri": "http://mlflow:5000"}})
    compare, act = steps.plan_monitoring(workspace=str(tmp_path), params=params, **settings)

    page, metrics = tmp_path / "page.html", tmp_path / "metrics.json"
    outcome, figures = steps.monitor(compare, page=str(page), metrics=str(metrics))
    assert MonitorOutcome.from_json(outcome).drifted == ("level_dbfs",)
    assert figures["drifted"] == 1
    assert json.loads(metrics.read_text()) == figures
    assert "drift in level" in page.read_text()

    said = steps.act_on_drift(act, outcome=outcome, summary=str(tmp_path / "summary.md"))
    assert said.endswith("Nothing was started, for on_drift is report.")
    assert (tmp_path / "summary.md").read_text().strip() == said
