"""Measurements of the tested utterances, to which monitoring compares traffic."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from merflow.contracts.tables import MEASURED
from merflow.contracts.transcripts import TRANSCRIPT_COLUMNS
from merflow.corpus.manifest import recording_of
from merflow.corpus.samples import Excerpt, level_dbfs, read_samples
from merflow.errors import CorpusError

_STEP = 100


def measurements(
    rows: pd.DataFrame, *, root: Path, transcripts: str | None, measured: Callable[[int, int], None]
) -> pd.DataFrame:
    """Return a row of :data:`merflow.contracts.tables.MEASURED` per utterance; unknown values are null.

    Args:
        rows: Rows of the manifest, with ``duration_s``.
        root: Folder of the corpus.
        transcripts: Kind of transcripts that the model reads; None if it reads none.
        measured: Called from time to time with the number of finished recordings and their total.
    """
    levels: list[float | None] = []
    for number, row in enumerate(rows.to_dict("records"), start=1):
        recording = recording_of(row, root=root)
        levels.append(None if recording is None else _level(recording))
        if number % _STEP == 0 or number == len(rows):
            measured(number, len(rows))
    spoken = rows[TRANSCRIPT_COLUMNS["asr" if transcripts == "asr" else "truth"]]
    table = pd.DataFrame(
        {
            "utterance_id": rows["utterance_id"].to_numpy(),
            "duration_s": rows["duration_s"].to_numpy(),
            "level_dbfs": pd.array(levels, dtype="Float64"),
            "words": pd.array([None if pd.isna(text) else len(text.split()) for text in spoken], dtype="Int32"),
        }
    )
    return table[MEASURED.names]


def _level(recording: Path | Excerpt) -> float | None:
    """Return the level of a recording, measured as by the server; None if it can no longer be read."""
    try:
        return level_dbfs(read_samples(recording, n_samples=None, resample=True))
    except CorpusError:
        return None
