"""What is in a feature store, whether it is whole, and what of it nobody needs."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.progress import Progress, plain_lines
from merflow.corpus.manifest import read_manifest
from merflow.features.store import housekeeping
from merflow.features.store.housekeeping import KeySummary, Unused
from merflow.storage.local import output_errors


@dataclass(frozen=True)
class Verification:
    """What reading a store against its checksums found.

    Attributes:
        shards: How many were read.
        bad: Path of each bad shard -> what is wrong and how to mend it.
    """

    shards: int
    bad: dict[str, str]


def summaries(store: Path) -> list[KeySummary]:
    """Every encoder key of a store.

    Raises:
        FeatureError: The folder is no store, or a shard is corrupt.
    """
    return housekeeping.summaries(store)


def verify(store: Path, *, progress: Progress | None = None) -> Verification:
    """Reads every shard of a store against its recorded checksum.

    Raises:
        FeatureError: The folder is no store.
    """
    tell = progress or plain_lines()
    shards = housekeeping.shards_of(store)
    bad: dict[str, str] = {}
    for done, (path, shape) in enumerate(shards, start=1):
        fault = housekeeping.fault_of(path, shape)
        if fault is not None:
            bad[str(path)] = fault
        tell("verify shards", done, len(shards))
    return Verification(len(shards), bad)


def collect(store: Path, *, manifests: Sequence[Path], delete: bool) -> list[Unused]:
    """What no given manifest needs, and deletes it where asked to.

    Raises:
        CorpusError: A manifest cannot be read.
        FeatureError: The folder is no store, or an index is corrupt.
        OutputError: Something cannot be deleted.
    """
    found = housekeeping.unused(store, [read_manifest(manifest).hash for manifest in manifests])
    for one in found if delete else ():
        with output_errors(one.path):
            if one.path.is_dir():
                shutil.rmtree(one.path)
            else:
                one.path.unlink(missing_ok=True)
    return found
