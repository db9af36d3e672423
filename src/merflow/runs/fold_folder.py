"""The folder of one trained fold: what is in it, and when it is whole.

``predictions.parquet`` (test), ``history.json`` (per epoch), ``fold.json`` (facts), ``model/`` (a model folder). The
folder is whole when ``fold.json`` is there: it is written last, and holds the fingerprint of all that went in.

Beside them, and never among the predictions: ``missing.parquet`` (test, with modalities taken away where the model has
several, and with the other kind of words where it reads text and the corpus has both), and ``none-paper.parquet``
(test, of the epoch that the test part itself likes best) where it is asked for. ``inspection.safetensors`` is what a
report shows of the model: embeddings of the test part, maps of some utterances.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow.contracts.protocols import NONE_PAPER
from merflow.contracts.tables import MISSING, PREDICTIONS, conform, read_table
from merflow.corpus.splitting.splits import ids
from merflow.errors import EvaluationError, OutputError
from merflow.evaluation.inspected import Inspected
from merflow.features.extraction.transcripts import transcript_of
from merflow.folds.inputs import FoldInputs
from merflow.runs.provenance import environment
from merflow.storage.local import read_json, read_record, replacing, write_json
from merflow.training.history import FoldHistory
from merflow.training.shadow import Shadow

FACTS = "fold.json"
PREDICTIONS_FILE = "predictions.parquet"
NONE_PAPER_FILE = "none-paper.parquet"
MISSING_FILE = "missing.parquet"
HISTORY = "history.json"
INSPECTION = "inspection.safetensors"
MODEL = "model"
STANDARDIZER = "standardizer.safetensors"
# Of the facts, what a reader takes without asking whether it is there.
NEEDED = (
    *("fingerprint", "variant", "fold", "seed", "protocol", "development_data", "selection", "stages", "transcripts"),
    *("transcripts_of_preset", "git_commit", "params", "manifest_hash", "split_id", "profile", "encoder_keys"),
    "development",
)


def write_predictions(folder: Path, inputs: FoldInputs, *, probabilities: np.ndarray) -> None:
    """One row a test utterance; ``probabilities`` is ``(utterances, C)`` in the order of the splits."""
    _write(folder / PREDICTIONS_FILE, _frame(inputs, probabilities), inputs, schema=PREDICTIONS)


def write_shadow(folder: Path, inputs: FoldInputs, *, shadow: Shadow) -> None:
    """As :func:`write_predictions`, of the epoch that the test part likes best."""
    path = folder / NONE_PAPER_FILE
    _write(path, _frame(inputs, shadow.probabilities), inputs, schema=PREDICTIONS, selection=NONE_PAPER)


def write_missing(folder: Path, inputs: FoldInputs, *, found: Mapping[str, np.ndarray]) -> None:
    """As :func:`write_predictions`, for each thing that was missing, as the column of that name knows it."""
    frames = [_frame(inputs, values).assign(missing=gone) for gone, values in found.items()]
    _write(folder / MISSING_FILE, pd.concat(frames, ignore_index=True), inputs, schema=MISSING)


def _frame(inputs: FoldInputs, probabilities: np.ndarray) -> pd.DataFrame:
    tested = ids(inputs.splits, fold=inputs.fold, part="test")
    labels = inputs.labels
    return pd.DataFrame(
        {
            "run": inputs.fingerprint,
            "model": inputs.preset.model,
            "preset": inputs.preset.name,
            "protocol": inputs.splits.protocol,
            "fold": inputs.fold,
            "seed": inputs.seed,
            "utterance_id": tested,
            "label": [labels[utterance] for utterance in tested],
            "probabilities": list(probabilities),
        }
    )


def _write(
    path: Path, frame: pd.DataFrame, inputs: FoldInputs, *, schema: pa.Schema, selection: str | None = None
) -> None:
    metadata = _metadata(inputs) | ({"selection": selection} if selection else {})
    with replacing(path) as part:
        pq.write_table(conform(frame, schema, where=str(path)).replace_schema_metadata(metadata), part)


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


def write_facts(folder: Path, inputs: FoldInputs, history: FoldHistory, *, shadow: Shadow | None) -> None:
    """What the fold is and stands on; the file that makes the folder whole."""
    best = history.best
    none_paper = None if shadow is None else {"epoch": shadow.epoch, "selection": NONE_PAPER}
    write_json(
        folder / FACTS,
        {
            "fingerprint": inputs.fingerprint,
            "variant": inputs.preset.variant,
            "origin": inputs.preset.origin,
            "fold": inputs.fold,
            "seed": inputs.seed,
            "protocol": inputs.splits.protocol,
            "development_data": inputs.splits.development,
            "selection": inputs.selection,
            "stages": list(inputs.stages),
            "transcripts": inputs.transcript,
            "transcripts_of_preset": transcript_of(inputs.config.streams()),
            "git_commit": inputs.git_commit,
            "environment": environment(),
            "params": inputs.settings,
            "corpus": inputs.manifest.corpus,
            "manifest_hash": inputs.manifest.hash,
            "split_id": inputs.splits.split_id,
            "data_md5": dict(inputs.data_md5),
            "profile": inputs.profile_name,
            "encoder_keys": inputs.encoder_keys,
            "development": {"best_epoch": best.epoch, "dev_ua": best.dev_ua, "dev_loss": best.dev_loss},
            "none_paper": none_paper,
            "epochs": len(history.epochs),
            "seconds": sum(epoch.seconds for epoch in history.epochs),
        },
    )


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts of a whole fold.

    Raises:
        EvaluationError: The folder is no whole fold.
        MerflowError: Its facts are garbled, or another version wrote them.
    """
    file = folder / FACTS
    if not file.is_file():
        raise EvaluationError(f"{folder} is no trained fold: {FACTS} is missing; train it again")
    return read_record(file, keys=NEEDED, mend="train the fold again, with the command that trained it")


