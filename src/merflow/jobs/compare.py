"""Comparison of finished runs: differences between their variants on the same test utterances."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from merflow.contracts.classics import ClassicRecord, classic_predictions, classics_on
from merflow.contracts.fold_record import FoldRecord
from merflow.contracts.params import EvaluationParams
from merflow.contracts.regime import Regime
from merflow.contracts.results import ComparedRuns
from merflow.contracts.score_results import ComparedScoreRuns
from merflow.contracts.selection import Selection
from merflow.contracts.streams import Role
from merflow.contracts.task import Regression
from merflow.corpus.manifest import read_manifest
from merflow.corpus.splitting.protocols import fold_count
from merflow.errors import EvaluationError
from merflow.evaluation.classics import Reads
from merflow.evaluation.comparisons import ComparedOrigin, compare_variants
from merflow.evaluation.predictions import HeldOut
from merflow.evaluation.scores.comparisons import compare_scores
from merflow.evaluation.scores.predictions import HeldOutScores
from merflow.evaluation.tested_rows import HeldOutData
from merflow.jobs.summaries import check_one_task
from merflow.runs import fold_folder
from merflow.runs.finished_runs import Run, read_runs
from merflow.runs.run_folder import TrainedFold, classics_of, manifest_of
from merflow.runs.variant_names import named, under_name

# Ids that runs must share to have been trained and tested on the same utterances.
_SHARED_IDS = ("protocol", "manifest_hash", "split_id")


def compare(
    folders: Sequence[Path], *, params: EvaluationParams, manifest: Path | None = None, out: Path | None = None
) -> ComparedRuns | ComparedScoreRuns:
    """Compare every variant of several runs with every other.

    If runs have a variant with different encoders, its name includes the profile, as in ``mfdr:full@mine``; if several
    runs have it with the same encoders, its name includes the run, as in ``demo-2/context-mmt:mmt-frozen``.

    Args:
        folders: Folders of benchmarks or of trained folds.
        params: Number of resamples and their seed.
        manifest: Manifest that the runs were trained on; None to use the one in a run's folder.
        out: JSON file for the comparison; None to write nothing.

    Raises:
        EvaluationError: The runs have different tasks, splits or corpora, folds or seeds are missing, or there is
            nothing to compare.
        FormatError: Another version of merflow made a run.
        OutputError: ``out`` cannot be written.
    """
    runs = read_runs(folders)
    check_one_task([fold for run in runs for fold in run.folds], verb="compare")
    shared = _shared_record(runs)
    path = manifest or manifest_of([run.folder for run in runs], manifest_hash=shared.manifest_hash)
    corpus = read_manifest(path)
    if corpus.hash != shared.manifest_hash:
        raise EvaluationError(
            f"{path} has manifest_hash {corpus.hash}, but the runs were trained on {shared.manifest_hash}; pass the "
            "manifest of the runs"
        )
    variants = _variants(runs)
    predictions = pd.concat([variant.predictions() for variant in variants], ignore_index=True)
    held_out = HeldOutData(
        corpus=corpus.corpus,
        manifest_hash=shared.manifest_hash,
        split_id=shared.split_id,
        protocol=shared.protocol,
        utterances=corpus.rows[["utterance_id", "dialogue_id"]],
        folds=tuple(range(1, fold_count(corpus, params=shared.split_params) + 1)),
    )
    names = [str(run.folder) for run in runs]
    origins = {
        variant.name: ComparedOrigin(str(variant.run), variant.selection, variant.regime, variant.encoders)
        for variant in variants
    }
    classics = _classics(runs, split_id=shared.split_id)
    reads = {variant.name: variant.reads for variant in variants}
    compared: ComparedRuns | ComparedScoreRuns
    if isinstance(shared.task, Regression):
        tested = HeldOutScores.of(held_out, task=shared.task)
        compared = compare_scores(
            predictions, tested, runs=names, origins=origins, classics=classics, reads=reads, params=params
        )
    else:
        compared = compare_variants(
            predictions,
            HeldOut.of(held_out, classes=corpus.classes),
            runs=names,
            origins=origins,
            classics=classics,
            reads=reads,
            params=params,
        )
    if out is not None:
        compared.write(out)
    return compared


@dataclass(frozen=True)
class _Variant:
    """A variant of one run, under a name that no other variant has."""

    name: str
    run: Path
    selection: Selection
    regime: Regime
    encoders: Mapping[Role, str]
    reads: Reads
    seeds: frozenset[int]
    folds: tuple[Path, ...]

    def predictions(self) -> pd.DataFrame:
        """Read the predictions of all folds, under the variant's name."""
        table = pd.concat([fold_folder.read_predictions(folder) for folder in self.folds], ignore_index=True)
        return under_name(self.name, table)


