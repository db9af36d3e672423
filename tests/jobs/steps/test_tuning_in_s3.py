"""A study whose steps share only S3 and a database finds the same as one on a shared folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from merflow.runs.remote.location import ADDRESS
from merflow.storage.s3.address import S3Address
from merflow.storage.s3.client import connect
from tests.jobs.steps.benchmark_steps import StepByStep, settings_of
from tests.tuning import postgres

pytest.importorskip("psycopg")
pytestmark = pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing() or "PostgreSQL is there")

VARIANT, TRIALS = "mfdr:gru", 3


def tuned(workspace: Path, artifacts: Path, *, url: str, name: str, pods: bool) -> dict[str, Any]:
    """Return the figures of the best trial, after all steps of `tune` with two workers, one after the other."""
    tuning = {"trials": TRIALS, "workers": 2, "folds": [1], "storage": url, "startup_trials": 1}
    params = {"tuning": tuning, "training": {"max_epochs": 1, "device": "cpu"}}
    steps = StepByStep(settings_of(workspace, VARIANT, params=params, name=name), artifacts, pods=pods)
    workers, *requests = steps.call("plan_tuning", preset="", digests=steps.digests(), **steps.settings)
    *preparation, study, choice = requests
    steps.prepare(tuple(preparation))
    data = steps.paths("manifest", "splits", "features", "study", "run")
    steps.call("open_study", study, **data)
    ran = [json.loads(steps.call("run_trials", worker, **data))["trials"] for worker in workers]
    assert ran == [TRIALS, 0]
    figures: dict[str, Any] = steps.call(
        "choose_trial", choice, **data, **steps.paths("summary", "presets", "page", "metrics")
    )
    return figures


def test_a_study_without_a_shared_folder_finds_the_same(
    in_s3: S3Address, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.server() as url:
        apart = tuned(workspace, tmp_path / "apart", url=url, name="apart", pods=True)
        listed = connect().list_objects_v2(Bucket=in_s3.bucket, Prefix=f"{in_s3.key}/trials/")
        assert listed.get("Contents", []) == [], "an ended trial leaves no checkpoint"
        monkeypatch.delenv(ADDRESS)
        together = tuned(workspace, tmp_path / "together", url=url, name="together", pods=False)
    assert apart == together
    assert apart["tuned dev UA"] >= apart["untuned dev UA"]
