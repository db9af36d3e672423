"""The commands against a KFP server that keeps state."""

import json
from pathlib import Path
from typing import Any

import pytest

from merflow.pipelines.lint.package import Package
from tests.cli.command import merflow, refused
from tests.submission.conftest import IMAGE
from tests.submission.kfp_server import KfpServer
from tests.submission.started_runs import VARIANT, started, submitted
from tests.submission.workflow import Workflow

pytestmark = pytest.mark.usefixtures("profile")


def workflow_of(kfp: KfpServer, run: dict[str, Any], packages: Path, **settings: Any) -> Workflow:  # noqa: ANN401
    workflow = Workflow("merflow-benchmark-x7k2p", Package.read(packages / "benchmark.yaml"), **settings)
    kfp.workflows[run["run_id"]] = workflow
    return workflow


def test_a_run_has_its_pipelines_version_its_parameters_and_its_service_account(kfp: KfpServer, packages: Path) -> None:
    said = submitted(
        *(packages / "benchmark.yaml", "--corpus", "iemocap", "--root", "/workspace/IEMOCAP_full_release"),
        *("--name", "first", "--set", "training.max_epochs=3"),
    )
    (run,), (pipeline,), (version,) = kfp.runs.values(), kfp.pipelines.values(), kfp.versions.values()
    assert pipeline["name"] == "merflow-benchmark"
    assert version["tags"]["merflow.image"] == IMAGE
    assert len(version["tags"]["merflow.code"]) == 16
    assert run["service_account"] == "merflow-runner"
    assert run["display_name"] == "first"
    assert run["pipeline_version_reference"]["pipeline_version_id"] == version["pipeline_version_id"]
    given = run["runtime_config"]["parameters"]
    assert given["models"] == [VARIANT]
    assert (given["corpus"], given["root"], given["name"]) == ("iemocap", "/workspace/IEMOCAP_full_release", "first")
    assert json.loads(given["params"])["training"] == {"max_epochs": 3}
    assert json.loads(given["params"])["tracking"] == {"uri": "http://mlflow.mlops:5000"}
    assert given["command"].startswith("merflow pipeline submit ")
    assert kfp.experiments[run["experiment_id"]]["display_name"] == "merflow"
    assert f"{kfp.url}/#/runs/details/{run['run_id']}" in said.out
    assert "profile" not in given


def test_the_same_package_is_uploaded_once(kfp: KfpServer, packages: Path) -> None:
    assert "new version" in submitted(packages / "benchmark.yaml").out
    assert "new version" not in submitted(packages / "benchmark.yaml").out
    assert (len(kfp.versions), len(kfp.runs), len(kfp.experiments)) == (1, 2, 1)
    submitted(packages / "benchmark.yaml", "--no-cache")
    assert len(kfp.versions) == 2
    tasks = list(kfp.versions.values())[-1]["pipeline_spec"]["pipeline_spec"]["root"]["dag"]["tasks"]
    assert not any(task["cachingOptions"] for task in tasks.values())


def test_a_dry_run_changes_nothing_and_needs_no_server(kfp: KfpServer, packages: Path) -> None:
    said = submitted(packages / "benchmark.yaml", "--dry-run", "--json")
    told = json.loads(said.out)
    assert (told["pipeline"], told["image"]) == ("merflow-benchmark", IMAGE)
    assert told["parameters"]["models"] == [VARIANT]
    assert kfp.requests == []
    assert "Nothing is submitted" in submitted(packages / "benchmark.yaml", "--dry-run").out


def test_a_pipeline_is_compiled_by_name(kfp: KfpServer) -> None:
    submitted(Path("benchmark"), "--set", "tracking.uri=none", "--set", f"cluster.image={IMAGE}")
    (version,) = kfp.versions.values()
    text = json.dumps(version["pipeline_spec"])
    assert IMAGE in text


