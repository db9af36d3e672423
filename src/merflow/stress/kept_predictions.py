"""Predictions under a condition, kept in files so that an interrupted suite continues where it stopped."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.tables import conform, read_table, tables_of
from merflow.errors import MerflowError
from merflow.runs.fold_folder import LabelledUtterances, prediction_rows, values_of
from merflow.storage.local import replacing

_FINGERPRINT, _CLASSES = "fingerprint", "classes"


@dataclass(frozen=True)
class KeptPredictions:
    """The predictions of one fold's model under one condition.

    Attributes:
        path: The Parquet file.
        fingerprint: Digest of everything that affects the predictions.
        record: The fold.
    """

    path: Path
    fingerprint: str
    record: FoldRecord

    def read(self) -> np.ndarray | None:
        """Return probabilities ``(U, C)`` or scores ``(U, 1)``, float32; None without any of this fingerprint."""
        if not self.path.is_file():
            return None
        try:
            rows, metadata = read_table(self.path, tables_of(self.record.task).predictions)
        except MerflowError:  # damaged, or from another version: predict again
            return None
        if metadata.get(_FINGERPRINT) != self.fingerprint:
            return None
        return values_of(rows)

    def write(self, rows: pd.DataFrame, predicted: np.ndarray) -> None:
        """Write the predictions of these utterances, with their labels in the task's column, completely or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        record = self.record
        labelled = LabelledUtterances(rows["utterance_id"].tolist(), rows[record.task.column].tolist())
        table = conform(
            prediction_rows(record, labelled, predicted), tables_of(record.task).predictions, where=str(self.path)
        )
        metadata = {_FINGERPRINT: self.fingerprint, _CLASSES: ",".join(record.classes)}
        with replacing(self.path) as part:
            pq.write_table(table.replace_schema_metadata(metadata), part)
