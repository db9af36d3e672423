"""Folds of a score, from a corpus to predictions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merflow.contracts.classics import classic_predictions
from merflow.contracts.history import read_history
from merflow.contracts.params import Params
from merflow.contracts.score_results import ComparedScoreRuns, ScoreResults, read_any_results
from merflow.contracts.selection import Selection
from merflow.contracts.tables import SCORE_MISSING, SCORE_PREDICTIONS
from merflow.contracts.task import SCALES
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import read_splits
from merflow.corpus.synthetic.release import synthesize
from merflow.errors import PresetError
from merflow.evaluation.report.terminal import comparison_tables, results_table
from merflow.folds.presets import parse_presets
from merflow.inference.answers import ScorePrediction
from merflow.inference.ensemble import load_ensemble
from merflow.jobs.classics import classics
from merflow.jobs.compare import compare
from merflow.jobs.evaluate import evaluate
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.prepare import prepared_folds
from merflow.jobs.split import split
from merflow.jobs.train import train
from merflow.runs.fold_folder import (
    MODEL,
    read_inspection,
    read_missing,
    read_none_paper,
    read_predictions,
    read_record,
)
from merflow.stress.clips import clips_of
from tests.jobs.conftest import files

CLASSICS = ("functionals", "tfidf", "tfidf-context", "late-fusion", "late-fusion-context")
FULL = ("context-mmt:mmt-frozen", "foal-net:full", "gia-mic:full", "layer-adapter-fusion:stc-mf-la", "mfdr:full")


@pytest.fixture(scope="module")
def rated(params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny corpus with pictures, split by valence, with features of the lite profile."""
    place = tmp_path_factory.mktemp("rated")
    release = synthesize(place / "release", size="tiny", video=True)
    index(release, corpus="synthetic", out=place / "manifest.parquet", params=params.corpus)
    settings = params.splits.model_copy(update={"task": "valence", "protocol": "session5-only"})
    split(place / "manifest.parquet", out=place / "splits.parquet", params=settings)
    extract(
        place / "manifest.parquet",
        variants=FULL,
        store=place / "store",
        out=place / "features.json",
        params=params.features.model_copy(update={"profile": "lite", "workers": 0}),
        corpus=params.corpus,
    )
    return place


@pytest.mark.parametrize("variant", FULL)
def test_every_model_trains_a_fold_and_predicts_scores(rated: Path, params: Params, variant: str) -> None:
    settings: dict[str, Any] = {"max_epochs": 2, "shadow_selection": "none-paper"}
    folder = train(
        f"{variant}:1",
        **files(rated),
        out=rated / "folds" / variant,
        checkpoints=rated / "unfinished",
        params=params.training.model_copy(update=settings),
    )
    record, predicted = read_record(folder), read_predictions(folder)
    assert record.task == SCALES["valence"]
    assert record.classes == ()
    assert record.none_paper is not None
    assert record.none_paper.selection == Selection(figure="mae", data="test")
    assert record.selection.figure in ("loss", "mae")
    assert record.chosen.figures.keys() == {"dev_loss", "dev_mae", "dev_ccc", "dev_pearson"}
    assert len(read_history(folder)) == 2

    assert list(predicted) == SCORE_PREDICTIONS.names
    rows = read_manifest(rated / "manifest.parquet").rows.set_index("utterance_id")
    tested = read_splits(rated / "splits.parquet").rows.query("part == 'test'")["utterance_id"]
    assert predicted["utterance_id"].tolist() == tested.tolist()
    assert predicted["label"].tolist() == rows.loc[tested, "valence"].tolist()
    assert np.isfinite(predicted["score"]).all()
    assert predicted["score"].nunique() > 1
    loaded, manifest = load_ensemble([folder / MODEL], calibration=None), read_manifest(rated / "manifest.parquet")
    clips = list(clips_of(manifest, tested.tolist(), transcripts="truth", reach=loaded.reach).values())
    answers = loaded.predict(clips)
    scores = [each for each in answers if isinstance(each, ScorePrediction)]
    assert all(each.abstained and each.low is each.high is None for each in scores)
    assert [each.clip_id for each in answers] == tested.tolist()
    assert loaded.raw(clips)[:, 0] == pytest.approx(predicted["score"].to_numpy(), abs=1e-5)
    assert [each.score for each in scores] == pytest.approx(predicted["score"].to_numpy(), abs=1e-5)
    missing, none_paper, shown = read_missing(folder), read_none_paper(folder), read_inspection(folder)
    assert missing is not None
    assert none_paper is not None
    assert shown is not None
    assert list(missing) == SCORE_MISSING.names
    assert list(none_paper) == SCORE_PREDICTIONS.names
    assert set(shown.emotions) <= set(SCALES["valence"].groups)
    assert shown.utterances[0].probabilities.keys() == {"valence"}
    assert (folder / MODEL).is_dir()


