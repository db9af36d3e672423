"""Splits: the part (train, dev or test) of every labelled utterance in every fold, as a file with a split id."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from merflow.contracts.protocols import Development, DevelopmentData, Part, Protocol
from merflow.contracts.split_params import SplitParams
from merflow.contracts.tables import SPLITS, conform, read_table
from merflow.contracts.task import Task, task_of
from merflow.corpus.manifest import Manifest
from merflow.corpus.splitting.fold_facts import FoldFacts
from merflow.corpus.splitting.protocols import choose_folds
from merflow.corpus.splitting.summary import summary_text
from merflow.errors import CorpusError, MerflowError, SplitError
from merflow.storage.local import digest, replacing

_FOLDS = TypeAdapter(tuple[FoldFacts, ...])


@dataclass(frozen=True, eq=False)
class Splits:
    """Folds of a manifest.

    Attributes:
        rows: Columns of :data:`merflow.contracts.tables.SPLITS`, sorted by fold and utterance_id, index 0..n-1.
        params: Parameters that made them.
        manifest_hash: Version of the corpus.
        folds: Facts of each fold, in order.
        accepted: Known differences of the corpus from the real release, as text.
    """

    rows: pd.DataFrame
    params: SplitParams
    manifest_hash: str
    folds: tuple[FoldFacts, ...]
    accepted: tuple[str, ...] = ()

    def task_of(self, manifest: Manifest) -> Task:
        """Return the task of the labels, with the classes of the manifest that was split."""
        return task_of(self.params.named_task, classes=manifest.classes)

    @property
    def protocol(self) -> Protocol:
        """Protocol that chooses the test data."""
        return self.params.named_protocol

    @property
    def development(self) -> Development:
        """Rule that draws development data."""
        return self.params.development

    @property
    def development_data(self) -> DevelopmentData:
        """Kind of the development data: drawn by the rule, or those of an official split, which need no rule."""
        return "official" if any(fold.official_development for fold in self.folds) else self.development

    @property
    def seed(self) -> int:
        """Seed of the choice of development data."""
        return self.params.seed

    @property
    def improvised_only(self) -> bool:
        """True if scripted utterances were dropped."""
        return self.params.improvised_only

    @property
    def shared_groups(self) -> tuple[str, ...]:
        """Speakers and dialogues that an official split has in two parts, as text."""
        shared = (each for fold in self.folds for each in fold.shared)
        return tuple(f"{each.word} {each.name} in {each.parts[0]} and {each.parts[1]}" for each in shared)

    @cached_property
    def split_id(self) -> str:
        """SHA-256 of rows and parameters as 16 hexadecimal digits; a parameter counts only if it was used.

        ``min_dev_per_class`` does not count, because its effect is in the rows.
        """
        unused = {"min_dev_per_class"}
        unused |= set() if self.development == "random" else {"random_share"}
        unused |= set() if self.protocol == "k-fold" else {"folds"}
        unused |= set() if self.protocol == "official" else {"shared_speakers"}
        rows = [self.rows[name].tolist() for name in SPLITS.names]
        return digest([rows, self.params.deciding(unused=unused)])

    def check_fold(self, fold: int) -> None:
        """Raise if there is no such fold.

        Raises:
            SplitError: There is none; the message has the number of folds.
        """
        if not 1 <= fold <= len(self.folds) and fold not in set(self.rows["fold"]):
            raise SplitError(f"no fold {fold}; {self.protocol} has folds 1 to {len(self.folds)}")


def make_splits(manifest: Manifest, *, params: SplitParams) -> Splits:
    """Split the utterances with a label of the task into folds.

    ``leave-one-session-out`` tests on each session in turn, ``leave-one-speaker-out`` on each speaker, in the order of
    their names, and ``k-fold`` on each of ``folds`` groups of speakers. ``session-5fold`` and ``speaker-10fold`` are
    the first two for exactly five sessions and ten speakers. ``session5-only`` tests on the last of five sessions.
    ``official`` takes the corpus's own parts; development data are drawn if it has none. ``cross-corpus`` trains on one
    of two joined corpora and tests the whole of the other.

    Development data are one random training speaker or session with enough utterances of every class or score
    (:mod:`merflow.corpus.splitting.development`), or whole dialogues up to ``random_share`` of the training data.

    If speakers are tested, the dialogues of test speakers are not trained on. If ``development`` is ``speaker``, a
    partner in such a dialogue comes first as the development speaker. Other turns of such dialogues are left out.

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
    rows = pd.concat(tables).assign(protocol=params.named_protocol).sort_values(["fold", "utterance_id"])
    return Splits(
        rows=conform(rows, SPLITS, where="splits").to_pandas(),
        params=params,
        manifest_hash=manifest.hash,
        folds=tuple(facts),
        accepted=manifest.accepted,
    )


