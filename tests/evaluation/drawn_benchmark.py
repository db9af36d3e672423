"""A benchmark whose predictions are drawn: right as often as a test wants them to be."""

from typing import Any

import numpy as np
import pandas as pd

from merflow.contracts.baselines import Baseline
from merflow.contracts.fold_record import ChosenEpoch
from merflow.contracts.params import EvaluationParams
from merflow.contracts.results import Results
from merflow.evaluation.predictions import HeldOut
from merflow.evaluation.summary import PredictionTables, TrainedVariant, summarize
from tests.evaluation.finished import TRAINING, published

CLASSES = ("angry", "happy", "neutral", "sad")
PARAMS = EvaluationParams(bootstrap_samples=400, bootstrap_seed=0, calibration_bins=10, show_words=False)
PUBLISHED = published("iemocap4, session-5fold", WA=60.0, UA=61.5)


def corpus(n: int = 200) -> pd.DataFrame:
    place = np.arange(n)
    return pd.DataFrame(
        {
            "utterance_id": [f"u{i:03d}" for i in place],
            "dialogue_id": [f"d{i // 10:02d}" for i in place],
            "session": [f"Session{i % 5 + 1}" for i in place // 10],
            "speaker": [f"s{i % 10}" for i in place // 10],
        }
    )


def table(
    utterances: pd.DataFrame, preset: str, *, skill: float, seed: int = 0, draw: int = 0, labels: int = 0
) -> pd.DataFrame:
    """Predictions of five folds that are right with about this probability."""
    n = len(utterances)
    label = np.random.default_rng(labels).integers(4, size=n)
    random = np.random.default_rng([draw, seed])
    logits = random.normal(size=(n, 4))
    logits[np.arange(n), label] += np.where(random.random(n) < skill, 3.0, 0.0)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return pd.DataFrame(
        {
            "run": "r",
            "model": "context-mmt",
            "preset": preset,
            "protocol": "session-5fold",
            "fold": utterances["session"].str[-1].astype("int32"),
            "seed": np.int32(seed),
            "utterance_id": utterances["utterance_id"],
            "label": [CLASSES[i] for i in label],
            "probabilities": [row.astype(np.float32) for row in probabilities],
        }
    )


def held_out(utterances: pd.DataFrame, **changes: Any) -> HeldOut:  # noqa: ANN401 - any field
    """Return the utterances of five folds."""
    values: dict[str, Any] = {
        "corpus": "synthetic",
        "manifest_hash": "0" * 16,
        "split_id": "1" * 16,
        "protocol": "session-5fold",
        "classes": CLASSES,
    }
    return HeldOut(utterances=utterances, **{**values, **changes})


def trained(*names: str) -> dict[str, TrainedVariant]:
    """Variants with an epoch chosen per fold; the first one has published figures."""
    chosen = {(fold, 0): ChosenEpoch(epoch=fold, stage=1, dev_ua=0.5, dev_loss=1.0) for fold in range(1, 6)}
    return {name: TrainedVariant(TRAINING, PUBLISHED if name == names[0] else (), chosen) for name in names}


def results_of(
    predictions: pd.DataFrame,
    utterances: pd.DataFrame,
    *,
    none_paper: pd.DataFrame | None = None,
    missing: pd.DataFrame | None = None,
    facts: dict[str, TrainedVariant] | None = None,
    baselines: dict[str, Baseline] | None = None,
    **changes: object,
) -> Results:
    """Return the results of these predictions; ``changes`` apply to the held-out data."""
    names = sorted(set(predictions["model"] + ":" + predictions["preset"]))
    return summarize(
        PredictionTables(predictions, none_paper, missing),
        held_out(utterances, **changes),
        trained=trained(*names) if facts is None else facts,
        params=PARAMS,
        baselines=baselines,
    )
