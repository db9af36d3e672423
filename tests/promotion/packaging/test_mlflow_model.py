"""A package in MLflow: it loads without a pickle and without the rooms that train, and predicts as in training."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from merflow.contracts.model_package import read_package
from merflow.corpus.manifest import read_manifest
from merflow.errors import ModelError, TrackingError
from merflow.evaluation.temperature import scaled
from merflow.promotion.packaging.mlflow_model import LoggedVersion, log_version_model
from merflow.runs.fold_folder import folds_below, read_predictions
from merflow.runs.workspace import Workspace
from merflow.tracking.connection import Connection
from tests.promotion.packaging.benchmarks import VARIANT, copy_first_member, emotion_calibration
from tests.promotion.packaging.blocked_process import predict_blocked


@pytest.fixture(scope="module")
def connection(benchmark: Path) -> Connection:
    return Connection(Workspace(benchmark).tracking_uri)


@pytest.fixture(scope="module")
def one_member(ensemble: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package of the first fold's model alone, so that its predictions can be compared with the fold's."""
    return copy_first_member(ensemble, tmp_path_factory.mktemp("one") / "package")


@pytest.fixture(scope="module")
def logged(connection: Connection, one_member: Path) -> LoggedVersion:
    return log_version_model(connection, one_member, variant_run_id=read_package(one_member).lineage.variant_run)


def test_the_model_is_linked_to_run_data_and_figures(
    connection: Connection, one_member: Path, logged: LoggedVersion
) -> None:
    model = connection.call("get_logged_model", logged.model_id)
    assert (model.status.value, model.name, model.source_run_id) == (
        "READY",
        "context-mmt-mmt-frozen-ensemble",
        logged.run_id,
    )
    run = connection.call("get_run", logged.run_id)
    assert run.data.tags["variant"] == VARIANT
    assert run.info.status == "FINISHED"
    assert [each.model_id for each in run.outputs.model_outputs] == [logged.model_id]
    figures = {metric.key: metric for metric in model.metrics}
    assert len(figures) == 10
    assert all(name.startswith("cv/") for name in figures), "of the cross-validation, none of the model's own"
    assert figures["cv/test_UA"].value == pytest.approx(run.data.metrics["test_UA"], abs=1e-4)
    assert figures["cv/coverage"].value == round(emotion_calibration(one_member).held_out.groups["any"].coverage, 4)
    (dataset,) = [entry.dataset for entry in run.inputs.dataset_inputs]
    assert {(each.dataset_name, each.dataset_digest) for each in figures.values()} == {(dataset.name, dataset.digest)}
    assert model.tags["variant"] == VARIANT
    assert model.params["temperature"] == f"{emotion_calibration(one_member).temperature:.4f}"


def test_the_model_has_signature_example_and_pinned_requirements(
    connection: Connection, logged: LoggedVersion, tmp_path: Path
) -> None:
    import mlflow

    with connection.as_current("download_artifacts"):
        folder = Path(mlflow.artifacts.download_artifacts(logged.model_uri, dst_path=str(tmp_path)))
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"MLmodel", "pyfunc_model.py", "input_example.json", "artifacts/package/package.json"} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".pt", ".bin", ".joblib"))]
    requirements = (folder / "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in requirements} >= {"merflow", "mlflow", "torch", "safetensors", "numpy"}
    assert all("==" in line for line in requirements)
    assert "transformers" not in "".join(requirements), "nothing that this model reads needs it"
    described = mlflow.models.Model.load(str(folder))
    assert described.signature.inputs.input_names() == ["audio", "video", "text", "gender", "dialogue"]
    assert described.signature.outputs.input_names()[0] == "emotion"
    assert (
        described.metadata["merflow"]["lineage"]["split_id"]
        == read_package(folder / "artifacts/package").lineage.split_id
    )


def test_a_fresh_process_predicts_as_in_training(
    benchmark: Path, one_member: Path, connection: Connection, logged: LoggedVersion, tmp_path: Path
) -> None:
    manifest = read_manifest(benchmark / "manifest.parquet")
    rows = manifest.rows.sort_values(["dialogue_id", "turn_index"])
    table = pd.DataFrame(
        {
            "audio": [str(manifest.root / path) for path in rows["audio_path"]],
            "text": rows["transcript"].tolist(),
            "gender": rows["gender"].tolist(),
            "dialogue": rows["dialogue_id"].tolist(),
        }
    )
    table.to_json(tmp_path / "clips.json", orient="split")
    raw, calibrated = predict_blocked(connection.uri, logged.model_uri, tmp_path / "clips.json")

    tested = read_predictions(min(folds_below(benchmark / "folds")))
    place = {name: index for index, name in enumerate(rows["utterance_id"])}
    at = [place[name] for name in tested["utterance_id"]]
    expected = np.stack(tested["probabilities"].tolist())
    classes = read_package(one_member).classes
    calibration = emotion_calibration(one_member)
    for found, wanted in ((raw, expected), (calibrated, scaled(expected, calibration.temperature))):
        columns = np.stack([found[f"probability_{name}"] for name in classes], axis=1)
        assert columns[at] == pytest.approx(wanted, abs=1e-5)
    assert [raw["emotion"][row] for row in at] == [classes[row.argmax()] for row in expected]
    assert raw["set"] == calibrated["set"]
    assert [len(each) != 1 for each in raw["set"]] == raw["abstained"]


def test_the_same_package_is_not_uploaded_twice(
    connection: Connection, one_member: Path, logged: LoggedVersion
) -> None:
    again = log_version_model(connection, one_member, variant_run_id=logged.run_id)
    assert (again.model_id, again.new) == (logged.model_id, False)
    assert logged.new


def test_a_planted_pickle_is_never_uploaded(connection: Connection, one_member: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(one_member, folder)
    (folder / "members/00/extra.pkl").write_bytes(b"")
    run_id = read_package(folder).lineage.variant_run
    before = len(connection.call("search_logged_models", [connection.call("get_run", run_id).info.experiment_id]))
    with pytest.raises(ModelError, match="may be a pickle"):
        log_version_model(connection, folder, variant_run_id=run_id)
    after = connection.call("search_logged_models", [connection.call("get_run", run_id).info.experiment_id])
    assert len(after) == before


def test_a_run_that_does_not_exist_is_named(connection: Connection, one_member: Path) -> None:
    with pytest.raises(TrackingError, match="f" * 32):
        log_version_model(connection, one_member, variant_run_id="f" * 32)


def test_the_address_of_mlflow_is_as_before(
    logged: LoggedVersion, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    before = mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")
    seen = []

    def fail() -> None:
        with connection.as_current("log_artifacts"):
            seen.append(mlflow.get_tracking_uri())
            raise OSError("the disk is gone")

    with pytest.raises(TrackingError, match=r"failed to log artifacts: the disk is gone"):
        fail()
    assert seen == [connection.uri]
    assert (mlflow.get_tracking_uri(), os.environ.get("MLFLOW_TRACKING_URI")) == before
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////another/mlflow.db")
    assert mlflow.get_registry_uri() == "sqlite:////another/mlflow.db", "nothing is pinned to an earlier address"
    assert logged.model_uri == f"models:/{logged.model_id}"
