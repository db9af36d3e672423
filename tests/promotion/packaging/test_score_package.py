"""Packages of scores: their calibration, their answers on clips, and the refusal of mixed tasks."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from merflow.contracts.calibration_record import ANY_GROUP, CALIBRATION, read_calibration
from merflow.contracts.model_package import PREDICTIONS_FILE, read_package
from merflow.contracts.score_calibration import ScoreCalibration, read_any_calibration
from merflow.contracts.tables import SCORE_PREDICTIONS, read_table
from merflow.contracts.task import SCALES
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.errors import FormatError, ModelError
from merflow.inference.answers import ScorePrediction
from merflow.inference.clip_table import predict_table
from merflow.inference.ensemble import Ensemble, load_ensemble
from merflow.inference.packaged_model import PackagedModel, load_package
from merflow.runs.fold_folder import MODEL, folds_below, read_predictions
from merflow.stress.clips import clips_of

SENTIMENT = SCALES["sentiment"]


@pytest.fixture(scope="module")
def manifest(rated_benchmark: Path) -> Manifest:
    return read_manifest(rated_benchmark / "manifest.parquet")


@pytest.fixture(scope="module")
def loaded(rated_ensemble: Path) -> PackagedModel:
    return load_package(rated_ensemble, device="cpu")


def test_a_package_says_its_task_and_holds_scores(rated_ensemble: Path, rated_benchmark: Path) -> None:
    package = read_package(rated_ensemble)
    assert (package.task, package.scale, package.classes) == ("sentiment", (-3, 3), ())
    assert package.predicted == SENTIMENT
    stored, _ = read_table(rated_ensemble / PREDICTIONS_FILE, SCORE_PREDICTIONS)
    folds = pd.concat([read_predictions(fold) for fold in folds_below(rated_benchmark / "folds")], ignore_index=True)
    keys = ["fold", "utterance_id"]
    pd.testing.assert_frame_equal(
        stored.sort_values(keys, ignore_index=True), folds.sort_values(keys, ignore_index=True)
    )


def test_the_calibration_says_its_task_and_is_not_a_calibration_of_emotions(rated_ensemble: Path) -> None:
    calibration = read_any_calibration(rated_ensemble)
    assert isinstance(calibration, ScoreCalibration)
    assert (calibration.task, calibration.low, calibration.high, calibration.coverage) == ("sentiment", -3, 3, 0.8)
    assert calibration.held_out.utterances == 78
    assert 0 < calibration.half_widths[ANY_GROUP] <= 6
    assert calibration.usual_distances
    with pytest.raises(ModelError, match="predicts sentiment, which is a score, and only a model of emotions"):
        read_calibration(rated_ensemble)


def test_each_member_predicts_its_fold_s_test_part_as_in_training(
    rated_benchmark: Path, manifest: Manifest, loaded: PackagedModel
) -> None:
    for fold, member in zip(folds_below(rated_benchmark / "folds"), loaded.members, strict=True):
        rows = read_predictions(fold)
        alone = Ensemble((member,), loaded.calibration, "cpu", loaded.shared)
        clips = clips_of(manifest, rows["utterance_id"].tolist(), transcripts="truth", reach=alone.reach)
        assert alone.raw(list(clips.values()))[:, 0] == pytest.approx(rows["score"].to_numpy(), abs=1e-5)


def test_an_ensemble_is_the_mean_of_its_members_with_the_interval_of_the_group(
    manifest: Manifest, loaded: PackagedModel
) -> None:
    names = manifest.rows["utterance_id"].tolist()[:12]
    clips = list(clips_of(manifest, names, transcripts="truth", reach=loaded.reach).values())
    alone = [Ensemble((member,), None, "cpu", loaded.shared).raw(clips) for member in loaded.members]
    assert np.abs(alone[0] - alone[1]).max() > 1e-3
    calibration = loaded.calibration
    assert isinstance(calibration, ScoreCalibration)
    reach = calibration.half_widths[ANY_GROUP]
    for answer, mean in zip(loaded.predict(clips), np.mean(alone, axis=0)[:, 0], strict=True):
        assert isinstance(answer, ScorePrediction)
        assert answer.score == pytest.approx(mean, abs=1e-6)
        assert answer.low == pytest.approx(max(-3, mean - reach))
        assert answer.high == pytest.approx(min(3, mean + reach))
        assert answer.abstained == (mean - reach <= 0 <= mean + reach)
        assert answer.distances


def test_a_table_of_clips_gets_scores_and_ends(loaded: PackagedModel) -> None:
    table = pd.DataFrame({"text": ["i loved it", "it was awful"]}, index=[7, 9])
    found = predict_table(loaded, table)
    assert list(found) == ["score", "low", "high", "abstained"]
    assert found.index.tolist() == [7, 9]
    pd.testing.assert_frame_equal(found, predict_table(loaded, table, calibrated=False))


def test_models_of_different_tasks_do_not_predict_together(rated_benchmark: Path, benchmark: Path) -> None:
    rated, emotions = (folds_below(run / "folds")[0] / MODEL for run in (rated_benchmark, benchmark))
    with pytest.raises(ModelError, match=r"predicts angry, .* but .* predicts sentiment; keep models of different"):
        load_ensemble([rated, emotions], calibration=None)


def test_a_calibration_of_another_task_is_refused(rated_ensemble: Path, benchmark: Path, ensemble: Path) -> None:
    emotions = folds_below(benchmark / "folds")[0] / MODEL
    with pytest.raises(ModelError, match="predict emotion, but their calibration is of another task"):
        load_ensemble([emotions], calibration=read_any_calibration(rated_ensemble))
    rated = rated_ensemble / "members/00"
    with pytest.raises(ModelError, match="predict sentiment, but their calibration is of another task"):
        load_ensemble([rated], calibration=read_any_calibration(ensemble))


def test_a_calibration_from_before_there_were_tasks_is_of_emotions(ensemble: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(ensemble, folder)
    content = json.loads((folder / CALIBRATION).read_text())
    assert content.pop("task") == "emotion"
    (folder / CALIBRATION).write_text(json.dumps(content))
    assert read_any_calibration(folder) == read_calibration(ensemble)
    (folder / CALIBRATION).write_text(json.dumps({**content, "task": "valence"}))
    with pytest.raises(FormatError, match="damaged"):
        read_any_calibration(folder)
