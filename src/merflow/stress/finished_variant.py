"""A variant of a finished benchmark: its fold models, each with the utterances that it was tested on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from merflow.contracts.fold_record import FoldRecord
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.corpus.splitting.protocols import fold_count
from merflow.errors import StressError, nearest
from merflow.runs.fold_folder import read_predictions
from merflow.runs.run_folder import TrainedFold, read_run
from merflow.runs.variant_names import named


@dataclass(frozen=True, eq=False)
class FinishedVariant:
    """The folds of a variant with its lowest seed.

    Attributes:
        name: Its name in the run: ``model:preset``, followed by ``@profile`` if the run has several profiles.
        folds: Trained folds by number.
        tested: The folds' own test predictions, by fold.
        manifest: The corpus.
    """

    name: str
    folds: Mapping[int, TrainedFold]
    tested: Mapping[int, pd.DataFrame]
    manifest: Manifest

    @property
    def record(self) -> FoldRecord:
        """The record of the first fold, for everything that the folds share."""
        return self.folds[min(self.folds)].record

    @property
    def fold_of(self) -> pd.Series:
        """The fold that tests an utterance, by utterance id."""
        tested = {name: number for number, table in self.tested.items() for name in table["utterance_id"]}
        return pd.Series(tested, name="fold")


def read_variant(run: Path, variant: str) -> FinishedVariant:
    """Read a variant of a finished benchmark.

    Raises:
        EvaluationError: The folder is not a finished run, or its manifest cannot be found.
        StressError: The run has no such variant, or not all of its folds.
        FormatError: Another version of merflow made the run.
    """
    finished = read_run(run)
    variants = named(finished.folds.values())
    if variant not in variants:
        raise StressError(f"{run} has no variant {variant!r}; {nearest(variant, variants)}")
    seed = min(fold.record.seed for fold in variants[variant])
    folds = {fold.record.fold: fold for fold in variants[variant] if fold.record.seed == seed}
    manifest = read_manifest(finished.manifest())
    record = next(iter(folds.values())).record
    missing = set(range(1, fold_count(manifest, params=record.split_params) + 1)) - folds.keys()
    if missing:
        raise StressError(f"{run}: {variant} lacks folds {sorted(missing)}; finish the run with its own command first")
    if record.transcripts is not None and "+" in record.transcripts:
        raise StressError(f"{variant} reads two kinds of transcripts at once, which the stress suite cannot change")
    ordered = dict(sorted(folds.items()))
    return FinishedVariant(
        name=variant,
        folds=ordered,
        tested={number: read_predictions(fold.folder) for number, fold in ordered.items()},
        manifest=manifest,
    )
