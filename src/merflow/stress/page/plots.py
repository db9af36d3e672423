"""The page's plots as rows of HTML: a name, a track with dot, interval and limit, and the figure.

Unlike a picture with text, rows of text stay readable at any width.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from merflow.contracts.numerals import percent, plural
from merflow.contracts.stress_checks import ComparedGroup, StressedCondition
from merflow.contracts.stress_results import ScoreStressResults, StressRun
from merflow.stress.page.wording import Wording, wording_of

_STEP = 0.05
_TICK_STEPS = (0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0)
_MOST_TICKS = 6


@dataclass(frozen=True)
class PlotRow:
    """One row; positions are percentages of the track's length.

    Attributes:
        name: Name of the condition or group.
        note: A further remark.
        value: The figure.
        detail: Interval and limit as text, for the tooltip.
        passed: True if the figure is within the limit.
        low: Position of the interval's lower end; None without an interval.
        high: Position of the upper end.
        at: Position of the figure.
        limit: Position of the limit; None without a limit.
    """

    name: str
    note: str
    value: str
    detail: str
    passed: bool
    low: float | None
    high: float | None
    at: float
    limit: float | None


@dataclass(frozen=True)
class Plot:
    """Rows on a common scale.

    Attributes:
        key: Anchor, unique in a page.
        title: Title; empty if the section already has one.
        label: Description for readers who do not see the plot.
        rows: The rows.
        ticks: Position and text of each tick.
        zero: Position of the reference line; None without one.
        left_passes: True if dots left of the limit pass, False if dots right of it do.
    """

    key: str
    title: str
    label: str
    rows: tuple[PlotRow, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float | None
    left_passes: bool = False


def drops_plot(results: StressRun) -> Plot:
    """Return the change of UA or CCC per condition with its interval; a dot left of the limit fails."""
    words = wording_of(results)
    scale = _Scale.of(
        value for each in results.conditions for value in (each.change, -each.allowed_drop, *(each.ci95 or ()))
    )
    return Plot(
        key="drops",
        title="",
        label=f"Change of {words.figure} under each condition, with interval and limit; the table below has the "
        "numbers.",
        rows=tuple(_drop_row(each, scale, words) for each in results.conditions),
        ticks=scale.ticks(words.tick),
        zero=scale.place(0.0),
    )


def unchanged_plot(results: StressRun) -> Plot:
    """Return the share of unchanged predictions per condition; a dot left of the limit fails."""
    scale = _Scale(0.0, 1.0)
    rows = tuple(
        PlotRow(
            name=each.name,
            note=each.description,
            value=f"{percent(each.unchanged)}%",
            detail=f"at least {percent(each.min_unchanged)}% pass",
            passed=each.unchanged >= each.min_unchanged,
            low=None,
            high=None,
            at=scale.place(each.unchanged),
            limit=scale.place(each.min_unchanged),
        )
        for each in results.conditions
    )
    label = "Share of predictions that stay the same under each condition; the table below has the numbers."
    return Plot("unchanged", "", label, rows, scale.ticks(lambda value: f"{100 * value:.0f}%"), None)


def shift_plot(results: ScoreStressResults) -> Plot:
    """Return the mean change of the scores per condition, with the middle half of the utterances."""
    words = wording_of(results)
    scale = _Scale.of(value for each in results.conditions for value in (each.shift, *each.shift_quartiles))
    rows = []
    for each in results.conditions:
        quarter, _, three_quarters = each.shift_quartiles
        low, high = scale.ends((quarter, three_quarters))
        middle = f"{words.change(quarter)} to {words.change(three_quarters)}"
        rows.append(
            PlotRow(
                name=each.name,
                note=each.description,
                value=words.change(each.shift),
                detail=f"half of the utterances move by {middle}",
                passed=True,
                low=low,
                high=high,
                at=scale.place(each.shift),
                limit=None,
            )
        )
    label = "Mean change of the scores under each condition; the table below has the numbers."
    return Plot("shifts", "", label, tuple(rows), scale.ticks(words.tick), scale.place(0.0))


def group_plots(results: StressRun) -> list[Plot]:
    """Return the figure of each group compared with the others, one plot per grouping, on a common scale."""
    words = wording_of(results)
    worse = 1 if words.larger_is_worse else -1
    drawn = [group for group in results.groups if group.difference is not None]
    scale = _Scale.of(
        value for each in drawn for value in (each.difference or 0.0, worse * each.allowed_gap, *(each.ci95 or ()))
    )
    return [
        Plot(
            key=f"by-{by}",
            title=f"By {by}",
            label=f"{words.group_figure} of each group by {by} against all others; the table below has the numbers.",
            rows=tuple(_group_row(each, scale, words) for each in drawn if each.by == by),
            ticks=scale.ticks(words.tick),
            zero=scale.place(0.0),
            left_passes=words.larger_is_worse,
        )
        for by in dict.fromkeys(group.by for group in drawn)
    ]


@dataclass(frozen=True)
class _Scale:
    """A range of figures on a track."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "_Scale":
        """Return a scale that includes zero and these values, extends at least to 5 points, and has a small margin."""
        known = [0.0, *values]
        return cls(float(np.floor(min(known) / _STEP - 0.2) * _STEP), float(np.ceil(max(known) / _STEP + 0.2) * _STEP))

    def place(self, value: float) -> float:
        """Return a figure's position in percent of the track."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def ticks(self, text: Callable[[float], str]) -> tuple[tuple[float, str], ...]:
        """Return the positions of a few round figures, with their texts."""
        span = self.high - self.low
        step = next((step for step in _TICK_STEPS if span / step <= _MOST_TICKS), _TICK_STEPS[-1])
        first, last = int(np.ceil(self.low / step - 1e-9)), int(np.floor(self.high / step + 1e-9))
        values = [step * number for number in range(first, last + 1)]
        return tuple((self.place(value), text(value)) for value in values)

    def ends(self, interval: Sequence[float] | None) -> tuple[float | None, float | None]:
        """Return the positions of an interval's ends; None without an interval."""
        return (None, None) if interval is None else (self.place(interval[0]), self.place(interval[1]))


def _drop_row(result: StressedCondition, scale: _Scale, words: Wording) -> PlotRow:
    low, high = scale.ends(result.ci95)
    return PlotRow(
        name=result.name,
        note=result.description,
        value=words.change(result.change),
        detail=f"95% interval {words.change_interval(result.ci95)}; a drop of {words.amount(result.allowed_drop)}"
        f"{words.points} passes",
        passed=-result.change <= result.allowed_drop,
        low=low,
        high=high,
        at=scale.place(result.change),
        limit=scale.place(-result.allowed_drop),
    )


def _group_row(group: ComparedGroup, scale: _Scale, words: Wording) -> PlotRow:
    low, high = scale.ends(group.ci95)
    assert group.difference is not None
    return PlotRow(
        name=group.group,
        note=plural(group.utterances, "utterance"),
        value=words.change(group.difference),
        detail=f"95% interval {words.change_interval(group.ci95)}; a gap of {words.amount(group.allowed_gap)}"
        f"{words.points} passes",
        passed=group.passed,
        low=low,
        high=high,
        at=scale.place(group.difference),
        limit=scale.place(group.allowed_gap if words.larger_is_worse else -group.allowed_gap),
    )
