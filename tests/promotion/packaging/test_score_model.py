"""A package of scores in MLflow: its figures, signature and answers, which are those of the training."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from merflow.contracts.calibration_record import ANY_GROUP
from merflow.contracts.model_package import read_package
from merflow.contracts.registered_version import VersionFacts
from merflow.contracts.score_calibration import ScoreCalibration, read_any_calibration
from merflow.corpus.manifest import read_manifest, recording_of
from merflow.corpus.samples import RATE_HZ, Excerpt, read_samples
from merflow.promotion.packaging.benchmarked import find_variant
from merflow.promotion.packaging.chosen_epochs import stage_epochs
from merflow.promotion.packaging.mlflow_model import LoggedVersion, log_version_model
from merflow.runs.fold_folder import folds_below, read_predictions
from merflow.runs.workspace import Workspace
from merflow.storage.local import digest
from merflow.tracking.connection import Connection
from tests.promotion.packages import package
from tests.promotion.packaging.benchmarks import VARIANT, copy_first_member, packaged
from tests.promotion.packaging.blocked_process import predict_blocked
from tests.promotion.score_packages import FACTS


@pytest.fixture(scope="module")
def connection(rated_benchmark: Path) -> Connection:
    return Connection(Workspace(rated_benchmark).tracking_uri)


@pytest.fixture(scope="module")
def one_member(rated_ensemble: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package of the first fold's model alone, so that its scores can be compared with the fold's."""
    return copy_first_member(rated_ensemble, tmp_path_factory.mktemp("one") / "package")


@pytest.fixture(scope="module")
def logged(connection: Connection, one_member: Path) -> LoggedVersion:
    return log_version_model(connection, one_member, variant_run_id=read_package(one_member).lineage.variant_run)


def test_the_model_has_the_figures_of_scores(connection: Connection, one_member: Path, logged: LoggedVersion) -> None:
    model, run = connection.call("get_logged_model", logged.model_id), connection.call("get_run", logged.run_id)
    figures = {metric.key: metric.value for metric in model.metrics}
    assert figures.keys() >= {"cv/test_MAE", "cv/test_CCC", "cv/test_ACC2_non0", "cv/interval_width", "cv/coverage"}
    for name in ("MAE", "CCC", "Pearson", "ACC7"):
        assert figures[f"cv/test_{name}"] == pytest.approx(run.data.metrics[f"test_{name}"], abs=1e-4)
    assert model.tags["task"] == "sentiment"
    calibration = read_any_calibration(one_member)
    assert isinstance(calibration, ScoreCalibration)
    assert model.params["half_width"] == f"{calibration.half_widths[ANY_GROUP]:.4f}"


def cut(recording: Path | Excerpt | None, path: Path) -> str:
    """Write the clip's own sound to a file, as callers of a model have it."""
    assert recording is not None
    soundfile.write(path, read_samples(recording, n_samples=None, resample=False), RATE_HZ, subtype="FLOAT")
    return str(path)


def test_a_fresh_process_predicts_as_in_training(
    rated_benchmark: Path, one_member: Path, connection: Connection, logged: LoggedVersion, tmp_path: Path
) -> None:
    import mlflow

    manifest = read_manifest(rated_benchmark / "manifest.parquet")
    rows = manifest.rows.sort_values(["dialogue_id", "turn_index"])
    recordings = [recording_of(row, root=manifest.root) for row in rows.to_dict("records")]
    table = pd.DataFrame(
        {
            "audio": [cut(each, tmp_path / f"{place}.wav") for place, each in enumerate(recordings)],
            "text": rows["transcript"].tolist(),
            "dialogue": rows["dialogue_id"].tolist(),
        }
    )
    table.to_json(tmp_path / "clips.json", orient="split")
    raw, calibrated = predict_blocked(connection.uri, logged.model_uri, tmp_path / "clips.json")
    assert raw == calibrated

    tested = read_predictions(min(folds_below(rated_benchmark / "folds")))
    place = {name: index for index, name in enumerate(rows["utterance_id"])}
    at = [place[name] for name in tested["utterance_id"]]
    scores, low, high = (np.array(raw[name])[at] for name in ("score", "low", "high"))
    assert scores == pytest.approx(tested["score"].to_numpy(), abs=1e-5)
    calibration = read_any_calibration(one_member)
    assert isinstance(calibration, ScoreCalibration)
    reach = calibration.half_widths[ANY_GROUP]
    assert low == pytest.approx(np.clip(np.clip(scores, -3, 3) - reach, -3, 3))
    assert high == pytest.approx(np.clip(np.clip(scores, -3, 3) + reach, -3, 3))
    assert np.array(raw["abstained"])[at].tolist() == ((low <= 0) & (high >= 0)).tolist()
    with connection.as_current("download_artifacts"):
        described = mlflow.models.get_model_info(logged.model_uri)
    assert described.signature.outputs.input_names() == ["score", "low", "high", "abstained"]
    assert described.metadata["merflow"]["task"] == "sentiment"
    assert described.metadata["merflow"]["scale"] == [-3, 3]


def test_a_refit_trains_for_the_median_of_the_folds_epochs(rated_benchmark: Path, tmp_path: Path) -> None:
    described = read_package(packaged(rated_benchmark, tmp_path / "refit", kind="refit"))
    (member,) = described.members
    assert member.epochs == sum(stage_epochs(find_variant(rated_benchmark, VARIANT).folds))
    assert (described.task, described.kind) == ("sentiment", "refit")


def test_versions_of_scores_say_so_and_those_of_emotions_are_as_before() -> None:
    emotions, scores = VersionFacts.of(package()), VersionFacts.of(package(**FACTS))
    assert "merflow.task" not in emotions.tags()
    assert scores.tags()["merflow.task"] == "sentiment"
    assert VersionFacts.read(scores.tags()) == scores
    assert (emotions.predicts, scores.predicts) == ("iemocap4", "sentiment score")
    # Registered before there were tasks, when package.json had neither of these.
    assert emotions.package == digest(package().model_dump(mode="json", exclude={"task", "scale"}))