def is_whole(folder: Path, *, fingerprint: str) -> bool:
    """Whether the folder holds the finished fold of exactly these inputs."""
    file = folder / FACTS
    return file.is_file() and read_json(file).get("fingerprint") == fingerprint


def check_place(folder: Path, inputs: FoldInputs) -> None:
    """That the fold, trained again, would replace nothing but itself.

    Raises:
        OutputError: The folder is a file, or holds another fold, this fold of other splits, or something else.
    """
    if folder.is_file():
        raise OutputError(f"{folder} is a file; name a folder with --out")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / FACTS).is_file():
        raise OutputError(
            f"{folder} is there and is no trained fold ({FACTS} is missing); name a folder that is not there"
        )
    facts = read_json(folder / FACTS)
    ours = {"variant": inputs.preset.variant, "fold": inputs.fold, "seed": inputs.seed}
    ours |= {"split_id": inputs.splits.split_id, "protocol": inputs.splits.protocol}
    if other := [f"{name} {facts[name]}" for name, value in ours.items() if facts.get(name, value) != value]:
        raise OutputError(
            f"{folder} holds what was trained before with {', '.join(other)}, and {inputs.item} would replace it; "
            "name another folder, or delete this one"
        )


def read_predictions(folder: Path) -> pd.DataFrame:
    """The fold's test predictions."""
    return read_table(folder / PREDICTIONS_FILE, PREDICTIONS)[0]


def read_shadow(folder: Path) -> pd.DataFrame | None:
    """The test predictions of the test-selected epoch; None where nobody asked for them."""
    path = folder / NONE_PAPER_FILE
    return read_table(path, PREDICTIONS)[0] if path.is_file() else None


def read_missing(folder: Path) -> pd.DataFrame | None:
    """The test predictions without modalities or with other words, named in ``missing``; None where there are none."""
    path = folder / MISSING_FILE
    return read_table(path, MISSING)[0] if path.is_file() else None


def read_history(folder: Path) -> list[dict[str, float]]:
    """Per-epoch figures, first epoch first."""
    rows: list[dict[str, float]] = read_json(folder / HISTORY)
    return rows


def read_inspection(folder: Path) -> Inspected | None:
    """What the fold shows of its test part; None where an earlier version trained it."""
    path = folder / INSPECTION
    return Inspected.load(path) if path.is_file() else None
