"""Results of folds that learned a score; their predictions are drawn, so that nothing has to be trained."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from merflow.contracts.fold_record import ChosenEpoch, write_fold_record
from merflow.contracts.history import write_history
from merflow.contracts.params import Params
from merflow.contracts.score_results import ComparedScoreRuns, ScoreResults, read_any_results
from merflow.contracts.selection import Selection
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import ids, read_splits
from merflow.errors import EvaluationError
from merflow.jobs.compare import compare
from merflow.jobs.evaluate import evaluate
from merflow.jobs.index import index
from merflow.jobs.plots import plots
from merflow.jobs.report import report
from merflow.jobs.split import split
from merflow.runs.fold_folder import MODEL, LabelledUtterances, write_predictions
from tests.contracts.records import SPLITS, epoch, fold_record

PRESETS = {"full": 0.3, "gru": 0.9}


@pytest.fixture(scope="module")
def run(tiny_release: Path, params: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a run with two variants on every fold of a split by valence."""
    out = tmp_path_factory.mktemp("rated")
    index(tiny_release, corpus="synthetic", out=out / "manifest.parquet", params=params.corpus)
    settings = params.splits.model_copy(update={"task": "valence", "development": "random"})
    split(out / "manifest.parquet", out=out / "splits.parquet", params=settings)
    corpus, splits = read_manifest(out / "manifest.parquet"), read_splits(out / "splits.parquet")
    valence = corpus.rows.set_index("utterance_id")["valence"]
    for preset, error in PRESETS.items():
        for fold in splits.folds:
            tested = ids(splits, fold=fold.fold, part="test")
            labels = valence.loc[tested].tolist()
            record = fold_record(
                model="mfdr",
                preset=preset,
                fold=fold.fold,
                classes=(),
                selection=Selection(figure="loss", data="random"),
                split_params=splits.params,
                split_id=splits.split_id,
                manifest_hash=corpus.hash,
                chosen=ChosenEpoch(epoch=2, stage=1, dev_loss=0.5, dev_mae=0.5, dev_ccc=0.4, dev_pearson=0.4),
            )
            folder = out / "folds" / "mfdr" / preset / f"fold-{fold.fold}"
            scores = np.array(labels) + np.random.default_rng(fold.fold).normal(0, error, len(labels))
            folder.mkdir(parents=True)
            write_predictions(folder, record, LabelledUtterances(tested, labels), scores[:, None])
            write_history(folder, [_epoch(number) for number in (1, 2, 3)])
            write_fold_record(folder / MODEL, record)
    return out


def _epoch(number: int) -> Any:  # noqa: ANN401 - figures of an epoch of scores
    figures = {"dev_mae": 0.5, "dev_ccc": 0.4, "dev_pearson": 0.4}
    row = {name: value for name, value in epoch(number).row.items() if name not in ("dev_ua", "dev_wa")}
    return type(epoch(number)).of_row({**row, **figures})


def _folds(run: Path) -> list[Path]:
    return sorted((run / "folds").glob("*/*/*"))


@pytest.fixture(scope="module")
def results(run: Path, params: Params) -> ScoreResults:
    found = evaluate(
        _folds(run),
        manifest=run / "manifest.parquet",
        splits=run / "splits.parquet",
        results=run / "results.json",
        report=run / "report.html",
        name="rated",
        command="merflow benchmark --task valence",
        params=params.evaluation,
    )
    assert isinstance(found, ScoreResults)
    return found


def test_folds_of_a_score_become_results_and_a_report(run: Path, results: ScoreResults) -> None:
    assert read_any_results(run / "results.json") == results
    assert json.loads((run / "results.json").read_text())["task"] == "valence"
    assert results.ranked == ("mfdr:full", "mfdr:gru")
    assert (results.low, results.high, results.synthetic) == (1, 5, True)
    assert set(results.floors) == {"median", "mean"}
    page = (run / "report.html").read_text()
    assert "valence from 1 to 5" in page
    assert (run / "tables.md").read_text().startswith("## Results by variant")


def test_runs_of_a_score_are_compared(run: Path, results: ScoreResults, params: Params) -> None:
    found = compare([run], params=params.evaluation)

    assert isinstance(found, ComparedScoreRuns)
    assert found.ranked == results.ranked
    assert found.variants["mfdr:full"].figures == results.variants["mfdr:full"].figures
    assert found.comparisons == results.comparisons


def test_plots_of_a_score_have_its_figures(run: Path, results: ScoreResults, tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.json"
    plots(_folds(run), results=run / "results.json", metrics=metrics, out=tmp_path / "plots")

    assert json.loads(metrics.read_text())["mfdr:full"]["MAE"] == results.variants["mfdr:full"].mae
    kinds = {path.parent.name for path in (tmp_path / "plots").glob("*/*.csv")}
    assert kinds == {"learning", "scatter", "residuals", "errors"}
    curves = pd.read_csv(tmp_path / "plots" / "learning" / "mfdr:full.csv")
    assert curves["dev_mae"].unique().tolist() == [0.5]


def test_folds_of_two_tasks_are_refused(run: Path, params: Params, tmp_path: Path) -> None:
    (first, *_) = _folds(run)
    other = tmp_path / "emotion"
    splits = read_splits(run / "splits.parquet")
    record = fold_record(split_params=SPLITS, split_id=splits.split_id, manifest_hash=splits.manifest_hash)
    write_fold_record(other / MODEL, record)
    refused = "learned different tasks, .*valence.* and no figure compares them; .* the folds of one task"
    with pytest.raises(EvaluationError, match=f"{refused}"):
        evaluate(
            [first, other],
            manifest=run / "manifest.parquet",
            splits=run / "splits.parquet",
            results=tmp_path / "results.json",
            report=tmp_path / "report.html",
            name="mixed",
            command="",
            params=params.evaluation,
        )
    with pytest.raises(EvaluationError, match=refused):
        compare([first, other], params=params.evaluation, manifest=run / "manifest.parquet")


def test_a_report_on_runs_of_two_tasks_names_the_tasks(run: Path, params: Params, tmp_path: Path) -> None:
    other = tmp_path / "emotion"
    write_fold_record(other / "folds" / "mfdr" / "full" / "fold-1" / MODEL, fold_record(split_params=SPLITS))
    with pytest.raises(EvaluationError, match=r"different tasks, .*valence.* and emotion .*; report the folds of one"):
        report([run, other], out=tmp_path / "both", command="", params=params.evaluation)
