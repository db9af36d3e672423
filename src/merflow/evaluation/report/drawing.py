"""Parts of the page's interactive charts: colours, markers, and charts that reports of any task draw.

Colours are those of the light page; ``report.js`` replaces them on the dark one.

Each Okabe-Ito colour has a marker of its own, so that no meaning is carried by colour alone. The numbers of each chart
are in a table beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from merflow.contracts.history import EpochFigures
from merflow.contracts.numerals import training_name
from merflow.contracts.scores import Interval

# Fold and seed -> epochs, first one first.
History = Mapping[tuple[int, int], Sequence[EpochFigures]]
# The same per variant.
Histories = Mapping[str, History]

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
# Above the chart, since a phone has no room beside it.
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


@dataclass(frozen=True)
class DevelopmentFigure:
    """The development figure that learning curves show.

    Attributes:
        name: Its name among :attr:`merflow.contracts.history.EpochFigures.figures`.
        title: Its name for people.
        scale: Factor from the figure to the unit.
        key: Start of the chart's anchor.
        unit: Unit behind a value; empty for none.
    """

    name: str
    title: str
    scale: float
    key: str
    unit: str


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
        # Side by side within a group, since overlapping intervals cannot be read.
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


def learning_charts(
    name: str, histories: History, *, chosen: Mapping[tuple[int, int], int | None], figure: DevelopmentFigure
) -> list["Chart"]:
    """Draw losses, and a development figure with the chosen epochs, of every training run of a variant.

    A variant without a history has no charts.

    Args:
        name: Name of the variant.
        histories: Its epochs by fold and seed.
        chosen: Chosen epochs by fold and seed.
        figure: The development figure.
    """
    if not any(histories.values()):
        return []
    anchor = name.replace(":", "-")
    epochs = sorted(epoch for epoch in chosen.values() if epoch is not None)
    listed = f" Chosen epochs: {', '.join(map(str, epochs))}." if epochs else ""
    losses = _lines(histories, "train_loss", VERMILLION, dash="dot", word="training")
    losses += _lines(histories, "dev_loss", BLUE, dash="solid", word="development")
    curves = _lines(histories, figure.name, BLUE, dash="solid", word="development", scale=figure.scale)
    curves.append(_chosen(histories, chosen, figure))
    axis = figure.title[0].lower() + figure.title[1:] + (f", {figure.unit}" if figure.unit else "")
    most = max(row.epoch for rows in histories.values() for row in rows)
    # Whole epochs, and no more than some eight ticks.
    layout = {"xaxis": {"title": {"text": "epoch"}, "tick0": 1, "dtick": -(-most // 8)}, "legend": LEGEND}
    return [
        chart(
            f"losses-{anchor}",
            f"Training and development loss of {name} by epoch, one line per fold.",
            losses,
            layout | {"yaxis": {"title": {"text": "loss"}}},
            300,
        ),
        chart(
            f"{figure.key}-{anchor}",
            f"{figure.title} of {name} by epoch, one line per fold.{listed}",
            curves,
            layout | {"yaxis": {"title": {"text": axis}}},
            300,
        ),
    ]


def _lines(
    histories: History,
    figure: str,
    colour: str,
    *,
    dash: str,
    word: str,
    scale: float = 1.0,
) -> list[Any]:
    """Draw one line per training run; a figure that is not finite leaves a gap."""
    import plotly.graph_objects as go

    return [
        go.Scatter(
            x=[row.epoch for row in rows],
            y=[_finite(scale * row.figures[figure]) for row in rows],
            mode="lines",
            name=word,
            legendgroup=word,
            showlegend=number == 0,
            line={"color": colour, "width": 1.5, "dash": dash},
            text=[training_name(fold, seed)] * len(rows),
            hovertemplate=f"%{{text}}, epoch %{{x}}: %{{y:.3g}}<extra>{word}</extra>",
        )
        for number, ((fold, seed), rows) in enumerate(histories.items())
    ]


def _chosen(histories: History, chosen: Mapping[tuple[int, int], int | None], figure: DevelopmentFigure) -> Any:  # noqa: ANN401 - a Plotly trace
    import plotly.graph_objects as go

    marked = [row for test, rows in histories.items() for row in rows if row.epoch == chosen.get(test)]
    return go.Scatter(
        x=[row.epoch for row in marked],
        y=[_finite(figure.scale * row.figures[figure.name]) for row in marked],
        mode="markers",
        name="chosen epoch",
        marker={"symbol": "circle-open", "size": 11, "color": INK, "line": {"width": 2}},
        hovertemplate=f"chosen epoch %{{x}}: %{{y:.3g}}{figure.unit}<extra></extra>",
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def marker(
    number: int, *, size: int, opacity: float = 1.0, styles: Sequence[tuple[str, str]] = STYLES
) -> dict[str, Any]:
    """Return a marker with the colour and the symbol of a series, counted from 0."""
    colour, symbol = styles[number % len(styles)]
    return {"color": colour, "symbol": symbol, "size": size, "opacity": opacity}


def two_lines(variant: str) -> str:
    """Break the name after the model, since a phone has no room for all of it beside a chart."""
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


def mean_epochs(histories: History, figure: DevelopmentFigure) -> list[dict[str, Any]]:
    """Return the figures of each epoch, averaged over the training runs that reached it; None if one is not finite."""
    by_epoch: dict[int, list[EpochFigures]] = {}
    for rows in histories.values():
        for row in rows:
            by_epoch.setdefault(row.epoch, []).append(row)
    return [
        {
            "epoch": epoch,
            "trainings": len(rows),
            "train_loss": _mean([row.train_loss for row in rows]),
            "dev_loss": _mean([row.dev_loss for row in rows]),
            "development": _mean([row.figures[figure.name] for row in rows]),
        }
        for epoch, rows in sorted(by_epoch.items())
    ]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if np.isfinite(values).all() else None
