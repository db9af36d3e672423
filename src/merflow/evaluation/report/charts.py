"""The page's interactive charts as Plotly figures.

Colours are those of the light page; ``report.js`` replaces them on the dark one.

Each Okabe-Ito colour has a marker of its own, so that no meaning is carried by colour alone. The numbers of each chart
are in a table beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from merflow.contracts.history import EpochFigures
from merflow.contracts.numerals import percent, training_name
from merflow.contracts.results import Results
from merflow.contracts.scores import Breakdown, FoldScore, ReliabilityBin

# Fold and seed -> epochs, first one first.
History = Mapping[tuple[int, int], Sequence[EpochFigures]]
# The same per variant.
Histories = Mapping[str, History]

BLUE, VERMILLION, INK = "#0072b2", "#d55e00", "#1c2430"
_STYLES = (
    *((BLUE, "circle"), (VERMILLION, "square"), ("#009e73", "diamond"), ("#cc79a7", "triangle-up")),
    *(("#e69f00", "cross"), ("#56b4e9", "x"), (INK, "star"), ("#8a6d3b", "triangle-down")),
)
# The same styles as in `inspection_figures`.
_CLASS_STYLES = (
    *((VERMILLION, "circle"), ("#e69f00", "triangle-up"), (BLUE, "square"), ("#009e73", "diamond")),
    *(("#cc79a7", "triangle-down"), ("#56b4e9", "cross"), (INK, "x"), ("#8a6d3b", "star")),
)
# More series than this cannot be told apart in one panel.
MOST_SERIES = len(_STYLES)
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
# Above the chart, since a phone has no room beside it.
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"}
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


def spread_chart(results: Results) -> Chart:
    """Draw the UA of every fold and seed, one row per variant with the best on top, and a bar at the mean."""
    import plotly.graph_objects as go

    names = results.ranked
    traces = []
    for number, seed in enumerate(results.seeds):
        points = [(name, test) for name in names for test in results.variants[name].folds if test.seed == seed]
        traces.append(
            go.Scatter(
                x=[100 * test.ua for _, test in points],
                y=[_two_lines(name) for name, _ in points],
                mode="markers",
                name=f"seed {seed}",
                marker=_marker(number, size=10, opacity=0.65),
                text=[f"{name}, {training_name(test.fold, test.seed)}: {percent(test.ua)}%" for name, test in points],
                hovertemplate="%{text}<extra></extra>",
                showlegend=len(results.seeds) > 1,
            )
        )
    means = [100 * results.variants[name].ua.mean for name in names]
    traces.append(
        go.Scatter(
            x=means,
            y=[_two_lines(name) for name in names],
            mode="markers",
            name="mean",
            marker={"symbol": "line-ns", "size": 20, "line": {"width": 3, "color": INK}},
            hovertemplate="mean %{x:.1f}%<extra></extra>",
        )
    )
    listed = "; ".join(f"{name} {mean:.1f}" for name, mean in zip(names, means, strict=True))
    layout = {
        "xaxis": {"title": {"text": "UA per fold, %"}, "zeroline": False},
        "yaxis": {"autorange": "reversed", "type": "category"},
        "legend": _LEGEND,
    }
    height = 110 + _ROW * len(names)
    label = f"UA of every fold and its mean, by variant. Means in percent: {listed}."
    return _chart("spread", label, traces, layout, height)


def learning_charts(name: str, histories: History, *, folds: Sequence[FoldScore]) -> list[Chart]:
    """Draw losses, and development UA with the chosen epochs, of every training run of a variant.

    A variant without a history has no charts.
    """
    if not any(histories.values()):
        return []
    anchor = name.replace(":", "-")
    chosen = {(fold.fold, fold.seed): fold.chosen_epoch for fold in folds}
    epochs = sorted(epoch for epoch in chosen.values() if epoch is not None)
    listed = f" Chosen epochs: {', '.join(map(str, epochs))}." if epochs else ""
    losses = _lines(histories, "train_loss", VERMILLION, dash="dot", word="training")
    losses += _lines(histories, "dev_loss", BLUE, dash="solid", word="development")
    recalls = _lines(histories, "dev_ua", BLUE, dash="solid", word="development", scale=100.0)
    recalls.append(_chosen(histories, chosen))
    most = max(row.epoch for rows in histories.values() for row in rows)
    # Whole epochs, and no more than some eight ticks.
    layout = {"xaxis": {"title": {"text": "epoch"}, "tick0": 1, "dtick": -(-most // 8)}, "legend": _LEGEND}
    return [
        _chart(
            f"losses-{anchor}",
            f"Training and development loss of {name} by epoch, one line per fold.",
            losses,
            layout | {"yaxis": {"title": {"text": "loss"}}},
            300,
        ),
        _chart(
            f"recalls-{anchor}",
            f"Development UA of {name} by epoch, one line per fold.{listed}",
            recalls,
            layout | {"yaxis": {"title": {"text": "development UA, %"}}},
            300,
        ),
    ]


def reliability_chart(name: str, bins: Sequence[ReliabilityBin]) -> Chart:
    """Draw accuracy by confidence; larger points hold more predictions."""
    import plotly.graph_objects as go

    most = max(row.utterances for row in bins)
    traces = [
        go.Scatter(
            x=[0, 100],
            y=[0, 100],
            mode="lines",
            line={"color": INK, "dash": "dot", "width": 1},
            name="perfect calibration",
            hoverinfo="skip",
        ),
        go.Scatter(
            x=[100 * row.confidence for row in bins],
            y=[100 * row.accuracy for row in bins],
            mode="lines+markers",
            name=name,
            line={"color": BLUE, "width": 1.5},
            marker={"color": BLUE, "size": [6 + 14 * (row.utterances / most) ** 0.5 for row in bins]},
            text=[f"{row.utterances} predictions" for row in bins],
            hovertemplate="confidence %{x:.0f}%, accuracy %{y:.0f}%, %{text}<extra></extra>",
        ),
    ]
    layout = {
        "xaxis": {"title": {"text": "confidence, %"}, "range": [0, 103]},
        "yaxis": {"title": {"text": "accuracy, %"}, "range": [0, 103]},
        "showlegend": False,
    }
    listed = "; ".join(
        f"confidence {100 * row.confidence:.0f}, accuracy {100 * row.accuracy:.0f}, {row.utterances} predictions"
        for row in bins
    )
    anchor = name.replace(":", "-")
    return _chart(f"reliability-{anchor}", f"Reliability of {name} in percent: {listed}.", traces, layout, 300)


def breakdown_chart(results: Results, kind: Breakdown) -> Chart:
    """Draw UA by group with intervals, one series per variant, for the best variants only."""
    import plotly.graph_objects as go

    by_variant = {name: results.variants[name].breakdowns.get(kind, ()) for name in results.ranked}
    names = [name for name, groups in by_variant.items() if groups][:MOST_SERIES]
    traces = []
    for number, name in enumerate(names):
        drawn = [
            (group.group, group.ua, group.ci95 or (group.ua, group.ua))
            for group in by_variant[name]
            if group.ua is not None
        ]
        # Side by side within a group, since overlapping intervals cannot be read.
        offset = (number - (len(names) - 1) / 2) * 0.7 / len(names)
        traces.append(
            go.Scatter(
                x=[index + offset for index in range(len(drawn))],
                y=[100 * ua for _, ua, _ in drawn],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [100 * (high - ua) for _, ua, (_, high) in drawn],
                    "arrayminus": [100 * (ua - low) for _, ua, (low, _) in drawn],
                    "thickness": 1,
                    "width": 2,
                },
                mode="markers",
                name=name,
                marker=_marker(number, size=9),
                text=[f"{name}, {group}: {percent(ua)}%" for group, ua, _ in drawn],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    groups = by_variant[names[0]]
    layout = {
        "xaxis": {
            "tickvals": list(range(len(groups))),
            "ticktext": [group.group for group in groups],
            "zeroline": False,
        },
        "yaxis": {"title": {"text": "UA, %"}, "zeroline": False},
        "legend": _LEGEND,
    }
    label = f"UA by {kind} and variant with 95% intervals. The table below has the numbers."
    return _chart(f"chart-by-{kind}", label, traces, layout, 380)


def embedding_chart(
    name: str, points: np.ndarray, emotions: Sequence[str], *, classes: Sequence[str], caption: str
) -> Chart:
    """Draw the t-SNE ``(U, 2)`` of utterances, coloured by emotion."""
    import plotly.graph_objects as go

    labels = np.asarray(emotions)
    traces = []
    for number, emotion in enumerate(classes):
        of_emotion = np.round(points[labels == emotion].astype(np.float64), 1)
        traces.append(
            go.Scatter(
                x=of_emotion[:, 0].tolist(),
                y=of_emotion[:, 1].tolist(),
                mode="markers",
                name=f"{emotion} ({len(of_emotion)})",
                marker=_marker(number, size=7, opacity=0.75, styles=_CLASS_STYLES),
                hovertemplate=f"{emotion}<extra></extra>",
            )
        )
    hidden = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}
    layout = {"xaxis": hidden, "yaxis": hidden, "legend": _LEGEND}
    anchor = name.replace(":", "-")
    return _chart(f"tsne-{anchor}", f"t-SNE of {name} by emotion. {caption}", traces, layout, 380)


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
            y=[_finite(scale * getattr(row, figure)) for row in rows],
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


def _chosen(histories: History, chosen: Mapping[tuple[int, int], int | None]) -> Any:  # noqa: ANN401 - a Plotly trace
    import plotly.graph_objects as go

    marked = [row for test, rows in histories.items() for row in rows if row.epoch == chosen.get(test)]
    return go.Scatter(
        x=[row.epoch for row in marked],
        y=[_finite(100 * row.dev_ua) for row in marked],
        mode="markers",
        name="chosen epoch",
        marker={"symbol": "circle-open", "size": 11, "color": INK, "line": {"width": 2}},
        hovertemplate="chosen epoch %{x}: %{y:.1f}%<extra></extra>",
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _marker(
    number: int, *, size: int, opacity: float = 1.0, styles: Sequence[tuple[str, str]] = _STYLES
) -> dict[str, Any]:
    colour, symbol = styles[number % len(styles)]
    return {"color": colour, "symbol": symbol, "size": size, "opacity": opacity}


def _two_lines(variant: str) -> str:
    """Break the name after the model, since a phone has no room for all of it beside a chart."""
    return variant.replace(":", ":<br>", 1)


def _chart(key: str, label: str, traces: Sequence[Any], layout: Mapping[str, Any], height: int) -> Chart:
    import plotly.graph_objects as go
    from plotly.io import to_json

    axes = {name: {"automargin": True, **layout[name]} for name in ("xaxis", "yaxis")}
    shared = {"template": {}, "margin": _MARGIN, "dragmode": False, "hovermode": "closest", "height": height}
    figure = go.Figure(list(traces), layout={**shared, **layout, **axes})
    # Inside a page, a `<` could end the element that holds the figure.
    return Chart(key, label, str(to_json(figure)).replace("<", r"\u003c"), height)
