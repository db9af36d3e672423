"""The suite on finished benchmarks of scores."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from merflow.contracts.stress_results import ScoreStressResults, read_stress
from merflow.contracts.tables import SCORE_PREDICTIONS
from merflow.contracts.task import SCALES
from merflow.errors import StressError
from merflow.evaluation.scores.metrics import figures_of
from merflow.jobs.stress import PAGE
from merflow.runs.fold_folder import read_missing, read_predictions
from tests.cli.command import merflow
from tests.stress.conftest import VARIANT
from tests.stress.planted import load_planted, planted_run
from tests.stress.suites import files_of, interrupt_and_finish, kept_predictions, run_suite

TASK = SCALES["valence"]
FEW = ("telephone", "noise-0dB", "wrong-transcript", "missing-audio", "missing-text")


def stressed(run: Path, out: Path, *, utterances: int = 20, conditions: tuple[str, ...] = FEW) -> ScoreStressResults:
    results = run_suite(run, out, conditions=conditions, utterances=utterances)
    assert isinstance(results, ScoreStressResults)
    return results


def kept(out: Path, condition: str) -> pd.DataFrame:
    return kept_predictions(out, condition, SCORE_PREDICTIONS).set_index("utterance_id")


@pytest.fixture(scope="module")
def whole(finished_scores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a suite that was never interrupted."""
    out = tmp_path_factory.mktemp("whole") / "out"
    stressed(finished_scores, out)
    return out


def test_scores_are_those_that_the_folds_recorded_after_their_training(finished_scores: Path, whole: Path) -> None:
    folds = sorted(finished_scores.glob("folds/*/*/fold-*"))
    assert len(folds) == 5
    rows = kept(whole, "unchanged")
    recorded = pd.concat([read_predictions(path) for path in folds]).set_index("utterance_id").loc[rows.index]
    assert len(rows) == 20
    assert rows["fold"].nunique() == 5
    np.testing.assert_allclose(rows["score"], recorded["score"], atol=1e-5)
    assert rows["label"].tolist() == recorded["label"].tolist()
    without = pd.concat([table for path in folds if (table := read_missing(path)) is not None])
    for modality in ("audio", "text"):
        rows = kept(whole, f"missing-{modality}")
        expected = without[without["missing"] == modality].set_index("utterance_id").loc[rows.index]
        np.testing.assert_allclose(rows["score"], expected["score"], atol=1e-5)


def test_the_results_follow_from_the_kept_predictions(whole: Path) -> None:
    results = read_stress(whole)
    assert isinstance(results, ScoreStressResults)
    assert (results.task, results.low, results.high) == ("valence", 1, 5)
    assert [each.name for each in results.conditions] == list(FEW)
    before = kept(whole, "unchanged")
    labels = before["label"].to_numpy()
    unchanged = figures_of(labels, before["score"].to_numpy(), TASK)
    assert (results.ccc, results.mae) == pytest.approx((unchanged["CCC"], unchanged["MAE"]))
    for each in results.conditions:
        after = kept(whole, each.name).loc[before.index]
        figures = figures_of(labels, after["score"].to_numpy(), TASK)
        assert (each.ccc, each.mae) == pytest.approx((figures["CCC"], figures["MAE"]))
        assert (each.delta_ccc, each.delta_mae) == pytest.approx((each.ccc - results.ccc, each.mae - results.mae))
        moved = after["score"] - before["score"]
        assert each.unchanged == pytest.approx((moved.abs() <= 0.5).mean())
        assert each.shift == pytest.approx(moved.mean())
        assert each.ci95 is not None
    assert results.synthetic
    descriptions = {each.name: each.description for each in results.conditions}
    assert descriptions["wrong-transcript"] == "the words of an utterance at another step of the scale"


def test_an_interrupted_suite_resumes_and_ends_with_the_same_bytes(
    finished_scores: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    interrupt_and_finish(finished_scores, out, conditions=FEW)
    assert files_of(out) == files_of(whole)


def test_a_model_that_reads_loudness_alone_is_found_out(
    finished_scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planted_run(finished_scores, tmp_path, ())
    monkeypatch.setattr("merflow.stress.suite.load_trained", load_planted)
    names = ("gain-minus-20dB", "trimmed-ends", "wrong-transcript", "missing-text")
    results = stressed(run, tmp_path / "out", utterances=60, conditions=names)
    assert results.ccc > 0.99
    by_name = {each.name: each for each in results.conditions}
    assert results.failed == ("gain-minus-20dB",)
    quiet = by_name["gain-minus-20dB"]
    assert quiet.delta_ccc < -0.3
    assert quiet.shift == pytest.approx(20 / 9, abs=0.05), "20 dB are 2.2 steps"
    assert quiet.unchanged == 0
    for name in ("wrong-transcript", "missing-text"):
        assert (by_name[name].delta_ccc, by_name[name].unchanged) == (0.0, 1.0), "it reads no words"
    page = (tmp_path / "out" / PAGE).read_text()
    assert "bears 3 of 4 conditions" in page
    assert "Under gain-minus-20dB (20 dB quieter), CCC falls by 0." in page


def test_recordings_that_are_not_those_of_the_training_are_refused(finished_scores: Path, tmp_path: Path) -> None:
    run = planted_run(finished_scores, tmp_path, ())
    with pytest.raises(StressError, match=r"predicts other scores than after its training, by \d\.\d\d on average"):
        stressed(run, tmp_path / "out")


def test_the_command_tests_a_benchmark_of_sentiment(rated_benchmark: Path, tmp_path: Path) -> None:
    options = ("--utterances", 40, "--device", "cpu", "--conditions", "wrong-transcript", "--out", tmp_path)
    said = merflow("stress", rated_benchmark, VARIANT, *options, "--json")
    assert said.code == 0
    results = json.loads(said.out)
    assert (results["task"], results["low"], results["high"], results["utterances"]) == ("sentiment", -3, 3, 40)
    assert {each["by"] for each in results["groups"]} == {"length"}, "every video has a speaker of its own"
    table = merflow("stress", rated_benchmark, VARIANT, *options).out
    assert "CCC and MAE" in table
    assert "MAE, change" in table.splitlines()[0]
