"""The evidence that a package carries: test predictions, groups of the tested utterances, and the calibration."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from merflow.contracts.calibration_record import Calibration
from merflow.contracts.model_package import PREDICTIONS_FILE, REFERENCE_FILE, UTTERANCES_FILE
from merflow.contracts.score_calibration import ScoreCalibration
from merflow.contracts.tables import MEASURED, TESTED, conform, tables_of
from merflow.contracts.task import Regression
from merflow.corpus.durations import durations_s
from merflow.corpus.manifest import Manifest
from merflow.evaluation.model_calibration import calibrate
from merflow.evaluation.scores.model_calibration import calibrate_scores
from merflow.folds.opening import development_part
from merflow.inference.training_range import usual_distances
from merflow.promotion.packaging.benchmarked import BenchmarkedVariant
from merflow.promotion.packaging.measurements import measurements
from merflow.runs.fold_folder import prediction_metadata, read_predictions
from merflow.runs.run_folder import TrainedFold
from merflow.storage.local import replacing

_GROUPED_BY = "gender"


def write_evidence(
    variant: BenchmarkedVariant, manifest: Manifest, package: Path, *, measured: Callable[[int, int], None]
) -> None:
    """Write the test predictions of all folds and seeds, and their utterances' groups and measurements, but no words.

    Args:
        variant: The variant.
        manifest: The manifest that it was trained on.
        package: The package.
        measured: Called after each recording with its number and the number of recordings.

    Raises:
        OutputError: The package cannot be written.
    """
    predictions, record = tested(variant.folds), variant.folds[0].record
    table = conform(predictions, tables_of(record.task).predictions, where=PREDICTIONS_FILE)
    _write(package / PREDICTIONS_FILE, table, prediction_metadata(record, selection=record.selection))
    rows = manifest.rows.join(durations_s(manifest.rows))
    rows = rows[rows["utterance_id"].isin(set(predictions["utterance_id"]))].sort_values("utterance_id")
    _write(package / UTTERANCES_FILE, conform(rows[TESTED.names], TESTED, where=UTTERANCES_FILE), {})
    reference = measurements(rows, root=manifest.root, transcripts=record.transcripts, measured=measured)
    _write(package / REFERENCE_FILE, conform(reference, MEASURED, where=REFERENCE_FILE), {})


def calibration_of(
    folds: Sequence[TrainedFold],
    manifest: Manifest,
    *,
    files: Mapping[str, Path],
    bins: int,
    coverage: float,
    device: str,
    fold_done: Callable[[int, int], None],
) -> Calibration | ScoreCalibration:
    """Calibrate the folds of a variant on their development predictions.

    Args:
        folds: The folds; they predict their development parts again.
        manifest: The manifest that they were trained on.
        files: Paths of ``manifest``, ``splits`` and ``features``.
        bins: Bins of the expected calibration error; not used for scores.
        coverage: Share of conformal sets or intervals that should contain the truth.
        device: Device of the predictions.
        fold_done: Called after each fold with its number and the number of folds.

    Raises:
        EvaluationError: The data of a fold are missing, ``coverage`` is not between 0 and 1, or crepes is not
            installed.
        FeatureError: The store lacks a feature.
    """
    parts = []
    for number, fold in enumerate(folds, start=1):
        parts.append(development_part(fold.folder, device=device, **files))
        fold_done(number, len(folds))
    groups = groups_of(manifest)
    development, test = pd.concat([part.predictions for part in parts], ignore_index=True), tested(folds)
    grouped: dict[str, Any] = {"groups": groups, "grouped_by": _GROUPED_BY if groups else "", "coverage": coverage}
    task = folds[0].record.task
    calibration = (
        calibrate_scores(development, test, task=task, **grouped)
        if isinstance(task, Regression)
        else calibrate(development, test, classes=task.classes, bins=bins, **grouped)
    )
    usual = usual_distances([part.distances for part in parts])
    return calibration.model_copy(update={"usual_distances": usual})


def tested(folds: Sequence[TrainedFold]) -> pd.DataFrame:
    """Return the test predictions of all folds and seeds."""
    return pd.concat([read_predictions(fold.folder) for fold in folds], ignore_index=True)


def groups_of(manifest: Manifest) -> dict[str, str]:
    """Return the gender of each utterance's speaker, if the manifest has it."""
    known = manifest.rows[manifest.rows[_GROUPED_BY].notna()]
    return dict(zip(known["utterance_id"], known[_GROUPED_BY], strict=True))


def _write(path: Path, table: pa.Table, metadata: dict[str, str]) -> None:
    with replacing(path) as part:
        pq.write_table(table.replace_schema_metadata(metadata), part)
