"""The reference of a comparison: the held-out data in a package, or earlier traffic.

Shapes: n utterances, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from merflow.contracts.calibration_record import ANY_GROUP, Calibration
from merflow.contracts.heard import ScoreScale
from merflow.contracts.model_package import PREDICTIONS_FILE, REFERENCE_FILE, REMEDY, ModelPackage, read_package
from merflow.contracts.numerals import plural
from merflow.contracts.score_calibration import ScoreCalibration, read_any_calibration
from merflow.contracts.tables import MEASURED, read_table, tables_of
from merflow.contracts.task import Regression
from merflow.contracts.traffic_log import TrafficRecord
from merflow.errors import ModelError
from merflow.evaluation.conformal import in_sets
from merflow.evaluation.scores.intervals import holds_middle, intervals
from merflow.evaluation.temperature import scaled
from merflow.monitoring.samples import NUMBERS, Sample, sample_of


@dataclass(frozen=True, eq=False)
class Reference:
    """A sample to compare with.

    Attributes:
        sample: The clips.
        classes: Classes of the model; empty for a score model.
        promised: Coverage that its sets or intervals promise; None if it is unknown.
        words: The reference in words.
        cautions: Caveats about a comparison with it.
        scale: The scale of its scores; None for emotions, and where it is unknown.
    """

    sample: Sample
    classes: tuple[str, ...]
    promised: float | None
    words: str
    cautions: tuple[str, ...] = ()
    scale: ScoreScale | None = None


def reference_of_package(folder: Path) -> Reference:
    """Return the held-out data of a package: every utterance once, as predicted by the fold that was not trained on it.

    Raises:
        ModelError: The folder is not a package, or the package was built before monitoring existed.
        FormatError: Another version of merflow made it.
    """
    package, calibration = read_package(folder), read_any_calibration(folder)
    if not (folder / REFERENCE_FILE).is_file():
        raise ModelError(
            f"{folder} has no {REFERENCE_FILE}: the model was registered before monitoring; {REMEDY}, or compare with "
            "earlier traffic (--reference)"
        )
    measured, _ = read_table(folder / REFERENCE_FILE, MEASURED)
    predictions, _ = read_table(folder / PREDICTIONS_FILE, tables_of(package.predicted).predictions)
    first = predictions[predictions["seed"] == predictions["seed"].min()]
    known = measured.set_index("utterance_id")
    numbers = {
        name: known[name].dropna().to_numpy(dtype=np.float64)
        for name in known.columns
        if NUMBERS[name].needs in package.modalities
    }
    return Reference(
        sample=_emotions(first, numbers, package, calibration)
        if isinstance(calibration, Calibration)
        else _scores(first, numbers, package, calibration),
        classes=package.classes,
        promised=calibration.coverage,
        words=f"{plural(len(first), 'held-out utterance')} of {package.lineage.corpus}",
        cautions=(
            f"{_ANSWERS[type(calibration)]} and abstention of the reference come from the fold models, each on "
            f"utterances that it was not trained on. The model in use is {package.made}, which may differ a little; "
            "earlier traffic of the same version is an exact reference.",
            *(["The corpus is synthetic, and real traffic does not resemble it."] if package.synthetic else []),
        ),
        scale=scale_of(package),
    )


_ANSWERS = {Calibration: "Confidence, predicted emotions", ScoreCalibration: "Scores, widths of intervals"}


def scale_of(package: ModelPackage) -> ScoreScale | None:
    """Return the scale of a package's scores; None for emotions."""
    task = package.predicted
    return ScoreScale(task=task.name, low=task.low, high=task.high) if isinstance(task, Regression) else None


def _emotions(
    rows: pd.DataFrame, numbers: dict[str, np.ndarray], package: ModelPackage, calibration: Calibration
) -> Sample:
    labels = rows["label"].tolist()
    raw = np.stack([np.asarray(row, dtype=np.float64) for row in rows["probabilities"]])
    probabilities = scaled(raw, calibration.temperature)
    sets = in_sets(probabilities, groups=[ANY_GROUP] * len(labels), thresholds=calibration.thresholds)
    predicted = probabilities.argmax(axis=1)
    truth = np.array([package.classes.index(label) for label in labels], dtype=np.int64)
    return Sample(
        clips=len(labels),
        numbers={**numbers, "confidence": probabilities.max(axis=1)},
        predicted=np.bincount(predicted, minlength=len(package.classes)),
        abstained=int((sets.sum(axis=1) != 1).sum()),
        right=(int((predicted == truth).sum()), len(labels)),
        covered=None,
    )


def _scores(
    rows: pd.DataFrame, numbers: dict[str, np.ndarray], package: ModelPackage, calibration: ScoreCalibration
) -> Sample:
    task = package.predicted
    assert isinstance(task, Regression), "the calibration of a package is of its task"
    scores, labels = (rows[name].to_numpy(dtype=np.float64) for name in ("score", "label"))
    found = intervals(scores, groups=[ANY_GROUP] * len(rows), half_widths=calibration.half_widths, task=task)
    return Sample(
        clips=len(rows),
        numbers={**numbers, "score": scores, "width": found[:, 1] - found[:, 0]},
        predicted=None,
        abstained=int(holds_middle(found, task).sum()),
        errors=np.abs(scores - labels),
    )


def reference_of_traffic(
    records: Sequence[TrafficRecord],
    *,
    classes: tuple[str, ...],
    promised: float | None = None,
    scale: ScoreScale | None = None,
) -> Reference:
    """Return earlier traffic of the same version of a model; its accuracy is unknown.

    Args:
        records: Predictions.
        classes: Classes of the model; empty for scores.
        promised: Coverage that its sets or intervals promise; None if it is unknown.
        scale: The scale of its scores; None for emotions, and where it is unknown.
    """
    return Reference(
        sample=sample_of(records, classes=classes),
        classes=classes,
        promised=promised,
        words=f"{plural(len(records), 'clip')} of earlier traffic",
        scale=scale,
    )
