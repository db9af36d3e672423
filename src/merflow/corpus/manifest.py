"""The manifest: one row per utterance of a corpus, labelled or not; its content hash is the version of the corpus."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from merflow.contracts.corpus_validation import Validation
from merflow.contracts.joined import Joined
from merflow.contracts.params import AcceptedDifference, TagRule
from merflow.contracts.tables import MANIFEST, conform, read_table
from merflow.contracts.taxonomy import TAXONOMIES, Taxonomy, parse_taxonomy
from merflow.corpus.samples import Excerpt
from merflow.errors import CorpusError, LabelError, MerflowError
from merflow.storage.local import replacing

# Columns that few corpora have. An empty one is not hashed, so that the other corpora keep their version.
_RARE = ("audio_of_dialogue", "official_split", "sentiment")
# Accepted differences from a release after which results cannot be compared with those on the release.
_TELLING: tuple[AcceptedDifference, ...] = ("missing-sessions", "four-classes", "other-split", "other-scores")
_HASHED_ROWS = 1000  # rows that are hashed at a time, which bounds the memory


@dataclass(frozen=True, eq=False)
class Manifest:
    """A corpus as a table.

    Attributes:
        rows: Columns of :data:`merflow.contracts.tables.MANIFEST`, sorted by dialogue_id and turn_index, index 0..n-1.
        root: Absolute corpus folder; ``audio_path`` and ``video_path`` are relative to it.
        corpus: Kind of corpus, a key of :data:`merflow.corpus.readers.catalogue.READERS`; of joined corpora, their
            names.
        taxonomy: Taxonomy that made the ``emotion`` column.
        tags: Treatment of the transcribers' tags in ``transcript`` (``corpus.tags``).
        accepted: Known differences from the real release that validation was told to accept, as text.
        validation: Outcome of the validation that wrote it; None before that. It takes no part in the hash.
        joined: The corpora that were joined in it (:mod:`merflow.corpus.joining`); None for one corpus as it is.
    """

    rows: pd.DataFrame
    root: Path
    corpus: str
    taxonomy: Taxonomy
    tags: TagRule = "drop"
    accepted: tuple[str, ...] = ()
    validation: Validation | None = None
    joined: Joined | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Emotion classes in the order of every logit, table and figure."""
        return self.taxonomy.classes

    @property
    def differs(self) -> bool:
        """True if the corpus is known to lack utterances that are tested, or to have other labels of them."""
        return any(known.startswith(_TELLING) for known in self.accepted)

    @property
    def hash(self) -> str:
        """SHA-256 of the rows as 16 hexadecimal digits; it depends neither on ``root`` nor on the machine.

        The classes of a user's own taxonomy count, because their order is that of the logits.
        """
        table = conform(self.rows, MANIFEST, where="manifest")
        table = table.drop_columns([name for name in _RARE if table[name].null_count == len(table)])
        sha = hashlib.sha256(_line(table.column_names))
        if not self.taxonomy.shipped:
            sha.update(_line(self.classes))
        for batch in table.to_batches(max_chunksize=_HASHED_ROWS):
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                sha.update(_line(row))
        return sha.hexdigest()[:16]


