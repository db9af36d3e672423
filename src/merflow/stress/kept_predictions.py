"""Predictions under a condition, kept in files so that an interrupted suite goes on where it stopped."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.tables import PREDICTIONS, conform, read_table
from merflow.errors import MerflowError
from merflow.storage.local import replacing

_FINGERPRINT, _CLASSES = "fingerprint", "classes"


@dataclass(frozen=True)
class KeptPredictions:
    """The predictions of one fold's model under one condition.

    Attributes:
        path: The Parquet file.
        fingerprint: Digest of all that decides the predictions.
        record: The fold.
    """

    path: Path
    fingerprint: str
    record: FoldRecord

    def read(self) -> np.ndarray | None:
        """Return probabilities ``(U, C)`` float32; None if there are none, or those of something else."""
        if not self.path.is_file():
            return None
        try:
            rows, metadata = read_table(self.path, PREDICTIONS)
        except MerflowError:  # damaged, or of another version: it is predicted again
            return None
        if metadata.get(_FINGERPRINT) != self.fingerprint:
            return None
        return np.stack(rows["probabilities"].to_list()).astype(np.float32)

    def write(self, rows: pd.DataFrame, probabilities: np.ndarray) -> None:
        """Keep the predictions of these utterances, whole or not at all.

        Raises:
            OutputError: The file cannot be written.
        """
        record = self.record
        table = pd.DataFrame(
            {
                "run": record.fingerprint,
                "model": record.model,
                "preset": record.preset,
                "protocol": record.protocol,
                "fold": record.fold,
                "seed": record.seed,
                "utterance_id": rows["utterance_id"].tolist(),
                "label": rows["emotion"].tolist(),
                "probabilities": list(probabilities),
            }
        )
        metadata = {_FINGERPRINT: self.fingerprint, _CLASSES: ",".join(record.classes)}
        with replacing(self.path) as part:
            pq.write_table(conform(table, PREDICTIONS, where=str(self.path)).replace_schema_metadata(metadata), part)
