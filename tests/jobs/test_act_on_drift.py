"""The consequence of a drift, against a KFP server that checks every request by KFP's own description."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from merflow.contracts.monitoring_requests import MonitoringSettings, MonitorOutcome, monitoring_of
from merflow.errors import MonitoringError, ParamsError
from merflow.jobs.act_on_drift import TOKEN_VARIABLE, act_on_drift
from merflow.jobs.plan_monitoring import check_retraining, plan_monitoring
from tests.submission.kfp_server import KfpServer, running

NONE = MonitorOutcome(headline="speech version 3: no drift", drifted=())
DRIFT = MonitorOutcome(headline="speech version 3: drift in level", drifted=("level_dbfs",))
SETTINGS = MonitoringSettings(traffic="/workspace/traffic")


def two_versions(kfp: KfpServer) -> None:
    kfp.pipelines["p1"] = {"pipeline_id": "p1", "name": "merflow-promote", "display_name": "merflow-promote"}
    for number in (1, 2):
        kfp.versions[f"v{number}"] = {
            "pipeline_version_id": f"v{number}",
            "pipeline_id": "p1",
            "display_name": f"v{number}",
            "created_at": f"2026-05-0{number}T00:00:00Z",
        }


@pytest.fixture
def kfp() -> Iterator[KfpServer]:
    with running() as server:
        yield server


def retraining(server: KfpServer, **more: str) -> MonitoringSettings:
    given = {"kfp": server.url, "retrain": "merflow-promote", "arguments": '{"models": ["mfdr:full"]}', **more}
    return SETTINGS.model_copy(update={"on_drift": "retrain", **given})


def test_nothing_follows_without_drift_and_nothing_starts_unless_asked_for() -> None:
    for on_drift in ("report", "fail", "retrain"):
        settings = SETTINGS.model_copy(update={"on_drift": on_drift})
        assert act_on_drift(settings, NONE) == "speech version 3: no drift. Nothing follows."
    assert "Nothing was started" in act_on_drift(SETTINGS, DRIFT)


def test_a_run_fails_if_asked_for() -> None:
    with pytest.raises(MonitoringError, match="drift in level; the page of the step `monitor` shows it"):
        act_on_drift(SETTINGS.model_copy(update={"on_drift": "fail"}), DRIFT)


def test_the_newest_version_is_started(kfp: KfpServer) -> None:
    kfp.multi_user = False
    two_versions(kfp)
    said = act_on_drift(retraining(kfp), DRIFT)
    (run,) = kfp.runs.values()
    assert run["run_id"] in said
    assert run["pipeline_version_reference"] == {"pipeline_id": "p1", "pipeline_version_id": "v2"}
    assert run["runtime_config"]["parameters"] == {"models": ["mfdr:full"]}
    assert run["display_name"] == "merflow-promote after drift"


def test_a_run_of_a_namespace_is_in_its_default_experiment(kfp: KfpServer) -> None:
    two_versions(kfp)
    with pytest.raises(MonitoringError, match="namespace team has no experiment"):
        act_on_drift(retraining(kfp, namespace="team"), DRIFT)
    for number, name in enumerate(("mine", "Default")):
        kfp.experiments[f"e{number}"] = {
            "experiment_id": f"e{number}",
            "display_name": name,
            "namespace": "team",
            "created_at": "2026-05-01T00:00:00Z",
        }
    act_on_drift(retraining(kfp, namespace="team"), DRIFT)
    (run,) = kfp.runs.values()
    assert run["experiment_id"] == "e1"


def test_refusals_of_kfp_are_reported(kfp: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kfp.tokens = {"secret"}
    with pytest.raises(MonitoringError, match=r"refuses .*\(401\)"):
        act_on_drift(retraining(kfp), DRIFT)
    (tmp_path / "token").write_text("secret\n")
    monkeypatch.setenv(TOKEN_VARIABLE, str(tmp_path / "token"))
    kfp.multi_user = False
    with pytest.raises(MonitoringError, match=r"refuses apis/v2beta1/pipelines/names/merflow-promote \(404\)"):
        act_on_drift(retraining(kfp), DRIFT)
    with pytest.raises(MonitoringError, match=r"no answer of KFP at http://127\.0\.0\.1:1"):
        act_on_drift(retraining(kfp, kfp="http://127.0.0.1:1"), DRIFT)
    with pytest.raises(MonitoringError, match="is not an address"):
        act_on_drift(retraining(kfp, kfp="file:///etc"), DRIFT)


def test_settings_are_checked_before_anything_runs() -> None:
    server = json.dumps({"tracking": {"uri": "http://mlflow:5000"}})
    compare, act = plan_monitoring(SETTINGS, workspace="/workspace", params=server)
    assert compare.tracking_uri == "http://mlflow:5000"
    assert compare.code != act.code
    with pytest.raises(ParamsError, match=r"tracking.uri is auto, but the model is in a registry"):
        plan_monitoring(SETTINGS, workspace="/workspace", params="")
    with pytest.raises(MonitoringError, match="since soon is not a time"):
        plan_monitoring(SETTINGS.model_copy(update={"since": "soon"}), workspace="/workspace", params=server)
    for changed, said in (
        ({"on_drift": "retrain"}, "no pipeline is named"),
        ({"retrain": "merflow-promote"}, "starts nothing unless on_drift is retrain"),
        ({"arguments": "{"}, "arguments is not JSON"),
        ({"arguments": "[]"}, "arguments is not a JSON object"),
    ):
        with pytest.raises(ParamsError, match=said):
            check_retraining(SETTINGS.model_copy(update=changed))


def test_settings_of_the_command_line() -> None:
    given = monitoring_of(["traffic=/workspace/traffic", "since=7d", "min_clips=200", "alpha=0.05"])
    assert given == {"traffic": "/workspace/traffic", "since": "7d", "min_clips": 200, "alpha": 0.05}
    with pytest.raises(ParamsError, match="did you mean 'since'"):
        monitoring_of(["traffic=a", "sinc=7d"])
    with pytest.raises(ParamsError, match="traffic"):
        monitoring_of(["since=7d"])
    with pytest.raises(ParamsError, match="on_drift"):
        monitoring_of(["traffic=a", "on_drift=panic"])
