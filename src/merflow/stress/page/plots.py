"""The page's plots as rows of HTML: a name, a track with dot, interval and limit, and the figure.

Rows of text stay readable at any width, which a picture with text in it does not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from merflow.contracts.numerals import percent, plural, signed, signed_interval
from merflow.contracts.stress_results import ConditionResult, GroupResult, StressResults

_STEP = 0.05
_TICK_STEPS = (0.05, 0.1, 0.2, 0.25)
_MOST_TICKS = 6


@dataclass(frozen=True)
class PlotRow:
    """One row; places are percent of the track's length.

    Attributes:
        name: Name of the condition or group.
        note: Further words.
        value: The figure.
        detail: Interval and limit in words, for the tooltip.
        passed: True if the figure is within the limit.
        low: Place of the interval's lower end; None without an interval.
        high: Place of the upper end.
        at: Place of the figure.
        limit: Place of the limit.
    """

    name: str
    note: str
    value: str
    detail: str
    passed: bool
    low: float | None
    high: float | None
    at: float
    limit: float


@dataclass(frozen=True)
class Plot:
    """Rows on a common scale.

    Attributes:
        key: Anchor, unique in a page.
        title: Title; empty where the section has one.
        label: Description for readers who do not see the plot.
        rows: The rows.
        ticks: Place and text of each tick of the scale.
        zero: Place of the line to compare with; None without one.
    """

    key: str
    title: str
    label: str
    rows: tuple[PlotRow, ...]
    ticks: tuple[tuple[float, str], ...]
    zero: float | None


def drops_plot(results: StressResults) -> Plot:
    """Return the change of UA per condition with its interval; a dot left of the limit fails."""
    scale = _Scale.of(
        value for each in results.conditions for value in (each.delta_ua, -each.allowed_drop, *(each.ci95 or ()))
    )
    return Plot(
        key="drops",
        title="",
        label="Change of UA under each condition, with interval and limit; the table below has the numbers.",
        rows=tuple(_drop_row(each, scale) for each in results.conditions),
        ticks=scale.ticks(signed_ends=True),
        zero=scale.place(0.0),
    )


def unchanged_plot(results: StressResults) -> Plot:
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
    return Plot("unchanged", "", label, rows, scale.ticks(signed_ends=False), None)


def group_plots(results: StressResults) -> list[Plot]:
    """Return the UA of each group against the others, one plot per grouping, on a common scale."""
    drawn = [group for group in results.groups if group.delta_ua is not None]
    scale = _Scale.of(
        value for each in drawn for value in (each.delta_ua or 0.0, -each.allowed_gap, *(each.ci95 or ()))
    )
    return [
        Plot(
            key=f"by-{by}",
            title=f"By {by}",
            label=f"UA of each group by {by} against all others; the table below has the numbers.",
            rows=tuple(_group_row(each, scale) for each in drawn if each.by == by),
            ticks=scale.ticks(signed_ends=True),
            zero=scale.place(0.0),
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
        """Return a scale with zero and these values, with ends at 5 points and a little room."""
        known = [0.0, *values]
        return cls(float(np.floor(min(known) / _STEP - 0.2) * _STEP), float(np.ceil(max(known) / _STEP + 0.2) * _STEP))

    def place(self, value: float) -> float:
        """Return a figure's place in percent of the track."""
        return round(100 * (value - self.low) / (self.high - self.low), 2)

    def ticks(self, *, signed_ends: bool) -> tuple[tuple[float, str], ...]:
        """Return a handful of round figures, in points with their sign or in percent."""
        span = self.high - self.low
        step = next((step for step in _TICK_STEPS if span / step <= _MOST_TICKS), _TICK_STEPS[-1])
        first, last = int(np.ceil(self.low / step - 1e-9)), int(np.floor(self.high / step + 1e-9))
        values = [step * number for number in range(first, last + 1)]
        return tuple(
            (self.place(value), signed(value).removesuffix(".0") if signed_ends else f"{100 * value:.0f}%")
            for value in values
        )

    def ends(self, interval: Sequence[float] | None) -> tuple[float | None, float | None]:
        """Return the places of an interval's ends; None without one."""
        return (None, None) if interval is None else (self.place(interval[0]), self.place(interval[1]))


def _drop_row(result: ConditionResult, scale: _Scale) -> PlotRow:
    low, high = scale.ends(result.ci95)
    return PlotRow(
        name=result.name,
        note=result.description,
        value=signed(result.delta_ua),
        detail=f"95% interval {signed_interval(result.ci95)}; a drop of {percent(result.allowed_drop)} points passes",
        passed=-result.delta_ua <= result.allowed_drop,
        low=low,
        high=high,
        at=scale.place(result.delta_ua),
        limit=scale.place(-result.allowed_drop),
    )


def _group_row(group: GroupResult, scale: _Scale) -> PlotRow:
    low, high = scale.ends(group.ci95)
    assert group.delta_ua is not None
    return PlotRow(
        name=group.group,
        note=plural(group.utterances, "utterance"),
        value=signed(group.delta_ua),
        detail=f"95% interval {signed_interval(group.ci95)}; a gap of {percent(group.allowed_gap)} points passes",
        passed=group.passed,
        low=low,
        high=high,
        at=scale.place(group.delta_ua),
        limit=scale.place(-group.allowed_gap),
    )
