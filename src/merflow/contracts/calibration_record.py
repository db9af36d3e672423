"""The calibration of a model package: temperature, conformal thresholds, and their results on held-out data.

:mod:`merflow.contracts.score_calibration` has the calibration of a score model.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, FiniteFloat

from merflow.contracts.formats import read_content, write_typed
from merflow.contracts.scores import Interval
from merflow.contracts.streams import Role
from merflow.contracts.strict import Strict
from merflow.contracts.task import EMOTION
from merflow.errors import ModelError

CALIBRATION = "calibration.json"
FORMAT = 1
REMEDY = "register the model again with merflow registry register"
# The key of the threshold for clips of an unknown group: the most inclusive one, which keeps the coverage in all
# groups.
ANY_GROUP = "any"


class Coverage(Strict):
    """The conformal sets or intervals of a group of held-out utterances.

    Attributes:
        utterances: Number of utterances.
        coverage: Share of them that contain the truth.
        ci95: 95% interval of ``coverage``.
        answered: Share of utterances on which the model does not abstain.
        accuracy_when_answered: Share of these answers that are right; None if there are none.
    """

    utterances: int
    coverage: FiniteFloat
    ci95: Interval
    answered: FiniteFloat
    accuracy_when_answered: FiniteFloat | None


class GroupCoverage(Coverage):
    """The conformal sets of classes; a set with exactly one class is an answer.

    Attributes:
        mean_size: Mean number of classes in a set.
    """

    mean_size: FiniteFloat


class HeldOutCalibration(Strict):
    """Figures on the test parts of the folds, with each fold calibrated on its own development part.

    Attributes:
        utterances: Number of test utterances.
        ece_before: Expected calibration error of the model's own probabilities.
        ece_after: The same after temperature scaling.
        nll_before: Mean negative log likelihood in nats before scaling.
        nll_after: The same after it.
        groups: Coverage per group, and of all utterances together below :data:`ANY_GROUP`.
    """

    utterances: int
    ece_before: FiniteFloat
    ece_after: FiniteFloat
    nll_before: FiniteFloat
    nll_after: FiniteFloat
    groups: Mapping[str, GroupCoverage]


class AnyCalibration(Strict):
    """The part of a calibration that all tasks share.

    Attributes:
        coverage: Share of conformal sets or intervals that should contain the truth, 0 to 1.
        grouped_by: Column of the manifest that forms the groups, such as ``gender``.
        utterances: Number of development utterances by group, and of all below :data:`ANY_GROUP`.
        usual_distances: Distance from the training data that 99% of the development utterances stay below, by role
            (:mod:`merflow.inference.training_range`); empty if it is unknown.
    """

    coverage: FiniteFloat
    grouped_by: str
    utterances: Mapping[str, int]
    usual_distances: Mapping[Role, FiniteFloat] = Field(default_factory=dict)


class Calibration(AnyCalibration):
    """The calibration of an emotion model.

    Attributes:
        task: The task; files of earlier versions do not say it.
        temperature: Divides the logits.
        thresholds: Lowest calibrated probability of a class in the set, by group, and below :data:`ANY_GROUP`.
        held_out: Figures on held-out data.
    """

    task: Literal["emotion"] = EMOTION
    temperature: FiniteFloat
    thresholds: Mapping[str, FiniteFloat]
    held_out: HeldOutCalibration


def write_calibration(folder: Path, calibration: AnyCalibration) -> None:
    """Write ``calibration.json`` into a package.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / CALIBRATION, calibration, number=FORMAT)


def calibrated_task(folder: Path) -> str:
    """Return the task of a package's calibration: ``emotion`` if the file does not say it.

    Raises:
        ModelError: The package has no calibration.
        FormatError: The file is not JSON.
    """
    path = folder / CALIBRATION
    if not path.is_file():
        raise ModelError(f"no such file: {path}; {REMEDY}")
    return str(read_content(path, remedy=REMEDY).get("task", EMOTION))
