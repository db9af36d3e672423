"""Runs that a registered model version points to are never deleted."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from merflow.tracking.connection import Connection
from merflow.tracking.deletion import retire_run
from tests.contracts.records import planned_fold
from tests.tracking.recorded import fold_folder, opened, runs, train


@pytest.mark.parametrize("kind", ["fold", "variant"])
def test_a_run_of_a_version_stays_when_another_training_takes_its_place(
    uri: str, benchmark_id: str, tmp_path: Path, kind: str
) -> None:
    client, planned = MlflowClient(uri, uri), planned_fold()
    with opened(uri, benchmark_id).fold(planned) as fold:
        train(fold, epochs=range(1, 3), folder=fold_folder(tmp_path / "first", epochs=2))
    (kept,) = runs(uri, benchmark_id, kind)
    client.create_registered_model(benchmark_id)
    client.create_model_version(benchmark_id, "s3://somewhere", run_id=kept.info.run_id)

    other = planned.model_copy(update={"config": {"inputs": ["text"]}}) if kind == "variant" else planned
    with opened(uri, benchmark_id).fold(other) as fold:
        train(fold, epochs=range(1, 4))
        fold.log_folder(fold_folder(tmp_path / "second", epochs=1))

    (new,) = runs(uri, benchmark_id, kind)
    assert new.info.run_id != kept.info.run_id
    again = client.get_run(kept.info.run_id)
    assert again.info.lifecycle_stage == "active"
    assert again.data.tags["merflow.kind"] == f"superseded-{kind}"
    assert f"The registry points to this run ({benchmark_id} version 1)" in again.data.tags["mlflow.note.content"]


@pytest.mark.parametrize("tag", ["merflow.variant_run", "merflow.benchmark_run"])
def test_a_run_that_a_version_is_based_on_stays(uri: str, benchmark_id: str, tag: str) -> None:
    client, name = MlflowClient(uri, uri), benchmark_id
    run_id = client.create_run("0").info.run_id
    client.create_registered_model(name)
    client.create_model_version(name, "s3://somewhere", tags={tag: run_id})
    assert not retire_run(Connection(uri), run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "active"


def test_any_other_run_is_deleted(uri: str) -> None:
    client = MlflowClient(uri, uri)
    run_id = client.create_run("0").info.run_id
    assert retire_run(Connection(uri), run_id)
    assert client.get_run(run_id).info.lifecycle_stage == "deleted"
