"""Outcomes of a classic on all folds, as a table of predictions and a record."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from merflow.classics.catalogue import Classic, WordClassic, modalities_of
from merflow.classics.decisions import Outcome
from merflow.classics.folds import Fold
from merflow.classics.regression import ScoreOutcome
from merflow.contracts.classics import MODEL, SEED, ClassicFold, ClassicRecord
from merflow.contracts.streams import Transcript
from merflow.contracts.task import EMOTION
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.splits import Splits


def record_of(
    classic: Classic,
    *,
    name: str,
    transcripts: Transcript | None,
    manifest: Manifest,
    splits: Splits,
    fingerprint: str,
    folds: Sequence[ClassicFold],
) -> ClassicRecord:
    """Return the record of a classic."""
    return ClassicRecord(
        name=name,
        modalities=tuple(modalities_of(classic)),
        context=name.removesuffix("-asr").endswith("-context"),
        transcripts=transcripts,
        leak=isinstance(classic, WordClassic) and classic.leak,
        description=classic.of_scores if splits.params.named_task != EMOTION else classic.description,
        task=splits.params.named_task,
        manifest_hash=manifest.hash,
        split_id=splits.split_id,
        protocol=splits.protocol,
        fingerprint=fingerprint,
        folds=tuple(folds),
    )


def table_of(
    name: str,
    folds: Sequence[Fold],
    outcomes: Sequence[Outcome | ScoreOutcome],
    *,
    manifest: Manifest,
    splits: Splits,
) -> pd.DataFrame:
    """Return the test predictions of all folds.

    They are rows of :data:`merflow.contracts.tables.PREDICTIONS`, or of
    :data:`merflow.contracts.tables.SCORE_PREDICTIONS`.
    """
    classes = np.array(manifest.classes, dtype=object)
    tables = [
        pd.DataFrame(
            {
                "run": splits.split_id,
                "model": MODEL,
                "preset": name,
                "protocol": splits.protocol,
                "fold": fold.number,
                "seed": SEED,
                "utterance_id": fold.ids["test"],
                **_predicted(outcome, fold.labels["test"], classes=classes),
            }
        )
        for fold, outcome in zip(folds, outcomes, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def _predicted(outcome: Outcome | ScoreOutcome, labels: np.ndarray, *, classes: np.ndarray) -> dict[str, Any]:
    if isinstance(outcome, ScoreOutcome):
        return {"label": labels, "score": outcome.scores}
    return {"label": classes[labels], "probabilities": list(outcome.probabilities.astype(np.float32))}


def fused(
    words: pd.DataFrame,
    audio: Mapping[str, pd.DataFrame],
    *,
    records: Mapping[str, ClassicRecord],
    folds: Sequence[Fold],
) -> list[Outcome | ScoreOutcome]:
    """Return, per fold, the mean predictions of a word classic and the best audio classic.

    Args:
        words: Predictions of the word classic.
        audio: Predictions of the audio classics, by name.
        records: Their records. The best development figure decides; in a tie, the first one.
        folds: The folds.
    """
    outcomes: list[Outcome | ScoreOutcome] = []
    for place, fold in enumerate(folds):
        chosen = {name: record.folds[place] for name, record in records.items()}
        best = max(audio, key=lambda name: chosen[name].preferred)
        tables, figures = (words, audio[best]), chosen[best]
        if figures.dev_mae is not None:
            scores = [_rows(table, fold)["score"].to_numpy(dtype=np.float64) for table in tables]
            outcomes.append(ScoreOutcome(f"with {best}", figures.dev_mae, np.mean(scores, axis=0)))
        else:
            assert figures.dev_ua is not None
            both = [_probabilities(table, fold) for table in tables]
            outcomes.append(Outcome(f"with {best}", figures.dev_ua, np.mean(both, axis=0)))
    return outcomes


def _rows(table: pd.DataFrame, fold: Fold) -> pd.DataFrame:
    return table[table["fold"] == fold.number].set_index("utterance_id").loc[fold.ids["test"]]


def _probabilities(table: pd.DataFrame, fold: Fold) -> np.ndarray:
    rows = _rows(table, fold)["probabilities"]
    return np.stack([np.asarray(row, dtype=np.float64) for row in rows])