@pytest.mark.parametrize(
    ("setting", "said"),
    [("monitor: dev_ua", "task valence has no dev_ua"), ("sampling: class-balanced", "without classes to balance")],
)
def test_a_recipe_for_emotions_is_refused_before_features_are_extracted(
    rated: Path, params: Params, tmp_path: Path, setting: str, said: str
) -> None:
    text = f"presets: {{'mfdr:mine': {{base: 'mfdr:full', stages: [{{{setting}}}]}}}}"
    settings = params.model_copy(update={"splits": read_splits(rated / "splits.parquet").params})
    given: dict[str, Any] = {"variants": ["mfdr:mine"], "user_presets": parse_presets(text, where="mine.yaml")}
    with pytest.raises(PresetError, match=said):
        prepared_folds(rated / "manifest.parquet", **given, store=tmp_path / "store", out=tmp_path, params=settings)
    assert not (tmp_path / "store").exists()


def test_classics_predict_scores_with_settings_of_development_data(rated: Path, params: Params) -> None:
    given = {name: path for name, path in files(rated).items() if name != "manifest"}
    found = classics(
        rated / "manifest.parquet",
        out=rated / "classics",
        cache=rated / "cache",
        params=params.classics.model_copy(update={"opensmile": "off"}),
        corpus=params.corpus,
        workers=1,
        **given,
    )
    assert tuple(record.name for record in found) == CLASSICS
    table = classic_predictions(rated / "classics", found)
    assert table is not None
    assert list(table) == SCORE_PREDICTIONS.names
    assert table["score"].between(1, 5).all()
    for record in found:
        assert record.task == "valence"
        assert "support vector regression" in record.description or "mean of the scores" in record.description
        (chosen,) = record.folds
        assert chosen.dev_ua is None
        assert chosen.dev_mae is not None
        assert chosen.settings.startswith(("C ", "with functionals"))
    by_name = {name: rows.set_index("utterance_id")["score"] for name, rows in table.groupby("preset")}
    fused = (by_name["tfidf"] + by_name["functionals"]) / 2
    np.testing.assert_allclose(by_name["late-fusion"], fused.loc[by_name["late-fusion"].index])
    again = classics(
        rated / "manifest.parquet",
        out=rated / "classics",
        cache=rated / "cache",
        params=params.classics.model_copy(update={"opensmile": "off"}),
        corpus=params.corpus,
        workers=1,
        **given,
    )
    assert {record.fingerprint for record in again} == {record.fingerprint for record in found}


@pytest.fixture(scope="module")
def evaluated(rated: Path, params: Params) -> ScoreResults:
    """Return the results of the folds and classics of the tests above."""
    results = evaluate(
        [rated / "folds" / variant for variant in FULL],
        **{name: path for name, path in files(rated).items() if name != "features"},
        results=rated / "results.json",
        report=rated / "report.html",
        name="rated",
        command="merflow ...",
        params=params.evaluation,
        classics=rated / "classics",
    )
    assert isinstance(results, ScoreResults)
    return results


def test_results_compare_every_variant_with_the_classics_that_read_no_more(
    rated: Path, evaluated: ScoreResults
) -> None:
    results = evaluated
    assert read_any_results(rated / "results.json") == results
    assert set(results.classics) == {f"classic:{name}" for name in CLASSICS}
    maes = [results.classics[name].mae for name in results.ranked_classics]
    assert maes == sorted(maes)
    pairs = {(pair.variant, pair.classic): pair for pair in results.classic_comparisons}
    assert ("mfdr:full", "classic:tfidf-context") not in pairs, "it reads no neighbours"
    for (variant, classic), pair in pairs.items():
        assert pair.mae.delta == pytest.approx(results.variants[variant].mae - results.classics[classic].mae)
    page = (rated / "report.html").read_text()
    assert "Variants against classics" in page
    assert page.count("classic:late-fusion") > len(FULL)
    said = " ".join(str(cell) for cell in results_table(results).columns[0].cells)
    assert all(name in said for name in results.classics)


def test_a_comparison_of_runs_has_the_classics_of_their_results(
    rated: Path, evaluated: ScoreResults, params: Params
) -> None:
    found = compare([rated], params=params.evaluation, out=rated / "comparison.json")

    assert isinstance(found, ComparedScoreRuns)
    assert found.comparisons == evaluated.comparisons
    assert found.classics == evaluated.classics
    assert sorted(found.classic_comparisons, key=str) == sorted(evaluated.classic_comparisons, key=str)
    assert found.classic_comparisons != ()
    written = json.loads((rated / "comparison.json").read_text())
    assert written["classics"].keys() == set(evaluated.classics)
    assert len(comparison_tables(found)) == 3
