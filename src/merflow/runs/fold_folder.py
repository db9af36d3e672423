"""The folder of one trained fold: its files, and the rule for its completeness.

``model/`` is a model folder. Its fold record (:mod:`merflow.contracts.fold_record`) stores everything known about the
fold, so a folder is complete when that record is there. ``predictions.parquet`` holds the test predictions,
``history.json`` the metrics of every epoch.

Two more tables hold predictions that are never counted as the fold's own. ``missing.parquet`` has the test part with
modalities removed, and with the other kind of transcript if the corpus has both. ``none-paper.parquet`` has the test
predictions of the test-selected epoch if the shadow selection is on. ``inspection.safetensors`` holds the data that a
report shows of the model: embeddings of the test part, and maps of some utterances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow.contracts.fold_record import FOLD_RECORD, FORMAT, REMEDY, FoldRecord, read_fold_record
from merflow.contracts.formats import refused
from merflow.contracts.planned_fold import PlannedFold
from merflow.contracts.selection import Selection, none_paper_of
from merflow.contracts.tables import conform, read_table, tables_of
from merflow.contracts.task import Regression
from merflow.errors import EvaluationError, FormatError, MerflowError, OutputError
from merflow.evaluation.inspection_file import FoldInspection
from merflow.storage.local import read_json, replacing

MODEL = "model"
RECORD = f"{MODEL}/{FOLD_RECORD}"
INSPECTION = "inspection.safetensors"
PREDICTIONS_FILE = "predictions.parquet"
_NONE_PAPER_FILE = "none-paper.parquet"
_MISSING_FILE = "missing.parquet"
# The file of the first format, which made a fold's folder complete.
FIRST_FORMAT = "fold.json"


@dataclass(frozen=True)
class LabelledUtterances:
    """The utterances of a part of a fold with their labels, emotions or scores, in the order of the splits."""

    utterance_ids: Sequence[str]
    labels: Sequence[str] | Sequence[float]


def write_predictions(folder: Path, fold: PlannedFold, tested: LabelledUtterances, predicted: np.ndarray) -> None:
    """Write one row per test utterance.

    Args:
        folder: The fold's folder.
        fold: The fold.
        tested: Its test utterances.
        predicted: Probabilities ``(utterances, C)`` in the order of ``tested``, or scores ``(utterances, 1)``.

    Raises:
        OutputError: The folder cannot be written.
    """
    rows = prediction_rows(fold, tested, predicted)
    _write(folder / PREDICTIONS_FILE, rows, fold, schema=tables_of(fold.task).predictions, selection=fold.selection)


def write_none_paper(folder: Path, fold: PlannedFold, tested: LabelledUtterances, predicted: np.ndarray) -> None:
    """Write the test predictions of the test-selected epoch; see :func:`write_predictions`."""
    rows, selection = prediction_rows(fold, tested, predicted), none_paper_of(fold.task)
    _write(folder / _NONE_PAPER_FILE, rows, fold, schema=tables_of(fold.task).predictions, selection=selection)


def write_missing(
    folder: Path, fold: PlannedFold, tested: LabelledUtterances, *, by_missing: Mapping[str, np.ndarray]
) -> None:
    """Write the predictions for each missing input, named as in :data:`merflow.contracts.tables.MISSING`."""
    tables = [prediction_rows(fold, tested, values).assign(missing=missing) for missing, values in by_missing.items()]
    rows = pd.concat(tables, ignore_index=True)
    _write(folder / _MISSING_FILE, rows, fold, schema=tables_of(fold.task).missing, selection=fold.selection)


def prediction_rows(fold: PlannedFold, labelled: LabelledUtterances, predicted: np.ndarray) -> pd.DataFrame:
    """Return one row per utterance, as :func:`merflow.contracts.tables.tables_of` has it; arguments as when written."""
    column, values = ("score", predicted[:, 0]) if is_score(fold) else ("probabilities", list(predicted))
    return pd.DataFrame(
        {
            "run": fold.fingerprint,
            "model": fold.model,
            "preset": fold.preset,
            "protocol": fold.protocol,
            "fold": fold.fold,
            "seed": fold.seed,
            "utterance_id": list(labelled.utterance_ids),
            "label": list(labelled.labels),
            column: values,
        }
    )


def values_of(rows: pd.DataFrame) -> np.ndarray:
    """Return the predictions of such rows: probabilities ``(U, C)`` or scores ``(U, 1)``, float32."""
    values = rows[["score"]].to_numpy() if "score" in rows else np.stack(rows["probabilities"].to_list())
    return np.asarray(values, dtype=np.float32)


def is_score(fold: PlannedFold) -> bool:
    """Return True if the fold's model predicts a score."""
    return isinstance(fold.task, Regression)


