"""The parameters that cannot work in a package are refused, each with its reason."""

import json

import pytest

from merflow.contracts.gpu_steps import gpus_used
from merflow.contracts.package_facts import VARIABLE, PackageFacts, refuse, refuse_passwords
from merflow.contracts.params import Params
from merflow.contracts.params_files import shipped_params, with_changes
from merflow.errors import ParamsError
from merflow.presets.profiles import shipped_profile

SERVERS = {"tracking": {"uri": "http://mlflow:5000"}, "tuning": {"storage": "postgresql://me@host/db"}}


def params(**changes: object) -> Params:
    return with_changes(shipped_params(), json.dumps(SERVERS | changes))


def used(chosen: Params, *, profile: str = "lite", transcribe: bool = False) -> dict[str, int]:
    return gpus_used(chosen, profile=shipped_profile(profile), transcribe=transcribe)


def check(chosen: Params, *, tunes: bool = True) -> None:
    counts = used(chosen)
    refuse(chosen, PackageFacts.of(chosen, gpus=counts, code={}), used=counts, tunes=tunes)


def test_servers_and_no_compilation_are_accepted() -> None:
    check(params())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tracking": {"uri": "auto"}}, "tracking.uri auto would be SQLite on a volume"),
        ({"tuning": {"storage": "auto"}}, "tuning.storage auto would be SQLite on a volume"),
        ({"training": {"compile": "default"}}, "training.compile default needs a C compiler in the image"),
        ({"tuning": {"storage": "postgresql://me:pw@host/db"}}, r"tuning.storage 'postgresql://me:\*\*\*@host/db' has"),
        ({"features": {"store": "s3://key:pw@host/store"}}, r"features.store 's3://key:\*\*\*@host/store' has"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ParamsError, match=said) as told:
        check(params(**changes))
    assert "pw" not in str(told.value)


def test_all_reasons_are_reported_at_once() -> None:
    with pytest.raises(ParamsError) as told:
        check(params(tracking={"uri": "auto"}, tuning={"storage": "auto"}, training={"compile": "default"}))
    assert len(str(told.value).splitlines()) == 4


def test_databases_and_stores_outside_of_a_workspace_in_s3_are_refused() -> None:
    remote = {"cluster": {"pvc": "none", "workspace": "s3://runs/team"}}
    check(params(**remote))
    check(params(features={"store": "/workspace/features"}, **remote))
    changes = {"tracking": {"uri": "auto"}, "tuning": {"storage": "auto"}, "features": {"store": "/data/features"}}
    with pytest.raises(ParamsError) as told:
        check(params(**changes, **remote))
    said = str(told.value)
    assert "tracking.uri auto would be SQLite in the scratch folder of a pod, which is deleted with it" in said
    assert "tuning.storage auto would be SQLite in the scratch folder" in said
    assert "features.store '/data/features' is not in the workspace, whose files alone pods share through S3" in said


def test_what_is_said_to_be_there_is_accepted() -> None:
    check(params(training={"compile": "default"}, cluster={"compiler": True}))
    check(params(tracking={"uri": "auto"}, tuning={"storage": "auto"}, cluster={"pvc": "none"}))
    check(params(tuning={"storage": "auto"}), tunes=False)
    check(params(tracking={"uri": "none"}))


def test_a_step_without_a_gpu_in_the_package_may_not_need_one() -> None:
    chosen = params()
    facts = PackageFacts.of(chosen, gpus=used(chosen), code={})
    for asked, option in (
        (used(chosen, transcribe=True), "--transcribe"),
        (used(chosen, profile="paper"), "--set features"),
    ):
        with pytest.raises(ParamsError, match=f"compile the pipeline again with {option}"):
            refuse(chosen, facts, used=asked, tunes=False)
    without = params(cluster={"accelerator": "none"})
    facts_without = PackageFacts.of(without, gpus=used(without), code={})
    refuse(without, facts_without, used=used(without, transcribe=True), tunes=False)
    on_cpu = params(transcription={"device": "cpu"})
    refuse(on_cpu, facts, used=used(on_cpu, transcribe=True), tunes=False)


def test_facts_survive_the_environment_and_a_run_without_a_package_has_none() -> None:
    facts = PackageFacts.of(params(), gpus={"train": 4}, code={})
    assert PackageFacts.read({VARIABLE: facts.model_dump_json()}) == facts
    assert PackageFacts.read({}) is None


def test_a_tracking_uri_never_has_a_password_and_others_never_in_a_pipeline() -> None:
    with pytest.raises(
        ParamsError, match=r"tracking.uri: 'http://me:\*\*\*@mlflow' has a password.*MLFLOW_TRACKING_PASSWORD"
    ):
        params(tracking={"uri": "http://me:pw@mlflow"})
    with pytest.raises(ParamsError, match="PGPASSWORD"):
        refuse_passwords(params(tuning={"storage": "postgresql://me:pw@host/db"}))