def test_tune_takes_one_variant_and_the_name_of_its_preset(kfp: KfpServer, packages: Path) -> None:
    submitted(packages / "tune.yaml", "--preset", "mine", "--json")
    (run,) = kfp.runs.values()
    assert run["runtime_config"]["parameters"]["preset"] == "mine"
    assert "command" not in run["runtime_config"]["parameters"]
    error = refused("pipeline", "submit", packages / "tune.yaml", "--models", f"{VARIANT},mfdr:full")
    assert "merflow-tune takes one variant, 2 are given" in error


def test_status_shows_steps_and_folds(kfp: KfpServer, packages: Path) -> None:
    run = started(kfp, packages, "--name", "first")
    states = {"fingerprint": "SUCCEEDED", "extract": "CACHED", "train:0": "SUCCEEDED", "train:1": "FAILED"}
    workflow_of(kfp, run, packages, folds=3, states={**states, "train:2": "RUNNING"})
    run["state"] = "RUNNING"
    said = merflow("pipeline", "status", run["run_id"][:8])
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in said.out.splitlines() if line.split()}
    assert said.code == 0
    assert lines["train"].startswith("1 of 5 done, 1 running, 1 failed (number 2)")
    assert lines["extract"] == "done 1:30"
    assert lines["evaluate"] == "waiting"
    told = json.loads(merflow("pipeline", "status", "first", "--json").out)
    assert told["state"] == "RUNNING"
    assert told["cached"] == 1
    train = next(step for step in told["steps"] if step["step"] == "train")
    assert train["executions"] == {"SUCCEEDED": 1, "FAILED": 1, "RUNNING": 1}
    assert train["failed_folds"] == [2]


def test_a_run_whose_pipeline_is_gone_still_has_a_status(kfp: KfpServer, packages: Path) -> None:
    run = started(kfp, packages, "--name", "first")
    kfp.versions.clear()
    assert json.loads(merflow("pipeline", "status", "first", "--json").out)["steps"] == []
    del run["pipeline_version_reference"]
    assert "first: pending" in merflow("pipeline", "status", "first").out
    assert "no step of run" in refused("pipeline", "logs", "first")


def test_a_run_is_found_by_prefix_and_name_and_never_guessed(kfp: KfpServer, packages: Path) -> None:
    first = started(kfp, packages, "--name", "first")
    started(kfp, packages, "--name", "twin")
    started(kfp, packages, "--name", "twin")
    assert first["run_id"] in merflow("pipeline", "status", first["run_id"], "--json").out
    assert first["run_id"] in merflow("pipeline", "status", "first", "--json").out
    error = refused("pipeline", "status", "twin")
    assert "'twin' names 2 runs; give more of the id:" in error
    assert error.count("pending  twin") == 2
    assert "has no run 'nothing' in namespace speech; `merflow pipeline list` lists the runs" in refused(
        "pipeline", "status", "nothing"
    )
    unknown = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    assert f"has no run '{unknown}'" in refused("pipeline", "status", unknown)


def test_list_shows_the_newest_runs_of_all_pages(kfp: KfpServer, packages: Path) -> None:
    for number in range(5):
        started(kfp, packages, "--name", f"run{number}", *(("--experiment", "other") if number == 2 else ()))
    kfp.page_size = 2
    names = [each["name"] for each in json.loads(merflow("pipeline", "list", "--json").out)]
    assert names == ["run4", "run3", "run2", "run1", "run0"]
    names = [each["name"] for each in json.loads(merflow("pipeline", "list", "--limit", 3, "--json").out)]
    assert names == ["run4", "run3", "run2"]
    table = merflow("pipeline", "list", "--experiment", "other").out.splitlines()
    assert [line.split()[1] for line in table] == ["name", "run2"]
    assert "has no experiment 'nope'; correct --experiment" in refused("pipeline", "list", "--experiment", "nope")


def test_an_empty_server_says_so() -> None:
    assert merflow("pipeline", "list").out == "There are no runs.\n"
    assert merflow("pipeline", "schedule", "list").out == "There are no schedules.\n"


