"""Generated predictions of scores: truth in thirds with many zeros, as in CMU-MOSEI, and predictions for it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from merflow.contracts.classics import ClassicRecord
from merflow.contracts.fold_record import ChosenEpoch
from merflow.contracts.params import EvaluationParams
from merflow.contracts.published import PublishedFigure
from merflow.contracts.score_results import ScoreResults
from merflow.contracts.task import SCALES, ScoreTask
from merflow.evaluation.scores.predictions import HeldOutScores
from merflow.evaluation.scores.summary import summarize_scores
from merflow.evaluation.summary import PredictionTables, TrainedVariant
from tests.contracts.records import classic_record
from tests.evaluation.finished import TRAINING, published

PARAMS = EvaluationParams(bootstrap_samples=400, bootstrap_seed=0, calibration_bins=10, show_words=False)
PUBLISHED = published("mosei, official", note="the paper", F1=84.1, ACC7=53.7, ACC2=85.2)
FOLDS = 5


def utterances(n: int = 240) -> pd.DataFrame:
    """Return utterances of five sessions with two speakers each, ten per dialogue."""
    place = np.arange(n)
    return pd.DataFrame(
        {
            "utterance_id": [f"u{i:04d}" for i in place],
            "dialogue_id": [f"d{i // 10:03d}" for i in place],
            "session": [f"Session{i % FOLDS + 1}" for i in place // 10],
            "speaker": [f"s{i % (2 * FOLDS)}" for i in place // 10],
            "gender": [("F", "M")[i % 2] for i in place],
            "scripted": place % 3 == 0,
            "duration_s": 1 + place % 17 / 2,
        }
    )


def truth(rows: pd.DataFrame, task: ScoreTask = "sentiment") -> np.ndarray:
    """Return the label of each utterance, the same for every variant: thirds of the scale, 0 the most frequent."""
    scale = SCALES[task]
    middle = (scale.low + scale.high) / 2 + (0.3 if task == "sentiment" else 0)
    drawn = np.random.default_rng(7).normal(middle, (scale.high - scale.low) / 5, size=len(rows))
    labels: np.ndarray = np.clip(np.round(3 * drawn) / 3, scale.low, scale.high)
    return labels


def predictions(
    rows: pd.DataFrame, preset: str, *, error: float, seed: int = 0, task: ScoreTask = "sentiment"
) -> pd.DataFrame:
    """Return predictions of five folds that shrink to the middle and miss with about this deviation."""
    labels = truth(rows, task)
    random = np.random.default_rng([seed, len(preset)])
    return pd.DataFrame(
        {
            "run": "r",
            "model": "mfdr",
            "preset": preset,
            "protocol": "session-5fold",
            "fold": rows["session"].str[-1].astype("int32"),
            "seed": np.int32(seed),
            "utterance_id": rows["utterance_id"],
            "label": labels,
            "score": labels.mean() + 0.7 * (labels - labels.mean()) + random.normal(0, error, size=len(rows)),
        }
    )


def classics(
    rows: pd.DataFrame, errors: Mapping[str, float], *, task: ScoreTask = "sentiment"
) -> tuple[tuple[ClassicRecord, ...], pd.DataFrame]:
    """Return facts and predictions of classics of words that miss with about these deviations."""
    tables = [predictions(rows, name, error=error, task=task).assign(model="classic") for name, error in errors.items()]
    return tuple(classic_record(name, task=task) for name in errors), pd.concat(tables)


def training_labels(rows: pd.DataFrame, task: ScoreTask = "sentiment") -> dict[int, np.ndarray]:
    """Return the labels of each fold's training part: those of the other sessions."""
    fold = rows["session"].str[-1].astype(int).to_numpy()
    return {number: truth(rows, task)[fold != number] for number in range(1, FOLDS + 1)}


def held_out(rows: pd.DataFrame, task: ScoreTask = "sentiment", **changes: Any) -> HeldOutScores:  # noqa: ANN401
    """Return the test data of five folds."""
    values: dict[str, Any] = {
        "corpus": "synthetic",
        "manifest_hash": "0" * 16,
        "split_id": "1" * 16,
        "protocol": "session-5fold",
        "task": SCALES[task],
        "utterances": rows,
    }
    return HeldOutScores(**{**values, **changes})


def results_of(
    table: pd.DataFrame,
    rows: pd.DataFrame,
    *,
    task: ScoreTask = "sentiment",
    none_paper: pd.DataFrame | None = None,
    missing: pd.DataFrame | None = None,
    figures: tuple[PublishedFigure, ...] = PUBLISHED,
    classics: tuple[tuple[ClassicRecord, ...], pd.DataFrame | None] = ((), None),
    **changes: Any,  # noqa: ANN401 - any field of the test data
) -> ScoreResults:
    """Return the results of these predictions."""
    chosen = {
        (fold, 0): ChosenEpoch(epoch=fold, stage=1, dev_loss=0.7, dev_mae=0.6, dev_ccc=0.5)
        for fold in range(1, FOLDS + 1)
    }
    names = sorted(set(table["model"] + ":" + table["preset"]))
    return summarize_scores(
        PredictionTables(table, none_paper, missing, classics[1]),
        held_out(rows, task, **changes),
        trained={name: TrainedVariant(TRAINING, figures, chosen) for name in names},
        training_labels=training_labels(rows, task),
        params=PARAMS,
        classics=classics[0],
    )


def results_of_three(
    task: ScoreTask = "sentiment",
    *,
    n: int = 240,
    seeds: tuple[int, ...] = (0,),
    errors_of_classics: Mapping[str, float] | None = None,
) -> ScoreResults:
    """Return the results of three variants, with side tables for the first, and of classics with these deviations."""
    rows = utterances(n)
    scale = SCALES[task].high - SCALES[task].low
    made = {
        preset: [predictions(rows, preset, error=error * scale / 6, seed=seed, task=task) for seed in seeds]
        for preset, error in (("full", 0.5), ("no-context", 0.55), ("gru", 1.2))
    }
    full = pd.concat(made["full"])
    return results_of(
        pd.concat([table for tables in made.values() for table in tables]),
        rows,
        task=task,
        none_paper=full.assign(score=full["label"] + 0.9 * (full["score"] - full["label"])),
        missing=pd.concat(
            [
                full.assign(missing="audio", score=full["score"] + 0.2),
                full.assign(missing="text", score=full["label"].mean()),
            ]
        ),
        classics=classics(rows, errors_of_classics, task=task) if errors_of_classics else ((), None),
    )