def all_in_training(splits: Splits) -> Splits:
    """Return splits of a single fold 0, in whose training part is every utterance that has a part in any fold."""
    names = sorted(set(splits.rows["utterance_id"]))
    rows = pd.DataFrame({"protocol": splits.protocol, "fold": 0, "utterance_id": names, "part": "train"})
    return replace(splits, rows=conform(rows, SPLITS, where="splits").to_pandas(), folds=())


def ids(splits: Splits, *, fold: int, part: Part) -> list[str]:
    """Return the utterances of one part of a fold, sorted by id.

    Raises:
        SplitError: No such fold exists.
    """
    splits.check_fold(fold)
    rows = splits.rows
    names: list[str] = rows.loc[(rows["fold"] == fold) & (rows["part"] == part), "utterance_id"].tolist()
    return names


def write_splits(splits: Splits, path: Path) -> None:
    """Write the splits as Parquet, and a readable summary next to them (``<stem>.md``).

    Raises:
        OutputError: The folder is read-only or the disk is full.
    """
    metadata = {
        "params": splits.params.model_dump_json(),
        "manifest_hash": splits.manifest_hash,
        "split_id": splits.split_id,
        "folds": _FOLDS.dump_json(splits.folds).decode(),
        "accepted": json.dumps(splits.accepted),
    }
    table = conform(splits.rows, SPLITS, where=f"splits for {path}").replace_schema_metadata(metadata)
    text = summary_text(
        splits.folds,
        params=splits.params,
        manifest_hash=splits.manifest_hash,
        split_id=splits.split_id,
        accepted=splits.accepted,
    )
    with replacing(path) as part:
        pq.write_table(table, part)
    with replacing(path.with_suffix(".md")) as part:
        part.write_text(text, encoding="utf-8")


def read_splits(path: Path) -> Splits:
    """Read splits that :func:`write_splits` wrote.

    Raises:
        CorpusError: The file is missing or is not a Parquet file.
        SplitError: The file contains no splits, or was changed after it was written.
    """
    if not path.is_file():
        raise CorpusError(f"no such file: {path}; pass splits that `merflow data split` wrote")
    try:
        rows, metadata = read_table(path, SPLITS)
        splits = Splits(
            rows=rows,
            params=SplitParams.model_validate(SplitParams.of_record(json.loads(metadata["params"]))),
            manifest_hash=metadata["manifest_hash"],
            folds=_FOLDS.validate_json(metadata["folds"]),
            accepted=tuple(json.loads(metadata["accepted"])),
        )
        recorded = metadata["split_id"]
    except CorpusError:
        raise
    except MerflowError as error:
        raise SplitError(f"{path} contains no splits: {error}") from error
    except (KeyError, ValidationError) as error:
        raise SplitError(f"{path} lacks the parameters of its folds ({error}); split the corpus again") from error
    if splits.split_id != recorded:
        raise SplitError(
            f"{path} was changed after it was written: the hash of its rows and parameters is {splits.split_id}, not "
            f"the recorded {recorded}; split the corpus again"
        )
    return splits
