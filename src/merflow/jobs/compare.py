"""Finished runs side by side: whether their variants differ on the same test utterances."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from merflow.contracts.params import EvaluationParams
from merflow.contracts.protocols import FOLDS
from merflow.contracts.taxonomy import taxonomy
from merflow.corpus.manifest import read_manifest
from merflow.errors import EvaluationError
from merflow.evaluation.comparisons import compare_variants
from merflow.runs import fold_folder
from merflow.runs.finished_runs import Run, read_runs
from merflow.runs.run_folder import TrainedFold, manifest_of
from merflow.storage.local import write_json

# What two runs must share to be tested on the same utterances with the same training data.
_SHARED_IDS = ("protocol", "manifest_hash", "split_id")


def compare(
    folders: Sequence[Path], *, params: EvaluationParams, manifest: Path | None = None, out: Path | None = None
) -> dict[str, Any]:
    """Compares every variant of some runs with every other.

    A variant that several runs have is named by its run too, as in ``demo-2/context-mmt:mmt-frozen``.

    Args:
        folders: Of benchmarks or of trained folds.
        params: Resamples and their seed.
        manifest: Which the runs were trained on; None for the one that a run keeps.
        out: Where the result goes as JSON; None writes nothing.

    Returns:
        As :func:`merflow.evaluation.comparisons.compare_variants`; and ``corpus``, ``manifest_hash``, ``split_id``,
        ``protocol``, ``runs``, and of each variant the ``run`` and the ``selection`` of its epochs.

    Raises:
        EvaluationError: The runs are of other splits or another corpus, folds or seeds are missing, or there is
            nothing to compare.
        OutputError: ``out`` cannot be written.
    """
    runs = read_runs(folders)
    ids = _shared_ids(runs)
    kept = manifest or manifest_of([run.folder for run in runs], manifest_hash=ids["manifest_hash"])
    corpus = read_manifest(kept)
    if corpus.hash != ids["manifest_hash"]:
        raise EvaluationError(
            f"{manifest} has manifest_hash {corpus.hash}, the runs were trained on {ids['manifest_hash']}; pass theirs"
        )
    variants = _variants(runs)
    found = compare_variants(
        pd.concat([variant.predictions() for variant in variants], ignore_index=True),
        corpus.rows[["utterance_id", "dialogue_id"]],
        protocol=ids["protocol"],
        classes=taxonomy(corpus.taxonomy).classes,
        folds=range(1, FOLDS[ids["protocol"]] + 1),
        params=params,
    )
    for variant in variants:
        found["variants"][variant.name] |= {"run": str(variant.run), "selection": variant.selection}
    result = {"corpus": corpus.corpus, **ids, "runs": [str(run.folder) for run in runs], **found}
    if out is not None:
        write_json(out, result)
    return result


@dataclass(frozen=True)
class _Variant:
    """A variant of one run, under a name that no other has."""

    name: str
    run: Path
    selection: str
    seeds: frozenset[int]
    folds: tuple[Path, ...]

    def predictions(self) -> pd.DataFrame:
        """Of all its folds, under its name."""
        table = pd.concat([fold_folder.read_predictions(folder) for folder in self.folds], ignore_index=True)
        model, _, preset = self.name.rpartition(":")
        return table.assign(model=model, preset=preset)


def _shared_ids(runs: Sequence[Run]) -> dict[str, Any]:
    """The ids that all folds of all runs have.

    Raises:
        EvaluationError: Naming each id that differs, with its values and whose they are.
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
            f"these runs were not tested alike: {'; '.join(differing)}; compare runs of one manifest and one split, or "
            "train one of them again on the other's (merflow train --manifest ... --splits ...)"
        )
    return {name: next(iter(values)) for name, values in owners.items()}


def _variants(runs: Sequence[Run]) -> list[_Variant]:
    """Every variant of every run.

    Raises:
        EvaluationError: There is but one, or they were trained with different seeds.
    """
    holders = Counter(variant for run in runs for variant in {fold.record.variant for fold in run.folds})
    found = []
    for run in runs:
        held: dict[str, list[TrainedFold]] = defaultdict(list)
        for fold in run.folds:
            held[fold.record.variant].append(fold)
        found += [
            _Variant(
                name=variant if holders[variant] == 1 else f"{run.label}/{variant}",
                run=run.folder,
                selection=str(folds[0].record.selection),
                seeds=frozenset(fold.record.seed for fold in folds),
                folds=tuple(fold.folder for fold in folds),
            )
            for variant, folds in held.items()
        ]
    if len(found) < 2:
        raise EvaluationError(
            f"{found[0].name} is the only variant in {found[0].run}; give another run to compare with"
        )
    if len({variant.seeds for variant in found}) > 1:
        seeds = "; ".join(f"{variant.name} has {sorted(variant.seeds)}" for variant in found)
        raise EvaluationError(
            f"these variants were trained with different seeds: {seeds}; train the missing ones (plan.seeds), or give "
            "the folders of the folds whose seeds all have"
        )
    return found
