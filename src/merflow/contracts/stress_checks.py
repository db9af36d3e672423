"""The checks of the stress suite: one condition or one group of utterances, and the limits that it has to meet.

An emotion model is judged by UA and by its predicted classes, a score model by CCC and by its scores.
"""

from abc import abstractmethod

from pydantic import FiniteFloat

from merflow.contracts.scores import Interval
from merflow.contracts.strict import Strict


class StressedCondition(Strict):
    """One condition: the same utterances with one thing changed.

    Attributes:
        name: Its name with its level, such as ``noise-10dB``.
        family: The kind of change, such as ``noise``.
        description: The change in a few words, with its unit.
        utterances: Number of utterances.
        ci95: Paired 95% interval of the figure's change; None for fewer than five dialogues.
        unchanged: Share of utterances whose prediction stays the same.
        allowed_drop: Largest drop of the figure that passes: the allowed cost of the condition plus a margin for chance
            in a sample of this size.
        min_unchanged: Smallest share of unchanged predictions that passes; it includes a margin for chance.
        passed: True if both limits are met.
    """

    name: str
    family: str
    description: str
    utterances: int
    ci95: Interval | None
    unchanged: FiniteFloat
    allowed_drop: FiniteFloat
    min_unchanged: FiniteFloat
    passed: bool

    @property
    @abstractmethod
    def figure(self) -> float:
        """The figure under the condition."""

    @property
    @abstractmethod
    def change(self) -> float:
        """The figure under the condition minus that of the same utterances unchanged."""


class ConditionResult(StressedCondition):
    """A condition and an emotion model; a prediction stays the same if the class does.

    Attributes:
        ua: UA under the condition, 0 to 1.
        delta_ua: ``ua`` minus the UA of the same utterances unchanged.
    """

    ua: FiniteFloat
    delta_ua: FiniteFloat

    @property
    def figure(self) -> float:
        """UA under the condition."""
        return self.ua

    @property
    def change(self) -> float:
        """The change of UA."""
        return self.delta_ua


class ScoreConditionResult(StressedCondition):
    """A condition and a score model; a prediction stays the same if it moves by half a step of the scale at most.

    Attributes:
        ccc: CCC under the condition.
        delta_ccc: ``ccc`` minus the CCC of the same utterances unchanged.
        mae: MAE under the condition.
        delta_mae: ``mae`` minus the MAE of the same utterances unchanged; above 0 if the condition costs.
        mae_ci95: Paired 95% interval of ``delta_mae``; None for fewer than five dialogues.
        shift: Mean of the scores under the condition minus the mean of those unchanged.
        shift_quartiles: 25th, 50th and 75th percentile of an utterance's score under the condition minus unchanged.
    """

    ccc: FiniteFloat
    delta_ccc: FiniteFloat
    mae: FiniteFloat
    delta_mae: FiniteFloat
    mae_ci95: Interval | None
    shift: FiniteFloat
    shift_quartiles: tuple[FiniteFloat, FiniteFloat, FiniteFloat]

    @property
    def figure(self) -> float:
        """CCC under the condition."""
        return self.ccc

    @property
    def change(self) -> float:
        """The change of CCC."""
        return self.delta_ccc


class ComparedGroup(Strict):
    """A group of utterances compared with all others, without any change.

    Attributes:
        by: The grouping: ``gender``, ``speaker``, ``session`` or ``length``.
        group: Name of the group.
        utterances: Number of utterances.
        ci95: 95% interval of the difference; None if it cannot be computed.
        allowed_gap: Largest gap that passes: the gap that a random model of the same accuracy shows by chance, or a
            small minimum.
        passed: True if the group is not worse than the others by more than that.
    """

    by: str
    group: str
    utterances: int
    ci95: Interval | None
    allowed_gap: FiniteFloat
    passed: bool

    @property
    @abstractmethod
    def figure(self) -> float | None:
        """The figure of the group; None for an empty one."""

    @property
    @abstractmethod
    def difference(self) -> float | None:
        """The figure of the group minus that of the others, over what both have; None if they share nothing."""


class GroupResult(ComparedGroup):
    """The UA of a group.

    Attributes:
        ua: UA of the group over the classes that occur in it; None for an empty group.
        delta_ua: UA of the group minus that of the others, over the classes that both have; None if they share none.
    """

    ua: FiniteFloat | None
    delta_ua: FiniteFloat | None

    @property
    def figure(self) -> float | None:
        """UA of the group."""
        return self.ua

    @property
    def difference(self) -> float | None:
        """UA of the group minus that of the others."""
        return self.delta_ua


class ScoreGroupResult(ComparedGroup):
    """The MAE of a group.

    Attributes:
        mae: MAE of the group.
        delta_mae: MAE of the group minus that of others with the same truth, rounded to steps of the scale, over the
            steps that both have; None if they share none. Above 0 if the model is worse for the group.
    """

    mae: FiniteFloat
    delta_mae: FiniteFloat | None

    @property
    def figure(self) -> float | None:
        """MAE of the group."""
        return self.mae

    @property
    def difference(self) -> float | None:
        """MAE of the group minus that of the others."""
        return self.delta_mae
