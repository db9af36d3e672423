"""Outcomes of a classic on all folds as a table of predictions and a record."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from merflow.classics.catalogue import Classic, WordClassic, modalities_of
from merflow.classics.decisions import Outcome
from merflow.classics.folds import Fold
from merflow.contracts.classics import MODEL, SEED, ClassicFold, ClassicRecord
from merflow.contracts.streams import Transcript
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
        description=classic.description,
        manifest_hash=manifest.hash,
        split_id=splits.split_id,
        protocol=splits.protocol,
        fingerprint=fingerprint,
        folds=tuple(folds),
    )


def table_of(
    name: str, folds: Sequence[Fold], outcomes: Sequence[Outcome], *, manifest: Manifest, splits: Splits
) -> pd.DataFrame:
    """Return the test predictions of all folds, rows of :data:`merflow.contracts.tables.PREDICTIONS`."""
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
                "label": classes[fold.labels["test"]],
                "probabilities": list(outcome.probabilities.astype(np.float32)),
            }
        )
        for fold, outcome in zip(folds, outcomes, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def fused(
    words: pd.DataFrame,
    audio: Mapping[str, pd.DataFrame],
    *,
    dev_ua: Mapping[str, Mapping[int, float]],
    folds: Sequence[Fold],
) -> list[Outcome]:
    """Return, per fold, the mean probabilities of a classic of words and the best classic of audio.

    Args:
        words: Predictions of the classic of words.
        audio: Predictions of the classics of audio, by name.
        dev_ua: Development UA by classic of audio and fold; the highest decides, and the first of equals.
        folds: The folds.
    """
    outcomes = []
    for fold in folds:
        best = max(audio, key=lambda name: dev_ua[name][fold.number])
        both = [_probabilities(table, fold) for table in (words, audio[best])]
        outcomes.append(Outcome(f"with {best}", dev_ua[best][fold.number], np.mean(both, axis=0)))
    return outcomes


def _probabilities(table: pd.DataFrame, fold: Fold) -> np.ndarray:
    rows = table[table["fold"] == fold.number].set_index("utterance_id")["probabilities"]
    return np.stack([np.asarray(row, dtype=np.float64) for row in rows.loc[fold.ids["test"]]])