def _shared_record(runs: Sequence[Run]) -> FoldRecord:
    """Return the record of any fold, after checking that all folds of all runs used the same data.

    Raises:
        EvaluationError: An id differs; the message has the values and their runs.
    """
    owners: dict[str, dict[str, Path]] = {name: {} for name in _SHARED_IDS}
    for run in runs:
        for fold in run.folds:
            for name, values in owners.items():
                values.setdefault(getattr(fold.record, name), run.folder)
    differing = [
        f"{name} is " + ", ".join(f"{value} in {folder}" for value, folder in values.items())
        for name, values in owners.items()
        if len(values) > 1
    ]
    if differing:
        raise EvaluationError(
            f"these runs were not tested on the same data: {'; '.join(differing)}; compare runs of one manifest and "
            "one split, or train one of them again on the other's (merflow train --manifest ... --splits ...)"
        )
    return runs[0].folds[0].record


def _classics(runs: Sequence[Run], *, split_id: str) -> tuple[Sequence[ClassicRecord], pd.DataFrame | None]:
    """Return records and predictions of the classics of the first run that has some on these splits."""
    found = (classics_of(run.folder, split_id=split_id) for run in runs)
    folder = next((folder for folder in found if folder is not None), None)
    records = classics_on(folder, split_id=split_id)
    return records, classic_predictions(folder, records)


def _reads(record: FoldRecord) -> Reads:
    return Reads(record.modalities, record.context, record.transcripts)


def _variants(runs: Sequence[Run]) -> list[_Variant]:
    """Return every variant of every run.

    Raises:
        EvaluationError: There is only one, or they were trained with different seeds.
    """
    by_name = named(fold for run in runs for fold in run.folds)
    names = {fold.folder: name for name, folds in by_name.items() for fold in folds}
    runs_with = Counter(name for run in runs for name in {names[fold.folder] for fold in run.folds})
    variants = []
    for run in runs:
        own: dict[str, list[TrainedFold]] = defaultdict(list)
        for fold in run.folds:
            own[names[fold.folder]].append(fold)
        variants += [
            _Variant(
                name=name if runs_with[name] == 1 else f"{run.label}/{name}",
                run=run.folder,
                selection=folds[0].record.selection,
                regime=folds[0].record.regime,
                encoders=folds[0].record.encoder_citations,
                reads=_reads(folds[0].record),
                seeds=frozenset(fold.record.seed for fold in folds),
                folds=tuple(fold.folder for fold in folds),
            )
            for name, folds in own.items()
        ]
    if len(variants) < 2:
        raise EvaluationError(
            f"{variants[0].name} is the only variant in {variants[0].run}; pass another run to compare it with"
        )
    if len({variant.seeds for variant in variants}) > 1:
        seeds = "; ".join(f"{variant.name} has {sorted(variant.seeds)}" for variant in variants)
        raise EvaluationError(
            f"these variants were trained with different seeds: {seeds}; train the missing ones (plan.seeds), or pass "
            "the fold folders of the seeds that all have"
        )
    return variants
