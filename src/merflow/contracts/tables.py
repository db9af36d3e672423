"""The tables that pass between rooms, as Arrow schemas.

A table is checked against its schema once, where it enters a room (:func:`conform`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow.contracts.task import Regression, Task
from merflow.errors import CorpusError, MerflowError

# One row per utterance of the whole release, labelled or not, sorted by dialogue and turn.
# start_s and end_s locate the utterance in its dialogue (video, order). audio_path is the utterance's own recording, or
# the whole dialogue's where audio_of_dialogue is true; then start_s and end_s cut the utterance out of that, too.
# Paths are relative to the corpus root, which the file's metadata names, so that the hash is the same on every machine.
MANIFEST = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("dialogue_id", pa.string(), nullable=False),
        pa.field("turn_index", pa.int32(), nullable=False),
        pa.field("corpus", pa.string(), nullable=False),
        pa.field("session", pa.string(), nullable=False),
        pa.field("speaker", pa.string(), nullable=False),
        pa.field("gender", pa.string()),
        pa.field("scripted", pa.bool_()),
        pa.field("start_s", pa.float64()),
        pa.field("end_s", pa.float64()),
        pa.field("audio_path", pa.string()),
        pa.field("audio_of_dialogue", pa.bool_()),
        pa.field("video_path", pa.string()),
        pa.field("video_side", pa.string()),
        pa.field("transcript", pa.string()),
        pa.field("asr_transcript", pa.string()),
        pa.field("emotion_raw", pa.string()),
        pa.field("emotion", pa.string()),
        pa.field("valence", pa.float64()),
        pa.field("activation", pa.float64()),
        pa.field("dominance", pa.float64()),
        pa.field("n_samples", pa.int64()),
        pa.field("rate_hz", pa.int32()),
        pa.field("official_split", pa.string()),  # train, dev or test, where the corpus brings its own split
        pa.field("sentiment", pa.float64()),  # -3 (very negative) to 3 (very positive), where the corpus is rated so
    ]
)

# Contains only utterances with a label of the task. Folds are counted from 1.
SPLITS = pa.schema(
    [
        pa.field("protocol", pa.string(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("part", pa.string(), nullable=False),
    ]
)

# Every reported number is computed from these rows. `probabilities` is in the class order of the taxonomy.
PREDICTIONS = pa.schema(
    [
        pa.field("run", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("preset", pa.string(), nullable=False),
        pa.field("protocol", pa.string(), nullable=False),
        pa.field("fold", pa.int32(), nullable=False),
        pa.field("seed", pa.int32(), nullable=False),
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("probabilities", pa.list_(pa.float32()), nullable=False),
    ]
)

# The same of a task whose labels are scores (:mod:`merflow.contracts.task`).
SCORE_PREDICTIONS = pa.schema(
    [
        *[field for field in PREDICTIONS if field.name not in ("label", "probabilities")],
        pa.field("label", pa.float64(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
    ]
)

# Predictions without some modalities ("audio", "audio+video", ...), or with other words than in training ("text=asr",
# "text=truth").
MISSING = PREDICTIONS.append(pa.field("missing", pa.string(), nullable=False))
SCORE_MISSING = SCORE_PREDICTIONS.append(pa.field("missing", pa.string(), nullable=False))


class Tables(NamedTuple):
    """The schemas of predictions for a task, whole and with something missing."""

    predictions: pa.Schema
    missing: pa.Schema


def tables_of(task: Task) -> Tables:
    """Return the schemas of a task's predictions."""
    return Tables(SCORE_PREDICTIONS, SCORE_MISSING) if isinstance(task, Regression) else Tables(PREDICTIONS, MISSING)


# The groups of the tested utterances that a model package carries; no words and no paths.
TESTED = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("dialogue_id", pa.string(), nullable=False),
        pa.field("session", pa.string(), nullable=False),
        pa.field("speaker", pa.string(), nullable=False),
        pa.field("gender", pa.string()),
        pa.field("duration_s", pa.float64()),
    ]
)

# Measurements of the tested utterances, with which monitoring compares the clips of traffic. Null where unknown.
MEASURED = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("duration_s", pa.float64()),
        pa.field("level_dbfs", pa.float64()),
        pa.field("words", pa.int32()),
    ]
)

_SWAPPED = {"a manifest": MANIFEST, "splits": SPLITS}


def conform(frame: pd.DataFrame, schema: pa.Schema, *, where: str) -> pa.Table:
    """Return the frame as an Arrow table with exactly this schema.

    Raises:
        MerflowError: A column is missing or unknown, has another type, or holds a null where none is allowed.
    """
    missing = [name for name in schema.names if name not in frame.columns]
    unknown = [str(name) for name in frame.columns if name not in schema.names]
    if missing or unknown:
        raise MerflowError(f"{where}: missing columns {missing}, unknown columns {unknown}; expected {schema.names}")
    nullable = pa.schema([field.with_nullable(True) for field in schema])  # nulls are reported below, with their row
    try:
        table = pa.Table.from_pandas(frame[schema.names], schema=nullable, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise MerflowError(f"{where}: {error}") from error
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            row = table[field.name].is_null().to_pylist().index(True)
            raise MerflowError(f"{where}: column {field.name!r} has no value in row {row}")
    return table.replace_schema_metadata(None).cast(schema)


def read_table(path: Path, schema: pa.Schema) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read rows and metadata of a Parquet file and check them against the schema.

    Raises:
        CorpusError: The file is missing, or is not a Parquet file.
        MerflowError: Its columns differ from the schema; the message says so if it is a manifest or splits.
    """
    if not path.is_file():
        raise CorpusError(f"no such file: {path}")
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise CorpusError(
            f"{path} is not a readable Parquet file: {error}; write it again with the job that made it"
        ) from error
    swapped = next(
        (kind for kind, other in _SWAPPED.items() if other.names == table.schema.names != schema.names), None
    )
    if swapped is not None:
        raise MerflowError(f"it looks like {swapped}; are --manifest and --splits swapped?")
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    frame = conform(table.to_pandas(), schema, where=str(path)).to_pandas()
    return frame, metadata


def select(frame: pd.DataFrame, column: str, values: Sequence[object]) -> pd.DataFrame:
    """Return the rows whose column holds these values, in the order of the values."""
    return frame.set_index(column, drop=False).loc[list(values)].reset_index(drop=True)