@pytest.mark.parametrize(("state", "code"), [("SUCCEEDED", 0), ("FAILED", 3), ("CANCELED", 4)])
def test_wait_follows_a_run_to_its_end(kfp: KfpServer, packages: Path, state: str, code: int) -> None:
    run = started(kfp, packages)
    workflow = workflow_of(kfp, run, packages, folds=2)

    def advance(found: dict[str, Any], reads: int) -> None:
        steps = [("fingerprint", "RUNNING"), ("fingerprint", "SUCCEEDED"), ("train:0", "RUNNING"), ("train:0", state)]
        if 0 < reads <= len(steps):
            workflow.states.update([steps[reads - 1]])
        found["state"] = "RUNNING" if reads < 5 else state
        if reads >= 5 and state == "FAILED":
            found["error"] = {"code": 13, "message": "step train failed"}

    kfp.progress = advance
    said = merflow("pipeline", "wait", run["run_id"], "--every", 0.05)
    assert said.code == code, said
    assert "fingerprint: running\nfingerprint: done\ntrain: 0 of 5 done, 1 running" in said.err
    assert f"Run: {kfp.url}/#/runs/details/{run['run_id']}" in said.out
    assert "MLflow: http://mlflow.mlops:5000" in said.out
    assert ("Report: " in said.out) == (state == "SUCCEEDED")
    assert ("KFP says: step train failed" in said.out) == (state == "FAILED")
    told = json.loads(merflow("pipeline", "wait", run["run_id"], "--json").out)
    assert (told["state"], told["exit_code"]) == (state, code)


def test_wait_ends_at_its_timeout_and_the_run_continues(kfp: KfpServer, packages: Path) -> None:
    run = started(kfp, packages)
    run["state"] = "RUNNING"
    said = merflow("pipeline", "wait", run["run_id"], "--every", 0.05, "--timeout", 0.1)
    assert said.code == 5
    assert f"wait for it again: merflow pipeline wait {run['run_id']}" in said.out
    assert run["state"] == "RUNNING"


def test_submit_waits_on_request(kfp: KfpServer, packages: Path) -> None:
    kfp.progress = lambda run, reads: run.update(state="RUNNING" if reads < 2 else "FAILED")
    said = merflow(
        *("pipeline", "submit", packages / "benchmark.yaml", "--models", VARIANT, "--wait", "--every", 0.05, "--json")
    )
    assert said.code == 3, said
    assert json.loads(said.out)["state"] == "FAILED"


def test_cancel_and_retry_say_what_they_do(kfp: KfpServer, packages: Path) -> None:
    run = started(kfp, packages, "--name", "first")
    run["state"] = "RUNNING"
    assert "KFP terminates the pods of run" in merflow("pipeline", "cancel", "first").out
    assert run["state"] == "CANCELING"
    run["state"] = "FAILED"
    workflow_of(kfp, run, packages, states={"fingerprint": "SUCCEEDED", "extract": "FAILED"})
    said = merflow("pipeline", "retry", "first").out
    assert "again: extract, and the steps that depend on them. Steps that succeeded are kept." in said
    assert run["state"] == "RUNNING"
    run["state"] = "SUCCEEDED"
    assert "has ended: succeeded; there is nothing to cancel" in refused("pipeline", "cancel", "first")
    assert "is succeeded; only a failed or cancelled run can be retried" in refused("pipeline", "retry", "first")
    run["state"] = "FAILED"
    assert json.loads(merflow("pipeline", "retry", "first", "--json").out)["retried"] == ["extract"]


