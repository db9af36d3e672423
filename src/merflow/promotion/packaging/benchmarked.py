"""One variant of a finished benchmark, with the files that it was trained from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from merflow.contracts.score_results import AnyResults, read_any_results
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import PromotionError, nearest
from merflow.features.encoders.precomputed import is_precomputed
from merflow.runs.run_folder import RESULTS, RunFolder, TrainedFold, read_run
from merflow.runs.variant_names import named


@dataclass(frozen=True)
class BenchmarkedVariant:
    """A variant with its cross-validation results.

    Attributes:
        name: Its name in the results, ``model:preset``.
        folds: Its folds, by fold and seed.
    """

    run: RunFolder
    results: AnyResults
    name: str
    folds: tuple[TrainedFold, ...]
    manifest: Path
    splits: Path
    features: Path

    @property
    def files(self) -> dict[str, Path]:
        """Paths of manifest, splits and features, by argument name."""
        return {"manifest": self.manifest, "splits": self.splits, "features": self.features}


def find_variant(run: Path, variant: str) -> BenchmarkedVariant:
    """Find a variant in the folder of a finished benchmark.

    Raises:
        PromotionError: The benchmark is not finished, has no such variant, or chose its epochs on test data; or the
            variant reads features that came with the corpus.
        EvaluationError: The folder is not that of a benchmark, or lacks manifest, splits or features.
        FormatError: Another version of merflow trained a fold or evaluated the run.
    """
    folder = read_run(run)
    if not (run / RESULTS).is_file():
        raise PromotionError(
            f"{run} is not finished ({RESULTS} is missing); finish it with the command that began it, which keeps its "
            "finished folds"
        )
    results = read_any_results(run / RESULTS)
    if variant not in results.variants:
        raise PromotionError(f"{run} has no variant {variant!r}; {nearest(variant, results.variants)}")
    by_name = named(folder.folds.values())
    own = sorted(by_name.get(variant, ()), key=lambda fold: (fold.record.fold, fold.record.seed))
    splits = folder.splits()
    _check_complete(run, variant, own, results=results, splits=splits)
    _check_honest(run, by_name, variant)
    _check_predicts(run, own[0])
    return BenchmarkedVariant(
        run=folder,
        results=results,
        name=variant,
        folds=tuple(own),
        manifest=folder.manifest(),
        splits=splits,
        features=folder.features(own[0].record),
    )


def _check_complete(run: Path, variant: str, folds: list[TrainedFold], *, results: AnyResults, splits: Path) -> None:
    expected = {(fold.fold, seed) for fold in read_splits(splits).folds for seed in results.seeds}
    missing = sorted(expected - {(fold.record.fold, fold.record.seed) for fold in folds})
    if missing:
        fold, seed = missing[0]
        raise PromotionError(
            f"{run}: fold {fold} seed {seed} of {variant} is missing ({len(missing)} of {len(expected)} are); finish "
            "the benchmark with the command that began it"
        )


def _check_honest(run: Path, by_name: Mapping[str, tuple[TrainedFold, ...]], variant: str) -> None:
    for fold in by_name[variant]:
        if not fold.record.promotable:
            raise PromotionError(
                f"{run}: {fold.record.fold_id} chose its epoch on test data ({fold.record.selection}), so its figures "
                "are too good and it cannot be promoted; benchmark it with splits.development=speaker"
            )


def _check_predicts(run: Path, fold: TrainedFold) -> None:
    """Raise before anything is trained for a package that could not answer a recording."""
    of_corpus = sorted(role for role, spec in fold.record.encoder_specs.items() if is_precomputed(spec))
    if of_corpus:
        raise PromotionError(
            f"{run}: {fold.record.variant} reads {', '.join(of_corpus)} features that came with its corpus and cannot "
            "be computed from recordings, so it cannot be promoted; benchmark it with encoders that merflow runs "
            "(features.profile=lite)"
        )
