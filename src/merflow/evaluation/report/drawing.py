"""Parts of the page's interactive charts: colours, markers, and charts that the reports of all tasks share.

Colours are for the light theme; ``report.js`` replaces them in the dark theme.

Each Okabe-Ito colour has its own marker, so that no meaning is carried by colour alone. The numbers of each chart
are in a table next to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from merflow.contracts.numerals import training_name
from merflow.contracts.scores import Interval

BLUE, VERMILLION, INK = "#0072b2", "#d55e00", "#1c2430"
STYLES = (
    *((BLUE, "circle"), (VERMILLION, "square"), ("#009e73", "diamond"), ("#cc79a7", "triangle-up")),
    *(("#e69f00", "cross"), ("#56b4e9", "x"), (INK, "star"), ("#8a6d3b", "triangle-down")),
)
# The same styles as in `inspection_figures`.
CLASS_STYLES = (
    *((VERMILLION, "circle"), ("#e69f00", "triangle-up"), (BLUE, "square"), ("#009e73", "diamond")),
    *(("#cc79a7", "triangle-down"), ("#56b4e9", "cross"), (INK, "x"), ("#8a6d3b", "star")),
)
# More series than this cannot be told apart in one panel.
MOST_SERIES = len(STYLES)
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
# Above the chart, because a phone has no room next to it.
LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"}
_ROW = 34  # pixels per variant


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        key: Anchor, unique in a page.
        label: Description for readers who do not see the chart.
        json: The figure as Plotly's JSON.
        height: Height in pixels.
    """

    key: str
    label: str
    json: str
    height: int


class FoldPoint(NamedTuple):
    """The figure of one fold and seed of a variant, in the unit of its axis.

    Attributes:
        variant: Name of the variant.
        fold: Counted from 1.
        seed: Training seed.
        value: The figure.
        text: The figure as people read it, with its unit.
    """

    variant: str
    fold: int
    seed: int
    value: float
    text: str


class GroupPoint(NamedTuple):
    """The figure of a group of utterances, in the unit of its axis.

    Attributes:
        group: Name of the group.
        value: The figure; None for an empty group.
        ends: Its interval; None without one.
        text: The figure as people read it, with its unit.
    """

    group: str
    value: float | None
    ends: Interval | None
    text: str


def points_by_test(
    points: Sequence[FoldPoint], means: Mapping[str, tuple[float, str]], *, axis: str, label: str
) -> "Chart":
    """Draw the figure of every fold and seed, one row per variant, and a bar at the mean.

    Args:
        points: The figures.
        means: Mean per variant with its text, in the order of the rows from the top.
        axis: Title of the axis.
        label: Description for readers who do not see the chart.
    """
    import plotly.graph_objects as go

    seeds = sorted({point.seed for point in points})
    traces = []
    for number, seed in enumerate(seeds):
        own = [point for point in points if point.seed == seed]
        traces.append(
            go.Scatter(
                x=[point.value for point in own],
                y=[two_lines(point.variant) for point in own],
                mode="markers",
                name=f"seed {seed}",
                marker=marker(number, size=10, opacity=0.65),
                text=[f"{point.variant}, {training_name(point.fold, point.seed)}: {point.text}" for point in own],
                hovertemplate="%{text}<extra></extra>",
                showlegend=len(seeds) > 1,
            )
        )
    traces.append(
        go.Scatter(
            x=[value for value, _ in means.values()],
            y=[two_lines(name) for name in means],
            mode="markers",
            name="mean",
            marker={"symbol": "line-ns", "size": 20, "line": {"width": 3, "color": INK}},
            text=[text for _, text in means.values()],
            hovertemplate="mean %{text}<extra></extra>",
        )
    )
    layout = {
        "xaxis": {"title": {"text": axis}, "zeroline": False},
        "yaxis": {"autorange": "reversed", "type": "category"},
        "legend": LEGEND,
    }
    return chart("spread", label, traces, layout, 110 + _ROW * len(means))


def groups_by_variant(key: str, by_variant: Mapping[str, Sequence[GroupPoint]], *, axis: str, label: str) -> "Chart":
    """Draw a figure by group with intervals, one series per variant, for the first :data:`MOST_SERIES` variants only.

    Args:
        key: Anchor.
        by_variant: The groups of each variant, at least of one; a variant without groups is left out.
        axis: Title of the axis.
        label: Description for readers who do not see the chart.
    """
    import plotly.graph_objects as go

    names = [name for name, groups in by_variant.items() if groups][:MOST_SERIES]
    traces = []
    for number, name in enumerate(names):
        drawn = [
            (point.group, point.value, point.ends or (point.value, point.value), point.text)
            for point in by_variant[name]
            if point.value is not None
        ]
        # Side by side within a group, because overlapping intervals cannot be read.
        offset = (number - (len(names) - 1) / 2) * 0.7 / len(names)
        traces.append(
            go.Scatter(
                x=[index + offset for index in range(len(drawn))],
                y=[value for _, value, _, _ in drawn],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [high - value for _, value, (_, high), _ in drawn],
                    "arrayminus": [value - low for _, value, (low, _), _ in drawn],
                    "thickness": 1,
                    "width": 2,
                },
                mode="markers",
                name=name,
                marker=marker(number, size=9),
                text=[f"{name}, {group}: {text}" for group, _, _, text in drawn],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    groups = by_variant[names[0]]
    layout = {
        "xaxis": {
            "tickvals": list(range(len(groups))),
            "ticktext": [point.group for point in groups],
            "zeroline": False,
        },
        "yaxis": {"title": {"text": axis}, "zeroline": False},
        "legend": LEGEND,
    }
    return chart(key, label, traces, layout, 380)


def marker(
    number: int, *, size: int, opacity: float = 1.0, styles: Sequence[tuple[str, str]] = STYLES
) -> dict[str, Any]:
    """Return a marker with the colour and the symbol of a series, counted from 0."""
    colour, symbol = styles[number % len(styles)]
    return {"color": colour, "symbol": symbol, "size": size, "opacity": opacity}


def two_lines(variant: str) -> str:
    """Break the name after the model, because a phone has no room for all of it next to a chart."""
    return variant.replace(":", ":<br>", 1)


def chart(key: str, label: str, traces: Sequence[Any], layout: Mapping[str, Any], height: int) -> Chart:
    """Return a chart of Plotly's traces with the page's margins.

    Args:
        key: Anchor, unique in a page.
        label: Description for readers who do not see the chart.
        traces: Plotly's traces.
        layout: Plotly's layout, with both axes.
        height: Height in pixels.
    """
    import plotly.graph_objects as go
    from plotly.io import to_json

    axes = {name: {"automargin": True, **layout[name]} for name in ("xaxis", "yaxis")}
    shared = {"template": {}, "margin": _MARGIN, "dragmode": False, "hovermode": "closest", "height": height}
    figure = go.Figure(list(traces), layout={**shared, **layout, **axes})
    # Inside a page, a `<` could end the element that holds the figure.
    return Chart(key, label, str(to_json(figure)).replace("<", r"\u003c"), height)