def _write(path: Path, rows: pd.DataFrame, fold: PlannedFold, *, schema: pa.Schema, selection: Selection) -> None:
    """Write a self-contained table: its metadata names classes or task, and the rule that selected the epoch."""
    metadata = prediction_metadata(fold, selection=selection)
    with replacing(path) as part:
        pq.write_table(conform(rows, schema, where=str(path)).replace_schema_metadata(metadata), part)


def prediction_metadata(fold: PlannedFold, *, selection: Selection) -> dict[str, str]:
    """Return the metadata of a table of predictions: classes or task, and the rule that chose the epoch."""
    labels = {"task": fold.task.name} if is_score(fold) else {"classes": ",".join(fold.classes)}
    return {**labels, "selection": str(selection)}


def read_record(folder: Path) -> FoldRecord:
    """Read the record of a trained fold.

    Raises:
        EvaluationError: The folder is not a trained fold.
        FormatError: Another version of merflow wrote it, or its record is damaged.
    """
    if (folder / RECORD).is_file():
        return read_fold_record(folder / MODEL)
    if (folder / FIRST_FORMAT).is_file():
        raise refused(folder / FIRST_FORMAT, number=FORMAT, remedy=REMEDY)
    raise EvaluationError(f"{folder} is not a trained fold: {RECORD} is missing; train it again")


def is_fold(folder: Path) -> bool:
    """Return True if the folder holds a trained fold, of this or of an earlier format."""
    return (folder / RECORD).is_file() or (folder / FIRST_FORMAT).is_file()


def folds_below(folder: Path) -> list[Path]:
    """List the folders of trained folds below a folder, those of earlier formats included, the oldest first."""
    models = [path for path in folder.rglob(FOLD_RECORD) if path.parent.name == MODEL and path.parent != folder]
    records = [(path, path.parent.parent) for path in models]
    records += [(path, path.parent) for path in folder.rglob(FIRST_FORMAT)]
    ordered = sorted(records, key=lambda pair: pair[0])
    ordered.sort(key=lambda pair: pair[0].stat().st_mtime)
    return list(dict.fromkeys(fold for _, fold in ordered))


def is_complete(folder: Path, *, fingerprint: str) -> bool:
    """Return True if the folder holds the finished fold of exactly this fingerprint."""
    try:
        return (folder / RECORD).is_file() and read_record(folder).fingerprint == fingerprint
    except FormatError:
        return False


def check_replaceable(folder: Path, fold: PlannedFold) -> None:
    """Raise if training the fold into this folder would replace anything except an earlier version of the same fold.

    Raises:
        OutputError: The folder is a file, or holds another fold, this fold of other splits, or something else.
    """
    if folder.is_file():
        raise OutputError(f"{folder} is a file; name a folder with --out")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not is_fold(folder):
        raise OutputError(
            f"{folder} exists and is not a trained fold ({RECORD} is missing); name a folder that does not exist yet"
        )
    try:
        earlier = _identity_in(folder)
    except MerflowError as error:
        raise OutputError(f"{error}; name another folder, or delete {folder}") from error
    differing = [f"{name} {earlier[name]}" for name, value in _identity(fold).items() if earlier[name] != value]
    if differing:
        raise OutputError(
            f"{folder} holds a fold that was trained with {', '.join(differing)}, and {fold.fold_id} would replace "
            "it; name another folder, or delete this one"
        )


def _identity(fold: PlannedFold) -> dict[str, Any]:
    return {
        "variant": fold.variant,
        "fold": fold.fold,
        "seed": fold.seed,
        "split_id": fold.split_id,
        "protocol": fold.protocol,
    }


def _identity_in(folder: Path) -> dict[str, Any]:
    if (folder / RECORD).is_file():
        return _identity(read_record(folder))
    content = read_json(folder / FIRST_FORMAT)
    known = content if isinstance(content, dict) else {}
    return {name: known.get(name) for name in ("variant", "fold", "seed", "split_id", "protocol")}


def read_predictions(folder: Path) -> pd.DataFrame:
    """Read the fold's test predictions: probabilities, or scores if the task is a score."""
    return read_table(folder / PREDICTIONS_FILE, tables_of(read_record(folder).task).predictions)[0]


def read_none_paper(folder: Path) -> pd.DataFrame | None:
    """Read the test predictions of the test-selected epoch; None if the shadow selection was off."""
    path = folder / _NONE_PAPER_FILE
    return read_table(path, tables_of(read_record(folder).task).predictions)[0] if path.is_file() else None


def read_missing(folder: Path) -> pd.DataFrame | None:
    """Read the test predictions with missing modalities or other transcripts; None if the fold has none."""
    path = folder / _MISSING_FILE
    return read_table(path, tables_of(read_record(folder).task).missing)[0] if path.is_file() else None


def read_inspection(folder: Path) -> FoldInspection | None:
    """Read the fold's inspection of its test part; None if it has none."""
    path = folder / INSPECTION
    return FoldInspection.load(path) if path.is_file() else None
