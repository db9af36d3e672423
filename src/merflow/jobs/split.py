"""A validated manifest into folds."""

from pathlib import Path

from merflow.contracts.params import SplitParams
from merflow.contracts.progress import say
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.splits import Splits, make_splits, write_splits


def split(manifest: Path, *, out: Path, params: SplitParams) -> Splits:
    """Writes the folds to ``out`` and a readable summary beside it (``.md``).

    Raises:
        SplitError: The protocol does not fit the corpus, or would leak.
    """
    splits = make_splits(read_manifest(manifest), params=params)
    write_splits(splits, out)
    say(f"split: {splits.protocol}, {splits.rows['fold'].nunique()} fold(s), split id {splits.split_id}")
    return splits
