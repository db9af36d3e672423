"""Small SVG drawings of the report: classes for colours, so that the page's style decides between light and dark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup, escape

_BAR_WIDTH, _BAR_HEIGHT = 180, 22
_STRIP_WIDTH, _STRIP_HEIGHT = 420, 26
_CURVE_WIDTH, _CURVE_HEIGHT = 440, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 38, 8, 8, 20


@dataclass(frozen=True)
class Axis:
    """A common scale of percentages for drawings that stand below each other."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Sequence[float]) -> "Axis":
        """The scale from the 5 % step below the lowest value to the one above the highest."""
        low = 5 * np.floor((min(values) - 1) / 5)
        high = 5 * np.ceil((max(values) + 1) / 5)
        return cls(max(float(low), 0.0), min(float(high), 100.0))

    def place(self, value: float, *, width: float) -> float:
        """Where a percentage lies between 0 and the width."""
        return width * (value - self.low) / (self.high - self.low)


def interval_bar(pooled: float, interval: Sequence[float] | None, *, chance: float, axis: Axis) -> Markup:
    """Pooled percentage as a dot, its interval as a bar, chance as a tick; on the axis."""
    middle, inner = _BAR_HEIGHT / 2, _BAR_WIDTH - 12

    def x(value: float) -> str:
        return f"{6 + axis.place(value, width=inner):.1f}"

    bar = ""
    label = f"{pooled:.1f} percent, chance {chance:.0f}"
    if interval is not None:
        label = f"{pooled:.1f} percent, 95 percent interval {interval[0]:.1f} to {interval[1]:.1f}, chance {chance:.0f}"
        bar = f'<line class="interval" x1="{x(interval[0])}" x2="{x(interval[1])}" y1="{middle}" y2="{middle}"/>'
    return Markup(
        f'<svg class="bar" viewBox="0 0 {_BAR_WIDTH} {_BAR_HEIGHT}" role="img" aria-label="{label}">'
        f'<line class="track" x1="6" x2="{_BAR_WIDTH - 6}" y1="{middle}" y2="{middle}"/>'
        f'<line class="chance" x1="{x(chance)}" x2="{x(chance)}" y1="4" y2="{_BAR_HEIGHT - 4}"/>'
        f'{bar}<circle class="pooled" cx="{x(pooled)}" cy="{middle}" r="4.5"/></svg>'
    )


def training_name(test: Mapping[str, Any]) -> str:
    """``fold 1``, or with another seed than 0 ``fold 1, seed 2``."""
    return f"fold {test['fold']}" + (f", seed {test['seed']}" if test["seed"] else "")


def fold_strip(folds: Sequence[Mapping[str, Any]], *, mean: float, axis: Axis) -> Markup:
    """One dot a fold and seed at its UA (percent) and a line at their mean."""
    middle, inner = _STRIP_HEIGHT / 2, _STRIP_WIDTH - 16
    dots = "".join(
        f'<circle class="fold" cx="{8 + axis.place(100 * fold["UA"], width=inner):.1f}" cy="{middle}" r="5">'
        f"<title>{training_name(fold)}: {100 * fold['UA']:.1f} %</title></circle>"
        for fold in folds
    )
    at = f"{8 + axis.place(mean, width=inner):.1f}"
    label = "; ".join(f"{training_name(fold)} {100 * fold['UA']:.1f} percent" for fold in folds)
    return Markup(
        f'<svg class="strip" viewBox="0 0 {_STRIP_WIDTH} {_STRIP_HEIGHT}" role="img" aria-label="{label}">'
        f'<line class="track" x1="8" x2="{_STRIP_WIDTH - 8}" y1="{middle}" y2="{middle}"/>'
        f'<line class="mean" x1="{at}" x2="{at}" y1="3" y2="{_STRIP_HEIGHT - 3}"/>{dots}</svg>'
    )


def learning_curves(
    histories: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    figures: Mapping[str, str],
    chosen: Mapping[str, int | None],
    label: str,
) -> Markup:
    """One panel: a line for each training and figure, a dot at each training's chosen epoch.

    Args:
        histories: Training (``fold 1``) -> rows with ``epoch`` and figures.
        figures: Name in the rows -> CSS class of the line; the dots are on the last one.
        chosen: Training -> chosen epoch.
        label: What a screen reader says.
    """
    points = [
        (float(row["epoch"]), float(row[name])) for rows in histories.values() for row in rows for name in figures
    ]
    points = [point for point in points if np.isfinite(point[1])]
    if not points:
        return Markup("")
    last = max(max(epoch for epoch, _ in points), 2.0)
    low, high = min(value for _, value in points), max(value for _, value in points)
    span = (high - low) or 1.0

    def at(epoch: float, value: float) -> str:
        x = _LEFT + (epoch - 1) / (last - 1) * (_CURVE_WIDTH - _LEFT - _RIGHT)
        y = _TOP + (high - value) / span * (_CURVE_HEIGHT - _TOP - _BOTTOM)
        return f"{x:.1f},{y:.1f}"

    drawn = []
    for rows in histories.values():
        for name, style in figures.items():
            line = " ".join(at(row["epoch"], row[name]) for row in rows if np.isfinite(row[name]))
            drawn.append(f'<polyline class="{escape(style)}" points="{line}"/>')
    marked = list(figures)[-1]
    for training, rows in histories.items():
        for row in rows:
            if row["epoch"] == chosen.get(training) and np.isfinite(row[marked]):
                x, _, y = at(row["epoch"], row[marked]).partition(",")
                drawn.append(
                    f'<circle class="chosen" cx="{x}" cy="{y}" r="3.5"><title>{escape(training)}, '
                    f"epoch {row['epoch']}: {row[marked]:.3f}</title></circle>"
                )
    return Markup(
        f'<svg class="curves" viewBox="0 0 {_CURVE_WIDTH} {_CURVE_HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"{_frame(low, high, last)}{''.join(drawn)}</svg>"
    )


def _frame(low: float, high: float, last: float) -> str:
    bottom, right = _CURVE_HEIGHT - _BOTTOM, _CURVE_WIDTH - _RIGHT
    return (
        f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
        f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{_TOP}" y2="{_TOP}"/>'
        f'<text x="{_LEFT - 5}" y="{_TOP + 4}" text-anchor="end">{high:.2f}</text>'
        f'<text x="{_LEFT - 5}" y="{bottom + 3}" text-anchor="end">{low:.2f}</text>'
        f'<text x="{_LEFT}" y="{_CURVE_HEIGHT - 5}">1</text>'
        f'<text x="{right}" y="{_CURVE_HEIGHT - 5}" text-anchor="end">epoch {last:.0f}</text>'
    )
