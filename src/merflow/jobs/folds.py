"""The folder of one trained fold: what is in it, and when it is whole.

``predictions.parquet`` (test), ``history.json`` (per epoch), ``fold.json`` (facts), ``model/`` (a model folder). The
folder is whole when ``fold.json`` is there: it is written last, and holds the fingerprint of all that went in.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from merflow.contracts.errors import EvaluationError
from merflow.contracts.files import read_json, replacing, write_json
from merflow.contracts.tables import PREDICTIONS, conform, read_table
from merflow.corpus.splits import ids
from merflow.jobs.fold_inputs import FoldInputs
from merflow.training.history import FoldHistory

FACTS = "fold.json"
PREDICTIONS_FILE = "predictions.parquet"
HISTORY = "history.json"
MODEL = "model"
STANDARDIZER = "standardizer.safetensors"


def write_predictions(folder: Path, inputs: FoldInputs, *, probabilities: np.ndarray) -> None:
    """One row a test utterance; ``probabilities`` is ``(utterances, C)`` in the order of the splits."""
    tested = ids(inputs.splits, fold=inputs.fold, part="test")
    labels = inputs.labels
    frame = pd.DataFrame(
        {
            "run": inputs.fingerprint,
            "model": inputs.preset.model,
            "preset": inputs.preset.name,
            "protocol": inputs.splits.protocol,
            "fold": inputs.fold,
            "seed": inputs.params.seed,
            "utterance_id": tested,
            "label": [labels[utterance] for utterance in tested],
            "probabilities": list(probabilities),
        }
    )
    with replacing(folder / PREDICTIONS_FILE) as part:
        table = conform(frame, PREDICTIONS, where=str(folder / PREDICTIONS_FILE))
        pq.write_table(table.replace_schema_metadata(_metadata(inputs)), part)


def _metadata(inputs: FoldInputs) -> dict[str, str]:
    return {
        "classes": ",".join(inputs.classes),
        "selection": inputs.selection,
        "split_id": inputs.splits.split_id,
        "manifest_hash": inputs.manifest.hash,
        "stages": ",".join(inputs.stages),
    }


def write_history(folder: Path, history: FoldHistory) -> None:
    """Per-epoch figures, first epoch first."""
    write_json(folder / HISTORY, history.rows())


def write_facts(folder: Path, inputs: FoldInputs, history: FoldHistory) -> None:
    """What the fold is and stands on; the file that makes the folder whole."""
    best = history.best
    write_json(
        folder / FACTS,
        {
            "fingerprint": inputs.fingerprint,
            "variant": inputs.preset.variant,
            "fold": inputs.fold,
            "seed": inputs.params.seed,
            "protocol": inputs.splits.protocol,
            "development_data": inputs.splits.development,
            "selection": inputs.selection,
            "stages": list(inputs.stages),
            "git_commit": inputs.git_commit,
            "params": inputs.settings,
            "manifest_hash": inputs.manifest.hash,
            "split_id": inputs.splits.split_id,
            "profile": inputs.profile_name,
            "encoder_keys": inputs.encoder_keys,
            "development": {"best_epoch": best.epoch, "dev_ua": best.dev_ua, "dev_loss": best.dev_loss},
            "epochs": len(history.epochs),
            "seconds": sum(epoch.seconds for epoch in history.epochs),
        },
    )


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts of a whole fold.

    Raises:
        EvaluationError: The folder is no whole fold.
    """
    file = folder / FACTS
    if not file.is_file():
        raise EvaluationError(f"{folder} is no trained fold: {FACTS} is missing; train it again")
    facts: dict[str, Any] = read_json(file)
    return facts


def is_whole(folder: Path, *, fingerprint: str) -> bool:
    """Whether the folder holds the finished fold of exactly these inputs."""
    return (folder / FACTS).is_file() and read_facts(folder)["fingerprint"] == fingerprint


def read_predictions(folder: Path) -> pd.DataFrame:
    """The fold's test predictions."""
    return read_table(folder / PREDICTIONS_FILE, PREDICTIONS)[0]


def read_history(folder: Path) -> list[dict[str, float]]:
    """Per-epoch figures, first epoch first."""
    rows: list[dict[str, float]] = read_json(folder / HISTORY)
    return rows
