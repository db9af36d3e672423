"""The results of monitoring: a window of traffic compared with a reference."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, FiniteFloat

from merflow.contracts.formats import read_typed, write_typed
from merflow.contracts.scores import Interval
from merflow.contracts.strict import Strict
from merflow.contracts.task import ScoreTask

DRIFT = "monitor.json"
FORMAT = 1
_REMEDY = "run merflow monitor again"


class Check(Strict):
    """One test.

    Attributes:
        name: Its name, such as ``duration_s``.
        title: Its name for people.
        p_value: Probability of such a difference by chance.
        adjusted: The same, adjusted for all checks of the window by Holm's method.
        drifted: True if the difference is beyond chance and large enough to matter.
    """

    name: str
    title: str
    p_value: FiniteFloat
    adjusted: FiniteFloat = 1.0
    drifted: bool = False


class Values(Strict):
    """A measured number over some clips.

    Attributes:
        clips: Clips with a value.
        quantiles: 5th, 25th, 50th, 75th and 95th percentile.
        shares: Share of the clips per bin of :attr:`NumberCheck.edges`.
    """

    clips: int
    quantiles: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
    shares: tuple[FiniteFloat, ...]


class NumberCheck(Check):
    """A measured number.

    Attributes:
        unit: Its unit; empty without one.
        psi: Population stability index over deciles of the reference.
        energy: Energy distance in standard deviations of the reference.
        statistic: Kolmogorov-Smirnov statistic.
        edges: Edges of the picture's bins, one more than bins.
        reference: The reference.
        window: The window.
    """

    unit: str
    psi: FiniteFloat
    energy: FiniteFloat
    statistic: FiniteFloat
    edges: tuple[FiniteFloat, ...]
    reference: Values
    window: Values


class SharesCheck(Check):
    """The predicted emotions.

    Attributes:
        psi: Population stability index over the classes.
        reference: Share of each class in the reference.
        window: Share of each class in the window.
    """

    psi: FiniteFloat
    reference: Mapping[str, FiniteFloat]
    window: Mapping[str, FiniteFloat]


class RateCheck(Check):
    """A share of clips.

    Attributes:
        reference: The expected share.
        window: The share in the window.
        ci95: Wilson's 95% interval of the latter.
        clips: Number of clips in the window.
        allowed: Difference that does not count as drift, even if it is certain.
    """

    reference: FiniteFloat
    window: FiniteFloat
    ci95: Interval
    clips: int
    allowed: FiniteFloat


class ErrorCheck(Check):
    """The mean absolute error of scores with labels.

    Attributes:
        reference: MAE of the held-out data.
        window: MAE of the labelled clips of the window.
        ci95: 95% interval of the latter.
        clips: Labelled clips.
        allowed: Rise that does not count as drift, even if it is certain.
    """

    reference: FiniteFloat
    window: FiniteFloat
    ci95: Interval
    clips: int
    allowed: FiniteFloat


class DriftResults(Strict):
    """All results of a comparison.

    Attributes:
        model: Name of the model.
        version: Its version.
        reference: The reference, in words.
        reference_clips: Number of its clips.
        since: Time of the first clip of the window; empty if unknown.
        until: Time of the last one; empty if unknown.
        clips: Answered clips of the window.
        refused: Refused clips.
        left_out: Clips of other versions in the logs.
        labelled: Number of clips with labels.
        alpha: Family-wise level of the checks.
        min_clips: Clips below which nothing is compared.
        enough: True if there were at least that many.
        numbers: Measured numbers.
        shares: The predicted emotions; None if there was nothing to compare, and for scores.
        rates: Abstention, coverage and accuracy, where they are known.
        cautions: Limits of the comparison.
        task: The task of a score model; None, and not written, for emotions.
        error: The error of the scores; None, and not written, for emotions and without labels.
    """

    model: str
    version: str
    reference: str
    reference_clips: int
    since: str
    until: str
    clips: int
    refused: int
    left_out: int
    labelled: int
    alpha: FiniteFloat
    min_clips: int
    enough: bool
    numbers: tuple[NumberCheck, ...] = ()
    shares: SharesCheck | None = None
    rates: tuple[RateCheck, ...] = ()
    cautions: tuple[str, ...] = ()
    task: ScoreTask | None = Field(default=None, exclude_if=lambda task: task is None)
    error: ErrorCheck | None = Field(default=None, exclude_if=lambda error: error is None)

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks."""
        return (
            *self.numbers,
            *([self.shares] if self.shares else []),
            *self.rates,
            *([self.error] if self.error else []),
        )

    @property
    def drifted(self) -> tuple[Check, ...]:
        """The checks that found drift."""
        return tuple(check for check in self.checks if check.drifted)


def write_drift(folder: Path, results: DriftResults) -> None:
    """Write ``monitor.json``.

    Raises:
        OutputError: The folder cannot be written.
    """
    write_typed(folder / DRIFT, results, number=FORMAT)


def read_drift(folder: Path) -> DriftResults:
    """Read ``monitor.json``.

    Raises:
        FormatError: It is missing or damaged, or another version of merflow wrote it.
    """
    return read_typed(DriftResults, folder / DRIFT, number=FORMAT, remedy=_REMEDY)