def test_logs_are_those_of_the_failed_steps_or_of_the_one_that_is_named(kfp: KfpServer, packages: Path) -> None:
    run = started(kfp, packages, "--name", "first")
    states = {"fingerprint": "SUCCEEDED", "train:0": "SUCCEEDED", "train:1": "FAILED", "train:2": "RUNNING"}
    workflow = workflow_of(kfp, run, packages, folds=3, states=states, attempts={"train:1": 2})
    for fold, attempt in ((0, 0), (1, 0), (1, 1), (2, 0)):
        workflow.logs[workflow.pod("train", fold=fold, attempt=attempt)] = f"fold {fold} attempt {attempt}\n"
    workflow.logs[workflow.pod("fingerprint")] = "[bold]digests[/bold]\n"
    said = merflow("pipeline", "logs", "first")
    assert said.code == 0, said
    pod = workflow.pod("train", fold=1, attempt=1)
    assert said.out.splitlines() == [
        f"==> train, fold 2, attempt 2, pod {pod} <==",
        "fold 1 attempt 1",
        f"==> train, fold 2, attempt 1, pod {workflow.pod('train', fold=1)} <==",
        "fold 1 attempt 0",
    ]
    assert "[bold]digests[/bold]" in merflow("pipeline", "logs", "first", "fingerprint").out
    told = json.loads(merflow("pipeline", "logs", "first", "train", "--fold", 3, "--json").out)
    assert [(each["fold"], each["text"]) for each in told] == [(3, "fold 2 attempt 0\n")]


def test_logs_that_cannot_be_had_are_explained(kfp: KfpServer, packages: Path) -> None:
    run = started(kfp, packages, "--name", "first")
    assert "no step of run" in refused("pipeline", "logs", "first")
    workflow = workflow_of(kfp, run, packages, states={"fingerprint": "SUCCEEDED"})
    error = refused("pipeline", "logs", "first", "fingerprint")
    assert "its pods are deleted, and Argo keeps no logs" in error
    assert f"kubectl logs --namespace speech {workflow.pod('fingerprint')} --container main" in error
    assert "has no pod: it is waiting, or KFP took its result from the cache" in refused(
        "pipeline", "logs", "first", "split"
    )
    assert "has no step 'trian'; did you mean 'train'?" in refused("pipeline", "logs", "first", "trian")


def test_schedules_are_made_listed_switched_and_deleted(kfp: KfpServer, packages: Path) -> None:
    made = merflow(
        *("pipeline", "schedule", "create", packages / "benchmark.yaml", "--models", VARIANT, "--name", "nightly"),
        *("--cron", "30 3 * * 1-5", "--max-concurrency", 2, "--catch-up", "--json"),
    )
    assert made.code == 0, made
    (kept,) = kfp.schedules.values()
    assert kept["trigger"] == {"cron_schedule": {"cron": "0 30 3 * * 1-5"}}
    assert (kept["max_concurrency"], kept["no_catchup"], kept["mode"]) == ("2", False, "ENABLE")
    assert kept["service_account"] == "merflow-runner"
    weekly = merflow(
        *("pipeline", "schedule", "create", packages / "benchmark.yaml", "--models", VARIANT, "--name", "weekly"),
        *("--every", "7d"),
    )
    assert "every 604800 s" in weekly.out
    kfp.page_size = 1
    told = json.loads(merflow("pipeline", "schedule", "list", "--json").out)
    assert [(each["name"], each["enabled"], each["catch_up"]) for each in told] == [
        ("weekly", True, False),
        ("nightly", True, True),
    ]
    assert "is disabled." in merflow("pipeline", "schedule", "disable", "nightly").out
    assert kept["status"] == "DISABLED"
    assert "nightly" in merflow("pipeline", "schedule", "list").out
    assert json.loads(merflow("pipeline", "schedule", "enable", "nightly", "--json").out)["enabled"]
    assert "is deleted." in merflow("pipeline", "schedule", "delete", told[0]["id"][:8]).out
    assert [each["display_name"] for each in kfp.schedules.values()] == ["nightly"]
    assert "has no schedule 'weekly'" in refused("pipeline", "schedule", "delete", "weekly")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "a schedule has either a cron expression or an interval; pass --cron or --every"),
        (("--cron", "daily"), "--cron 'daily' is not a cron expression"),
        (("--every", "5s"), "--every '5s' is not an interval of a minute or more; write it as 30m, 12h, 7d or 2w"),
    ],
)
def test_a_schedule_without_a_time_is_refused(
    kfp: KfpServer, packages: Path, options: tuple[str, ...], said: str
) -> None:
    command = ("pipeline", "schedule", "create", packages / "benchmark.yaml", "--models", VARIANT, "--name", "x")
    assert said in refused(*command, *options)
    assert kfp.schedules == {}
