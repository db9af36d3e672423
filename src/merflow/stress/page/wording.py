"""The words and formats of the page and the terminal, for emotions and for scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from merflow.contracts.numerals import (
    MINUS,
    decimal,
    percent,
    signed,
    signed_decimal,
    signed_decimal_interval,
    signed_interval,
)
from merflow.contracts.stress_results import ScoreStressResults, StressRun
from merflow.stress.scores.scoring import ALLOWED_GAP as ALLOWED_SCORE_GAP
from merflow.stress.scores.scoring import FEWEST_OF_GROUP
from merflow.stress.scores.thresholds import SAME_WITHIN
from merflow.stress.scoring import ALLOWED_GAP


@dataclass(frozen=True)
class Wording:
    """Words and formats of one task.

    Attributes:
        figure: The figure by which conditions are judged.
        group_figure: The figure by which groups are compared.
        amount: Formats a figure, or a difference without its sign.
        change: Formats a difference with its sign.
        change_interval: Formats the interval of a difference.
        tick: Formats a difference for a tick, in a shorter form.
        unit: Unit after a figure.
        points: Unit after a difference, with the space before it.
        are: Verb that goes with an amount.
        stay: A prediction that stays the same, as in "50% of predictions stay the same".
        worse: Comparison of a group's figure with that of the others.
        larger_is_worse: True if a group with a larger figure is worse.
        costs: Note on the changes of the figure.
        unchanged: Note on the unchanged predictions.
        groups: Note on the groups.
        drawn: A sentence about how utterances are drawn.
        random: A sentence about the random model.
        table: A sentence about the units of the terminal's table.
    """

    figure: str
    group_figure: str
    amount: Callable[[float | None], str]
    change: Callable[[float | None], str]
    change_interval: Callable[[Sequence[float] | None], str]
    tick: Callable[[float], str]
    unit: str
    points: str
    are: str
    stay: str
    worse: str
    larger_is_worse: bool
    costs: str
    unchanged: str
    groups: str
    drawn: str
    random: str
    table: str


def wording_of(results: StressRun) -> Wording:
    """Return the words for the results of a task."""
    return _SCORES if isinstance(results, ScoreStressResults) else _EMOTIONS


def _tick(value: float) -> str:
    return f"{value:+g}".replace("-", MINUS) if abs(value) > 1e-9 else "0"


_PASSES = (
    "A dot in the shaded zone passes: it holds what the condition may cost, and what chance adds in a sample of this "
    "size."
)
_EMOTIONS = Wording(
    figure="UA",
    group_figure="UA",
    amount=percent,
    change=signed,
    change_interval=signed_interval,
    tick=lambda value: signed(value).removesuffix(".0"),
    unit="%",
    points=" points",
    are="are",
    stay="of predictions stay the same",
    worse="lower than",
    larger_is_worse=False,
    costs=f"Percentage points of UA that each condition costs, on the same utterances. {_PASSES}",
    unchanged="Share of utterances whose predicted emotion stays the same. A model can keep its UA and still change "
    "its mind on many utterances; both must hold for a condition to pass.",
    groups="UA of each group minus that of all other utterances, nothing changed, over the emotions that both have. "
    "The shaded zone holds the gaps that a model without bias shows by chance in a sample of this size, and any gap "
    f"below {100 * ALLOWED_GAP:.0f} points.",
    drawn="The utterances are drawn so that each emotion of each speaker keeps its share.",
    random="a random model that is right as often on each emotion as this one, whatever it hears",
    table="Percent and percentage points of UA.",
)
_SCORES = Wording(
    figure="CCC",
    group_figure="MAE",
    amount=decimal,
    change=signed_decimal,
    change_interval=signed_decimal_interval,
    tick=_tick,
    unit="",
    points="",
    are="is",
    stay="of scores stay the same within half a step",
    worse="higher than",
    larger_is_worse=True,
    costs=f"CCC that each condition costs, on the same utterances. {_PASSES}",
    unchanged=f"Share of utterances whose score moves by half a step of the scale ({SAME_WITHIN:g}) at most. A model "
    "can keep its CCC and still change its mind on many utterances; both must hold for a condition to pass.",
    groups="MAE of each group minus that of other utterances whose truth is at the same step of the scale, nothing "
    "changed. The shaded zone holds the gaps that a model without bias shows by chance in a sample of this size, "
    f"and any gap below {100 * ALLOWED_SCORE_GAP:.0f}% of the scale. Groups below {FEWEST_OF_GROUP} utterances are not "
    "compared.",
    drawn="The utterances are drawn so that each step of the scale keeps its share.",
    random="a random model whose scores depend on the truth and miss it as those of this one do, whatever it hears",
    table="CCC and MAE, the latter in units of the scale; unchanged scores in percent.",
)
