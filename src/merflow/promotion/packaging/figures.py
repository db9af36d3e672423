"""The figures of a package in MLflow: the results of the fold models on their test parts."""

from pathlib import Path

import numpy as np
import pandas as pd

from merflow.contracts.calibration_record import ANY_GROUP, Calibration
from merflow.contracts.model_package import PREDICTIONS_FILE, ModelPackage
from merflow.contracts.score_calibration import ScoreCalibration
from merflow.contracts.tables import read_table, tables_of
from merflow.contracts.task import Regression
from merflow.evaluation.metrics import macro_f1, unweighted_accuracy, weighted_accuracy
from merflow.evaluation.scores.metrics import figures_of as score_figures_of
from merflow.tracking.score_figures import metric_name


def cross_validated(
    package: Path, described: ModelPackage, calibration: Calibration | ScoreCalibration
) -> dict[str, float]:
    """Return the figures that can be computed by name, such as ``cv/test_UA`` or ``cv/test_MAE``.

    Raises:
        MerflowError: The predictions are missing or damaged.
    """
    rows = read_table(package / PREDICTIONS_FILE, tables_of(described.predicted).predictions)[0]
    if isinstance(calibration, Calibration):
        return _of_emotions(rows, classes=described.classes) | _of_sets(calibration)
    assert isinstance(described.predicted, Regression), "a package's calibration is of its own task"
    return _of_scores(rows, task=described.predicted) | _of_intervals(calibration)


def _of_emotions(rows: pd.DataFrame, *, classes: tuple[str, ...]) -> dict[str, float]:
    index_of = {name: index for index, name in enumerate(classes)}
    labels = rows["label"].map(index_of).to_numpy(dtype=np.int64)
    predicted = np.stack(rows["probabilities"].tolist()).argmax(axis=1)
    return {
        "cv/test_UA": unweighted_accuracy(labels, predicted, classes=len(classes)),
        "cv/test_WA": weighted_accuracy(labels, predicted),
        "cv/test_macro_f1": macro_f1(labels, predicted, classes=len(classes)),
    }


def _of_scores(rows: pd.DataFrame, *, task: Regression) -> dict[str, float]:
    found = score_figures_of(rows["label"].to_numpy(), rows["score"].to_numpy(), task)
    return {f"cv/test_{metric_name(name)}": value for name, value in found.items() if value is not None}


def _of_sets(calibration: Calibration) -> dict[str, float]:
    held_out = calibration.held_out
    every = held_out.groups[ANY_GROUP]
    return {
        "cv/ece_before": held_out.ece_before,
        "cv/ece_after": held_out.ece_after,
        "cv/nll_before": held_out.nll_before,
        "cv/nll_after": held_out.nll_after,
        "cv/coverage": every.coverage,
        "cv/answered": every.answered,
        "cv/set_size": every.mean_size,
    }


def _of_intervals(calibration: ScoreCalibration) -> dict[str, float]:
    every = calibration.held_out.groups[ANY_GROUP]
    return {
        "cv/coverage": every.coverage,
        "cv/answered": every.answered,
        "cv/interval_width": every.mean_width,
    }
