"""Building a model package from a variant of a finished benchmark, completely or not at all."""

import shutil
from pathlib import Path

from merflow.contracts.calibration_record import write_calibration
from merflow.contracts.model_package import (
    PACKAGE,
    Kind,
    Member,
    ModelPackage,
    PackagedEncoder,
    read_package,
    write_package,
)
from merflow.contracts.package_files import file_digests, member_digest, refuse_pickles
from merflow.contracts.progress import Progress
from merflow.contracts.score_calibration import read_any_calibration
from merflow.contracts.streams import Role
from merflow.contracts.task import Regression
from merflow.corpus.durations import durations_s
from merflow.corpus.manifest import Manifest, read_manifest
from merflow.corpus.readers.catalogue import reader_of
from merflow.corpus.splitting.splits import read_splits
from merflow.errors import MerflowError, OutputError
from merflow.promotion.packaging.benchmarked import BenchmarkedVariant, find_variant
from merflow.promotion.packaging.evidence import calibration_of, write_evidence
from merflow.promotion.packaging.lineage import lineage_of
from merflow.promotion.packaging.members import Made, copy_folds, refit
from merflow.runs.workspace import Workspace
from merflow.storage.local import output_errors, replacing_folder


def build_package(
    run: Path,
    variant: str,
    *,
    kind: Kind,
    out: Path,
    coverage: float,
    progress: Progress,
    device: str = "auto",
    checkpoints: Path | None = None,
) -> ModelPackage:
    """Build the package of a variant.

    Args:
        run: Folder of a finished benchmark.
        variant: ``model:preset``.
        kind: ``refit`` on the utterances of all folds, or ``ensemble`` of the fold models.
        out: Folder of the package; an earlier package there is replaced.
        coverage: Share of conformal sets or intervals that should contain the truth, between 0 and 1.
        progress: Notified of every fold and epoch.
        device: ``auto``, ``cpu`` or ``cuda``.
        checkpoints: Folder for unfinished refits; None for the one with the benchmark's unfinished folds.

    Raises:
        PromotionError: The benchmark is not finished, or has no such variant that can be promoted.
        EvaluationError: A file that the folds were trained from is missing, or ``coverage`` is not between 0 and 1.
        FormatError: Another version of merflow made the benchmark.
        FeatureError: The store lacks a feature.
        TrainingError: The refit diverged, or cannot be resumed.
        OutputError: ``out`` cannot be written, or holds something else.
    """
    _check_replaceable(out)
    found = find_variant(run, variant)
    manifest = read_manifest(found.manifest)
    checkpoint = None
    with replacing_folder(out) as part, output_errors(out):
        calibration = calibration_of(
            found.folds,
            manifest,
            files=found.files,
            bins=found.results.evaluation.calibration_bins,
            coverage=coverage,
            device=device,
            fold_done=lambda done, total: progress("calibrate folds", done, total),
        )
        write_calibration(part, calibration)
        write_evidence(found, manifest, part, measured=lambda done, total: progress("measure recordings", done, total))
        if kind == "ensemble":
            made = copy_folds(found, part)
        else:
            done = refit(
                found,
                part,
                checkpoints=checkpoints or Workspace(run).checkpoints,
                device=device,
                epoch_done=lambda epoch, last: progress(f"refit {variant}", epoch, last),
            )
            made, checkpoint = [done.made], done.checkpoint
        refuse_pickles(part)
        package = _described(found, manifest, part, kind=kind, made=made)
        write_package(part, package)
    if checkpoint is not None:
        shutil.rmtree(checkpoint, ignore_errors=True)
    return package


def existing_package(run: Path, variant: str, *, kind: Kind, coverage: float, out: Path) -> ModelPackage | None:
    """Return the package at ``out`` if it was made from the same folds with the same settings; otherwise None.

    Raises:
        PromotionError: See :func:`build_package`.
        EvaluationError: See :func:`build_package`.
        FormatError: See :func:`build_package`.
    """
    if not (out / PACKAGE).is_file():
        return None
    found = find_variant(run, variant)
    try:
        package = read_package(out)
        same_coverage = read_any_calibration(out).coverage == coverage
    except MerflowError:
        return None  # a package of another version, or a damaged one: it is rebuilt
    made_of = (package.kind, package.variant, package.lineage.fold_fingerprints)
    wanted = (kind, found.name, tuple(fold.record.fingerprint for fold in found.folds))
    return package if made_of == wanted and same_coverage else None


def _check_replaceable(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / PACKAGE).is_file():
        raise OutputError(
            f"{out} exists and is not a model package ({PACKAGE} is missing); name a folder that does not exist yet"
        )


def _described(
    variant: BenchmarkedVariant, manifest: Manifest, folder: Path, *, kind: Kind, made: list[Made]
) -> ModelPackage:
    """Return the description of the package whose other files are in the folder."""
    files = file_digests(folder)
    first, cross_validated = made[0].record, variant.folds[0].record
    kind_of_corpus, task = reader_of(manifest), first.task
    return ModelPackage(
        kind=kind,
        variant=variant.name,
        task=task.name,
        scale=(task.low, task.high) if isinstance(task, Regression) else None,
        taxonomy=first.taxonomy,
        classes=first.classes,
        modalities=first.modalities,
        transcripts=first.transcripts,
        protocol=cross_validated.protocol,
        selection=cross_validated.selection,
        promotable=cross_validated.promotable,
        members=tuple(
            Member(
                folder=each.folder,
                digest=member_digest(each.folder, files),
                fold=each.fold,
                seed=each.record.seed,
                epochs=each.epochs,
            )
            for each in made
        ),
        fold_epochs=tuple(fold.record.chosen.epoch for fold in variant.folds),
        encoders=_encoders(variant),
        training_seconds=_training_seconds(variant, manifest),
        synthetic=kind_of_corpus.synthetic,
        data_licence=kind_of_corpus.licence,
        validation=manifest.validation,
        lineage=lineage_of(variant, first),
        files=files,
    )


def _encoders(variant: BenchmarkedVariant) -> dict[Role, PackagedEncoder]:
    specs = variant.folds[0].record.encoder_specs
    return {role: PackagedEncoder(citation=spec.citation, digest=spec.digest or "") for role, spec in specs.items()}


def _training_seconds(variant: BenchmarkedVariant, manifest: Manifest) -> tuple[float, float]:
    """Return the shortest and longest duration of the utterances of all folds; 0 if none is known."""
    used = set(read_splits(variant.splits).rows["utterance_id"])
    seconds = durations_s(manifest.rows)[manifest.rows["utterance_id"].isin(used)].dropna()
    return (float(seconds.min()), float(seconds.max())) if len(seconds) else (0.0, 0.0)
