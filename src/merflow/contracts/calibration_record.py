"""The calibration of a model package: temperature, conformal thresholds, and how both did on held-out data."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, FiniteFloat

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.scores import Interval
from merflow.contracts.streams import Role
from merflow.contracts.strict import Strict
from merflow.errors import ModelError

CALIBRATION = "calibration.json"
FORMAT = 1
_REMEDY = "register the model again with merflow registry register"
# The threshold for clips whose group is unknown: the largest of all groups', which keeps the coverage in each of them.
ANY_GROUP = "any"


class GroupCoverage(Strict):
    """The conformal sets of a group of held-out utterances.

    Attributes:
        utterances: Number of utterances.
        coverage: Share of sets that hold the true class.
        ci95: 95% interval of ``coverage``.
        mean_size: Mean number of classes in a set.
        answered: Share of sets with exactly one class; the model abstains on the others.
        accuracy_when_answered: Share of these single classes that are right; None if there are none.
    """

    utterances: int
    coverage: FiniteFloat
    ci95: Interval
    mean_size: FiniteFloat
    answered: FiniteFloat
    accuracy_when_answered: FiniteFloat | None


class HeldOutCalibration(Strict):
    """Figures on the test parts of the folds, each fold calibrated on its own development part.

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


class Calibration(Strict):
    """The calibration that belongs to a model package.

    Attributes:
        temperature: Divides the logits.
        coverage: Share of conformal sets that shall hold the true class, 0 to 1.
        grouped_by: Column of the manifest that forms the groups, such as ``gender``.
        thresholds: Lowest calibrated probability of a class in the set, by group, and below :data:`ANY_GROUP`.
        utterances: Number of development utterances behind each threshold.
        held_out: Figures on held-out data.
        usual_distances: Distance from the training data that 99% of the development utterances stay below, by role
            (:mod:`merflow.inference.training_range`); empty where it is unknown.
    """

    temperature: FiniteFloat
    coverage: FiniteFloat
    grouped_by: str
    thresholds: Mapping[str, FiniteFloat]
    utterances: Mapping[str, int]
    held_out: HeldOutCalibration
    usual_distances: Mapping[Role, FiniteFloat] = Field(default_factory=dict)


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Write ``calibration.json`` into a package.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / CALIBRATION, calibration, number=FORMAT)


def read_calibration(folder: Path) -> Calibration:
    """Read the calibration of a package.

    Raises:
        ModelError: The package has none.
        FormatError: Another version of merflow wrote it, or it is damaged.
    """
    path = folder / CALIBRATION
    if not path.is_file():
        raise ModelError(f"no such file: {path}; {_REMEDY}")
    return read_typed(Calibration, path, number=FORMAT, remedy=_REMEDY)