def build_manifest(rows: Sequence[Mapping[str, Any]], *, root: Path, corpus: str, taxonomy: Taxonomy | str) -> Manifest:
    """Build a manifest from rows in any order.

    Args:
        rows: Values by column; a missing column is null. ``corpus`` is filled in.
        root: Corpus folder.
        corpus: Kind of corpus.
        taxonomy: Taxonomy of ``emotion``, or the name of one that comes with merflow.

    Raises:
        MerflowError: A value has the wrong type, or is null in a column that every utterance needs.
    """
    try:
        table = pa.Table.from_pylist([{**row, "corpus": corpus} for row in rows], schema=MANIFEST)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise MerflowError(f"manifest of {root}: {error}") from error
    table = table.sort_by([(name, "ascending") for name in ("dialogue_id", "turn_index", "utterance_id")])
    frame = conform(table.to_pandas(), MANIFEST, where=f"manifest of {root}").to_pandas()
    named = TAXONOMIES[taxonomy] if isinstance(taxonomy, str) else taxonomy
    return Manifest(rows=frame, root=root.resolve(), corpus=corpus, taxonomy=named)


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a manifest as Parquet, with root, corpus, taxonomy and hash as metadata of the file.

    Raises:
        OutputError: The folder is read-only or the disk is full.
    """
    metadata = {
        "root": str(manifest.root),
        "corpus": manifest.corpus,
        "taxonomy": json.dumps(manifest.taxonomy.content()),
        "tags": manifest.tags,
        "accepted": json.dumps(manifest.accepted),
        "hash": manifest.hash,
    }
    if manifest.validation is not None:
        metadata["validation"] = manifest.validation.model_dump_json()
    if manifest.joined is not None:
        metadata["joined"] = manifest.joined.model_dump_json()
    table = conform(manifest.rows, MANIFEST, where=f"manifest for {path}").replace_schema_metadata(metadata)
    with replacing(path) as part:
        pq.write_table(table, part)


def recording_of(row: Mapping[Any, Any], *, root: Path) -> Path | Excerpt | None:
    """Return the recording of a manifest row: a file, or the utterance's part of the dialogue's file; None without one.

    Args:
        row: Row of the manifest.
        root: Corpus folder.
    """
    path = row["audio_path"]
    if pd.isna(path) or not str(path).strip():
        return None
    if pd.isna(row["audio_of_dialogue"]) or not row["audio_of_dialogue"]:
        return root / str(path)
    return Excerpt(root / str(path), start_s=float(row["start_s"]), end_s=float(row["end_s"]))


def failure_beside(path: Path) -> Path:
    """Return the file that says why a validated manifest was not written."""
    return path.with_suffix(".failed.txt")


def refuse_failed(path: Path) -> None:
    """Raise if the last validation, which should have written this manifest, failed.

    Raises:
        CorpusError: It failed; the message says why, and where the summary is.
    """
    failure = failure_beside(path)
    if failure.is_file():
        reason = failure.read_text(encoding="utf-8").strip()
        raise CorpusError(f"{path} was not written, because validation failed: {reason}")


def read_manifest(path: Path) -> Manifest:
    """Read a manifest that :func:`write_manifest` wrote.

    Raises:
        CorpusError: The file is missing, perhaps because validation failed; is not a manifest; or was changed after it
            was written.
    """
    if not path.is_file():
        refuse_failed(path)
        raise CorpusError(f"no such file: {path}; pass a manifest that `merflow data index` wrote")
    try:
        rows, metadata = read_table(path, MANIFEST)
    except CorpusError:
        raise
    except MerflowError as error:
        raise CorpusError(f"{path} is not a manifest: {error}") from error
    missing = [key for key in ("root", "corpus", "taxonomy", "tags", "accepted", "hash") if key not in metadata]
    if missing:
        raise CorpusError(f"{path} is not a manifest: its metadata lacks {', '.join(missing)}; index the corpus again")
    manifest = Manifest(
        rows=rows,
        root=Path(metadata["root"]),
        corpus=metadata["corpus"],
        taxonomy=_taxonomy(metadata, path=path),
        tags=cast(TagRule, metadata["tags"]),
        accepted=tuple(json.loads(metadata["accepted"])),
        validation=_validation(metadata, path=path),
        joined=_joined(metadata, path=path),
    )
    if manifest.hash != metadata["hash"]:
        raise CorpusError(
            f"{path} was changed after it was written: the hash of its rows is {manifest.hash}, not the recorded "
            f"{metadata['hash']}; index the corpus again"
        )
    return manifest


def _validation(metadata: Mapping[str, str], *, path: Path) -> Validation | None:
    if "validation" not in metadata:
        return None
    try:
        return Validation.model_validate_json(metadata["validation"])
    except ValidationError as error:
        raise CorpusError(
            f"{path} does not contain the outcome of its validation ({error.errors()[0]['msg']}); validate it again"
        ) from error


def _joined(metadata: Mapping[str, str], *, path: Path) -> Joined | None:
    if "joined" not in metadata:
        return None
    try:
        return Joined.model_validate_json(metadata["joined"])
    except ValidationError as error:
        raise CorpusError(
            f"{path} does not hold the corpora that it joins ({error.errors()[0]['msg']}); join them again"
        ) from error


def _taxonomy(metadata: Mapping[str, str], *, path: Path) -> Taxonomy:
    try:
        return parse_taxonomy(json.loads(metadata["taxonomy"]), where=str(path))
    except (ValueError, LabelError) as error:
        raise CorpusError(f"{path} does not contain its taxonomy ({error}); index the corpus again") from error


def _line(values: Sequence[Any]) -> bytes:
    # JSON writes a float as its shortest exact decimal, so the bytes are the same on every machine.
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"
