"""The figure by which the gate compares two models: UA for emotions, MAE for scores."""

from typing import Protocol

import numpy as np

from merflow.contracts.gate_decision import Check, Unit
from merflow.contracts.gate_policy import AccuracyPolicy, Grouping, GroupPolicy
from merflow.contracts.scores import Interval
from merflow.contracts.task import Regression, Task
from merflow.evaluation.tested_rows import AlignedRows
from merflow.promotion.gate.evidence import Evidence
from merflow.promotion.gate.interval import Spread
from merflow.promotion.gate.mean_absolute_error import MeanAbsoluteError
from merflow.promotion.gate.unweighted_accuracy import UnweightedAccuracy


class Figure(Protocol):
    """A figure computed from test predictions, and its wording.

    A *gain* compares the candidate's figure with the champion's; it is above 0 if the candidate is better.

    Shapes: K models, G dialogues, n tests.
    """

    @property
    def unit(self) -> Unit:
        """Unit of a gain."""

    @property
    def grouping(self) -> Grouping:
        """The grouping by this task's labels."""

    def tested(self, evidence: Evidence) -> AlignedRows:
        """Return the checked test predictions of a package.

        Raises:
            EvaluationError: The table is incomplete or malformed, or holds several variants.
        """

    def sums(self, variant: AlignedRows, rows: np.ndarray) -> np.ndarray:
        """Return the sums ``(G, ...)`` per dialogue over the selected rows ``(n,)`` bool; all seeds together."""

    def gain(self, sums: np.ndarray) -> float:
        """Return the gain of two models whose sums are ``(2, G, ...)``, candidate first."""

    def spread(self, sums: np.ndarray, *, utterances: int) -> Spread | None:
        """Return the spread of a gain; None if there are too few dialogues or labels are too rare.

        Args:
            sums: ``(2, G, ...)``.
            utterances: Number of utterances behind them; each counts once, whatever the seeds.
        """

    def label_groups(self, variant: AlignedRows) -> np.ndarray:
        """Return the group ``(n,)`` of each row in :attr:`grouping`, as text."""

    def above_floor(self, candidate: AlignedRows, *, policy: AccuracyPolicy) -> Check:
        """Return the check that the candidate is clearly better than a prediction that ignores the input."""

    def over_seeds(self, candidate: AlignedRows, champion: AlignedRows) -> tuple[int, float, Interval] | None:
        """Return the number of seeds, the mean gain across them and its interval; None for one seed."""

    def margin(self, policy: AccuracyPolicy | GroupPolicy) -> float:
        """Return the allowed loss, in :attr:`unit`."""

    def compared(self, gain: float, *, group: str = "") -> str:
        """Return the gain in words, such as ``UA is +1.2 points against the champion``.

        Args:
            gain: The gain.
            group: The group that it is measured on, such as ``gender F``; empty for all utterances.
        """

    def amount(self, size: float) -> str:
        """Return a size in words without a sign, such as ``1.2 points``."""

    def signed(self, gain: float) -> str:
        """Return a gain with its sign, such as ``+1.2``."""

    def signed_interval(self, ends: Interval) -> str:
        """Return the interval of a gain."""

    @property
    def look_at(self) -> str:
        """The part of the card to look at if a group is worse."""


def figure_of(task: Task) -> Figure:
    """Return the figure of a task."""
    return MeanAbsoluteError(task) if isinstance(task, Regression) else UnweightedAccuracy(task.classes)
