"""Which labelled utterance trains, develops and tests in which fold, as a file with an identity."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from merflow.contracts.params import SplitParams
from merflow.contracts.protocols import Development, Part, Protocol
from merflow.contracts.tables import SPLITS, conform, read_table
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.protocols import FoldFacts, choose_folds
from merflow.corpus.splitting.summary import summary_text
from merflow.errors import CorpusError, MerflowError, SplitError
from merflow.storage.local import digest, replacing

_FOLDS = TypeAdapter(tuple[FoldFacts, ...])


@dataclass(frozen=True, eq=False)
class Splits:
    """Folds of a manifest.

    Attributes:
        rows: Columns of :data:`merflow.contracts.tables.SPLITS`, sorted by fold and utterance_id, index 0..n-1.
        params: What made them.
        manifest_hash: Version of the corpus that they were made from.
        folds: Facts of each fold, in order.
    """

    rows: pd.DataFrame
    params: SplitParams
    manifest_hash: str
    folds: tuple[FoldFacts, ...]

    @property
    def protocol(self) -> Protocol:
        """How test data are chosen."""
        return self.params.protocol

    @property
    def development(self) -> Development:
        """How development data are chosen."""
        return self.params.development

    @property
    def seed(self) -> int:
        """Seed of the choice of development data."""
        return self.params.seed

    @property
    def improvised_only(self) -> bool:
        """Whether scripted utterances were dropped."""
        return self.params.improvised_only

    @cached_property
    def split_id(self) -> str:
        """SHA-256 of rows and settings as 16 hexadecimal digits; ``random_share`` counts only where it was used."""
        unused = set() if self.development == "random" else {"random_share"}
        rows = [self.rows[name].tolist() for name in SPLITS.names]
        return digest([rows, self.params.model_dump(exclude=unused)])


def make_splits(manifest: Manifest, *, params: SplitParams) -> Splits:
    """The folds of the labelled utterances.

    ``session-5fold`` tests on one session after the other, ``speaker-10fold`` on one speaker after the other,
    ``session5-only`` on the last of five sessions, in the order of their names. Development data are one random
    training speaker, one random training session, or whole dialogues up to ``random_share`` of the training data.

    Speakers who share a dialogue with the test speaker of ``speaker-10fold`` never train on it: one of them is the
    development speaker where ``development`` is ``speaker``, and the others' turns of such dialogues are left out.

    Raises:
        SplitError: The manifest does not suit the protocol, a speaker or dialogue would be on both sides, or a fold
            lacks a part or a class.
    """
    tables, facts = [], []
    for fold, parts in choose_folds(manifest, params=params):
        facts.append(fold)
        tables += [
            pd.DataFrame({"fold": fold.fold, "utterance_id": rows["utterance_id"], "part": part})
            for part, rows in parts.items()
        ]
    rows = pd.concat(tables).assign(protocol=params.protocol).sort_values(["fold", "utterance_id"])
    return Splits(
        rows=conform(rows, SPLITS, where="splits").to_pandas(),
        params=params,
        manifest_hash=manifest.hash,
        folds=tuple(facts),
    )


def ids(splits: Splits, *, fold: int, part: Part) -> list[str]:
    """Utterances of one part of a fold, sorted by id.

    Raises:
        SplitError: There is no such fold.
    """
    if not 1 <= fold <= len(splits.folds):
        raise SplitError(f"no fold {fold}; {splits.protocol} has folds 1 to {len(splits.folds)}")
    rows = splits.rows
    found: list[str] = rows.loc[(rows["fold"] == fold) & (rows["part"] == part), "utterance_id"].tolist()
    return found


def write_splits(splits: Splits, path: Path) -> None:
    """The folds as Parquet, and beside them ``<stem>.md``, which tells them in words.

    Raises:
        OutputError: The folder is read-only, the disk full.
    """
    metadata = {
        "params": splits.params.model_dump_json(),
        "manifest_hash": splits.manifest_hash,
        "split_id": splits.split_id,
        "folds": _FOLDS.dump_json(splits.folds).decode(),
    }
    table = conform(splits.rows, SPLITS, where=f"splits for {path}").replace_schema_metadata(metadata)
    text = summary_text(
        splits.folds, params=splits.params, manifest_hash=splits.manifest_hash, split_id=splits.split_id
    )
    with replacing(path) as part:
        pq.write_table(table, part)
    with replacing(path.with_suffix(".md")) as part:
        part.write_text(text, encoding="utf-8")


def read_splits(path: Path) -> Splits:
    """Folds that :func:`write_splits` wrote.

    Raises:
        CorpusError: The file is missing or is no Parquet file.
        SplitError: It holds no splits, or not those that were written.
    """
    if not path.is_file():
        raise CorpusError(f"no such file: {path}; pass splits, as `merflow data split` writes them")
    try:
        rows, metadata = read_table(path, SPLITS)
        splits = Splits(
            rows=rows,
            params=SplitParams.model_validate_json(metadata["params"]),
            manifest_hash=metadata["manifest_hash"],
            folds=_FOLDS.validate_json(metadata["folds"]),
        )
        recorded = metadata["split_id"]
    except CorpusError:
        raise
    except MerflowError as error:
        raise SplitError(f"{path} holds no splits: {error}") from error
    except (KeyError, ValidationError) as error:
        raise SplitError(f"{path} does not tell how its folds were made ({error}); split the corpus again") from error
    if splits.split_id != recorded:
        raise SplitError(
            f"{path} was changed after it was written: its rows and settings hash to {splits.split_id}, recorded is "
            f"{recorded}; split the corpus again"
        )
    return splits
