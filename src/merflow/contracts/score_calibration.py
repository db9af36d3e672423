"""The calibration of a score model: the width of its conformal intervals, and their results on held-out data."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import FiniteFloat

from merflow.contracts.calibration_record import (
    CALIBRATION,
    FORMAT,
    REMEDY,
    AnyCalibration,
    Calibration,
    Coverage,
    calibrated_task,
)
from merflow.contracts.formats import read_typed
from merflow.contracts.strict import Strict
from merflow.contracts.task import EMOTION, ScoreTask


class IntervalCoverage(Coverage):
    """The conformal intervals of a group; one without the middle of the scale is an answer about the side.

    Attributes:
        mean_width: Mean width of an interval inside the scale, in units of the scale.
    """

    mean_width: FiniteFloat


class HeldOutIntervals(Strict):
    """Figures on the test parts of the folds, with each fold calibrated on its own development part.

    Attributes:
        utterances: Number of test utterances.
        mae: Mean absolute error of the scores.
        groups: Coverage per group, and of all utterances together below
            :data:`merflow.contracts.calibration_record.ANY_GROUP`.
    """

    utterances: int
    mae: FiniteFloat
    groups: Mapping[str, IntervalCoverage]


class ScoreCalibration(AnyCalibration):
    """The calibration of a score model.

    Attributes:
        task: The task.
        low: Lowest value of the scale.
        high: Highest value of the scale.
        half_widths: Half the width of an interval before it is cut to the scale, by group; the largest of all below
            :data:`merflow.contracts.calibration_record.ANY_GROUP`.
        held_out: Figures on held-out data.
    """

    task: ScoreTask
    low: FiniteFloat
    high: FiniteFloat
    half_widths: Mapping[str, FiniteFloat]
    held_out: HeldOutIntervals


def read_any_calibration(folder: Path) -> Calibration | ScoreCalibration:
    """Read the calibration of a package of any task.

    Raises:
        ModelError: The package has none.
        FormatError: Another version of merflow wrote it, or it is damaged.
    """
    if calibrated_task(folder) == EMOTION:
        return read_typed(Calibration, folder / CALIBRATION, number=FORMAT, remedy=REMEDY)
    return read_typed(ScoreCalibration, folder / CALIBRATION, number=FORMAT, remedy=REMEDY)
