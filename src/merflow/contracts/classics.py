"""Classics: learned baselines that anyone would try first, and the folder that holds each one's predictions.

A classic is trained and tested on the folds of the variants. Its table of predictions has the variants' columns, with
``classic`` as model and its name as preset, and seed 0: a classic draws nothing at random.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import FiniteFloat

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.protocols import Protocol
from merflow.contracts.streams import Modality, Transcript
from merflow.contracts.strict import Strict
from merflow.contracts.tables import PREDICTIONS, SCORE_PREDICTIONS, conform, read_table
from merflow.contracts.task import EMOTION, TaskName
from merflow.errors import EvaluationError
from merflow.storage.local import replacing_folder

MODEL = "classic"
SEED = 0
FORMAT = 1
CLASSIC_RECORD = "classic.json"
_TABLE = "predictions.parquet"
_REMEDY = "run `merflow classics` again into an empty folder"


class ClassicFold(Strict):
    """The choices of one fold.

    Attributes:
        fold: Counted from 1.
        settings: The settings that were chosen on development data, in words; empty if nothing was chosen.
        dev_ua: Development UA of the chosen settings; None for a score.
        dev_mae: Development mean absolute error of a score; None for emotions.
    """

    fold: int
    settings: str
    dev_ua: FiniteFloat | None
    dev_mae: FiniteFloat | None = None

    @property
    def preferred(self) -> float:
        """The development figure for which higher is better: UA, or the negative error."""
        figure = self.dev_ua if self.dev_mae is None else -self.dev_mae
        assert figure is not None, "a fold has one of the two"
        return figure


class ClassicRecord(Strict):
    """Facts about a classic that its predictions do not contain.

    Attributes:
        name: Its name, without the model.
        modalities: Modalities that it reads.
        context: True if it also reads the turns before and after the utterance.
        transcripts: Kind of words that it reads; None without words.
        leak: True for the leak baseline, with which no variant is compared: it reads the same words, but is trained
            without the dialogues and lines that the test part repeats.
        description: What it learns from and how, in a sentence.
        manifest_hash: Version of the corpus.
        split_id: Identity of the splits.
        protocol: Protocol of the splits.
        fingerprint: Digest of the code and of all of the above.
        folds: Choices per fold.
        task: The task; files of earlier versions do not say it.
    """

    name: str
    modalities: tuple[Modality, ...]
    context: bool
    transcripts: Transcript | None
    leak: bool
    description: str
    manifest_hash: str
    split_id: str
    protocol: Protocol
    fingerprint: str
    folds: tuple[ClassicFold, ...]
    task: TaskName = EMOTION

    @property
    def variant(self) -> str:
        """Name among variants, ``classic:name``."""
        return f"{MODEL}:{self.name}"


def write_classic(folder: Path, record: ClassicRecord, predictions: pd.DataFrame) -> None:
    """Write record and predictions into ``folder/<name>``, completely or not at all.

    Raises:
        OutputError: The folder cannot be written.
    """
    with replacing_folder(folder / record.name) as part:
        table = conform(predictions, _schema(record.task), where=f"predictions of {record.variant}")
        pq.write_table(table, part / _TABLE)
        write_typed(part / CLASSIC_RECORD, record, number=FORMAT)


def read_classics(folder: Path) -> tuple[ClassicRecord, ...]:
    """Read the records of all classics in a folder, sorted by name; none if the folder does not exist.

    Raises:
        FormatError: A record is damaged, or of another format.
    """
    paths = sorted(folder.glob(f"*/{CLASSIC_RECORD}"))
    return tuple(read_typed(ClassicRecord, path, number=FORMAT, remedy=_REMEDY) for path in paths)


def classics_on(folder: Path | None, *, split_id: str) -> tuple[ClassicRecord, ...]:
    """Read the records of the classics in a folder; none without a folder.

    Raises:
        EvaluationError: There is no such folder, or it holds a classic of other splits.
        FormatError: A record is damaged, or of another format.
    """
    if folder is None:
        return ()
    if not folder.is_dir():
        raise EvaluationError(f"no such folder: {folder}; write the classics with `merflow classics --out {folder}`")
    records = read_classics(folder)
    for record in records:
        if record.split_id != split_id:
            raise EvaluationError(
                f"{folder / record.name} was trained on splits {record.split_id}, but the given ones are {split_id}; "
                "run `merflow classics` again with these splits"
            )
    return records


def classic_predictions(folder: Path | None, records: Sequence[ClassicRecord]) -> pd.DataFrame | None:
    """Read the predictions of these classics into one table; None if there are none."""
    if folder is None or not records:
        return None
    return read_predictions(folder, [record.name for record in records], task=records[0].task)


def read_predictions(folder: Path, names: Sequence[str], *, task: TaskName = EMOTION) -> pd.DataFrame:
    """Read the predictions of a task's classics into one table.

    Raises:
        CorpusError: A table is missing.
        MerflowError: A table has other columns.
    """
    return pd.concat([read_table(folder / name / _TABLE, _schema(task))[0] for name in names], ignore_index=True)


def _schema(task: TaskName) -> pa.Schema:
    return PREDICTIONS if task == EMOTION else SCORE_PREDICTIONS
