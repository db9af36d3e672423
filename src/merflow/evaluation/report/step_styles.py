"""Colours of the steps of a scale in figures, and the words for groups of utterances: emotions, or such steps."""

from dataclasses import dataclass
from typing import Literal

from merflow.contracts.task import Regression, Task

# From the lowest step to the highest, seen on a light and on a dark page alike.
_COLOURS = ("#8c2d04", "#d55e00", "#f0a060", "#9aa3ad", "#74b3dc", "#2a7fbf", "#5b3fa8")
# For Matplotlib and for Plotly; each side of the scale has its own marker, so that colour is not needed.
_MARKERS = {-1: ("v", "triangle-down"), 0: ("o", "circle"), 1: ("^", "triangle-up")}


@dataclass(frozen=True)
class StepStyle:
    """The style of a step.

    Attributes:
        colour: Hexadecimal colour.
        marker: Matplotlib's marker.
        symbol: Plotly's symbol.
    """

    colour: str
    marker: str
    symbol: str


def step_styles(task: Regression) -> tuple[StepStyle, ...]:
    """Return the style of each step of a scale, the lowest first."""
    values = [float(name) for name in task.groups]
    sides: list[Literal[-1, 0, 1]] = [
        0 if value == task.middle else (1 if value > task.middle else -1) for value in values
    ]
    last = max(1, len(values) - 1)
    colours = [_COLOURS[round(place * (len(_COLOURS) - 1) / last)] for place in range(len(values))]
    return tuple(StepStyle(colour, *_MARKERS[side]) for colour, side in zip(colours, sides, strict=True))


def grouped_by(task: Task) -> str:
    """Return the kind of the task's groups: ``emotion``, or for example ``step of sentiment``."""
    return f"step of {task.name}" if isinstance(task, Regression) else task.name
