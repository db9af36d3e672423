"""The manifest: one row an utterance of a whole corpus, labelled or not, and its content hash, the corpus version."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow.contracts.tables import MANIFEST, conform, read_table
from merflow.errors import CorpusError, MerflowError
from merflow.storage.local import replacing

_HASHED_ROWS = 1000  # rows that are text at a time while hashing


@dataclass(frozen=True, eq=False)
class Manifest:
    """A corpus as a table.

    Attributes:
        rows: Columns of :data:`merflow.contracts.tables.MANIFEST`, sorted by dialogue_id and turn_index, index 0..n-1.
        root: Absolute corpus folder; ``audio_path`` and ``video_path`` are relative to it.
        corpus: ``iemocap`` (a real release), ``synthetic`` or ``table``.
        taxonomy: Name of the taxonomy that made the ``emotion`` column.
    """

    rows: pd.DataFrame
    root: Path
    corpus: str
    taxonomy: str

    @property
    def hash(self) -> str:
        """SHA-256 of the rows as 16 hexadecimal digits; neither ``root`` nor the machine takes part."""
        table = conform(self.rows, MANIFEST, where="manifest")
        sha = hashlib.sha256(_line(table.column_names))
        for batch in table.to_batches(max_chunksize=_HASHED_ROWS):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                sha.update(_line(row))
        return sha.hexdigest()[:16]


def build_manifest(rows: Sequence[Mapping[str, Any]], *, root: Path, corpus: str, taxonomy: str) -> Manifest:
    """Rows in any order as a manifest.

    Args:
        rows: Values by column; an absent column is null. ``corpus`` is filled in.
        root: Corpus folder.
        corpus: Kind of corpus.
        taxonomy: Name of the taxonomy of ``emotion``.

    Raises:
        MerflowError: A value has the wrong type, or a column that every utterance needs is null.
    """
    try:
        table = pa.Table.from_pylist([{**row, "corpus": corpus} for row in rows], schema=MANIFEST)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise MerflowError(f"manifest of {root}: {error}") from error
    table = table.sort_by([(name, "ascending") for name in ("dialogue_id", "turn_index", "utterance_id")])
    frame = conform(table.to_pandas(), MANIFEST, where=f"manifest of {root}").to_pandas()
    return Manifest(rows=frame, root=root.resolve(), corpus=corpus, taxonomy=taxonomy)


def write_manifest(manifest: Manifest, path: Path) -> None:
    """The manifest as Parquet; root, corpus, taxonomy and hash are the file's metadata.

    Raises:
        OutputError: The folder is read-only, the disk full.
    """
    metadata = {
        "root": str(manifest.root),
        "corpus": manifest.corpus,
        "taxonomy": manifest.taxonomy,
        "hash": manifest.hash,
    }
    table = conform(manifest.rows, MANIFEST, where=f"manifest for {path}").replace_schema_metadata(metadata)
    with replacing(path) as part:
        pq.write_table(table, part)


def read_manifest(path: Path) -> Manifest:
    """A manifest that :func:`write_manifest` wrote.

    Raises:
        CorpusError: The file is missing, is no manifest, or its rows are not those that were written.
    """
    if not path.is_file():
        raise CorpusError(f"no such file: {path}; pass a manifest, as `merflow data index` writes it")
    try:
        rows, metadata = read_table(path, MANIFEST)
    except CorpusError:
        raise
    except MerflowError as error:
        raise CorpusError(f"{path} is no manifest: {error}") from error
    lacking = [key for key in ("root", "corpus", "taxonomy", "hash") if key not in metadata]
    if lacking:
        raise CorpusError(f"{path} is no manifest: its metadata lacks {', '.join(lacking)}; index the corpus again")
    manifest = Manifest(
        rows=rows, root=Path(metadata["root"]), corpus=metadata["corpus"], taxonomy=metadata["taxonomy"]
    )
    if manifest.hash != metadata["hash"]:
        raise CorpusError(
            f"{path} was changed after it was written: its rows hash to {manifest.hash}, "
            f"recorded is {metadata['hash']}; index the corpus again"
        )
    return manifest


def _line(values: Sequence[Any]) -> bytes:
    # JSON writes a float as its shortest exact decimal, so that the bytes are the same on every machine.
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"
