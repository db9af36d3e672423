"""A feature store's keys, the health of its shards, and the deletion of files that nobody needs."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.progress import Progress, plain_lines
from merflow.corpus.manifest import read_manifest
from merflow.features.encoders.builders import modality_of
from merflow.features.encoders.keys import why_unreadable
from merflow.features.store import housekeeping
from merflow.features.store.housekeeping import KeySummary, Unused
from merflow.storage.local import output_errors


@dataclass(frozen=True)
class Verification:
    """The result of reading a store against its checksums.

    Attributes:
        shards: Number of shards that were read.
        bad: Path of each bad shard -> its fault and the remedy.
    """

    shards: int
    bad: dict[str, str]


def summaries(store: Path) -> list[KeySummary]:
    """Summarize every encoder key of a store.

    Raises:
        FeatureError: The folder is not a store, or a shard is corrupt.
    """
    return housekeeping.summaries(store, modality_of=modality_of)


def verify(store: Path, *, progress: Progress | None = None) -> Verification:
    """Read every shard of a store against its recorded checksum.

    Raises:
        FeatureError: The folder is not a store.
    """
    progress = progress or plain_lines()
    shards = housekeeping.shards_of(store)
    bad: dict[str, str] = {}
    for done, (path, shape) in enumerate(shards, start=1):
        fault = housekeeping.fault_of(path, shape)
        if fault is not None:
            bad[str(path)] = fault
        progress("verify shards", done, len(shards))
    return Verification(len(shards), bad)


def collect(store: Path, *, manifests: Sequence[Path], delete: bool) -> list[Unused]:
    """Return everything that no given manifest needs; delete it if ``delete`` is true.

    Raises:
        CorpusError: A manifest cannot be read.
        FeatureError: The folder is not a store, or an index is corrupt.
        OutputError: A file cannot be deleted.
    """
    hashes = [read_manifest(manifest).hash for manifest in manifests]
    unused = housekeeping.unused(store, hashes, why_unreadable=why_unreadable)
    for one in unused if delete else ():
        with output_errors(one.path):
            if one.path.is_dir():
                shutil.rmtree(one.path)
            else:
                one.path.unlink(missing_ok=True)
    return unused
