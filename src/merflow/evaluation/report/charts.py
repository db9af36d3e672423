"""The page's charts as Plotly figures. Colours are of the light page; ``report.js`` changes them for the dark one.

Okabe-Ito colours, each with a sign of its own: no meaning is carried by colour alone. Each chart has its numbers in a
table beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from merflow.contracts.numerals import percent, training_name
from merflow.evaluation.results import ranked

# Variant -> fold and seed -> one row an epoch.
Histories = Mapping[str, Mapping[tuple[int, int], Sequence[Mapping[str, Any]]]]

BLUE, VERMILLION, INK = "#0072b2", "#d55e00", "#1c2430"
_STYLES = (
    *((BLUE, "circle"), (VERMILLION, "square"), ("#009e73", "diamond"), ("#cc79a7", "triangle-up")),
    *(("#e69f00", "cross"), ("#56b4e9", "x"), (INK, "star"), ("#8a6d3b", "triangle-down")),
)
# As in the pictures of `explanations`.
_CLASS_STYLES = (
    *((VERMILLION, "circle"), ("#e69f00", "triangle-up"), (BLUE, "square"), ("#009e73", "diamond")),
    *(("#cc79a7", "triangle-down"), ("#56b4e9", "cross"), (INK, "x"), ("#8a6d3b", "star")),
)
# More lines in one panel than this cannot be told apart.
MOST_SERIES = len(_STYLES)
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}
# Above the chart: a phone has no room beside it.
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"}
_ROW = 34  # pixels of a variant's row


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        key: Unique in a page.
        label: What it shows, for a reader who does not see it.
        json: The figure, for Plotly.
        height: Pixels.
    """

    key: str
    label: str
    json: str
    height: int


def spread_chart(results: Mapping[str, Any]) -> Chart:
    """UA of every fold and seed, a row a variant, the best on top; a bar at their mean."""
    import plotly.graph_objects as go

    names = ranked(results)
    traces = []
    for number, seed in enumerate(results["seeds"]):
        points = [(n, test) for n in names for test in results["variants"][n]["folds"] if test["seed"] == seed]
        traces.append(
            go.Scatter(
                x=[100 * test["UA"] for _, test in points],
                y=[_two_lines(name) for name, _ in points],
                mode="markers",
                name=f"seed {seed}",
                marker=_marker(number, size=10, opacity=0.65),
                text=[f"{name}, {training_name(test)}: {percent(test['UA'])} %" for name, test in points],
                hovertemplate="%{text}<extra></extra>",
                showlegend=len(results["seeds"]) > 1,
            )
        )
    means = [100 * results["variants"][name]["UA"]["mean"] for name in names]
    traces.append(
        go.Scatter(
            x=means,
            y=[_two_lines(name) for name in names],
            mode="markers",
            name="mean",
            marker={"symbol": "line-ns", "size": 20, "line": {"width": 3, "color": INK}},
            hovertemplate="mean %{x:.1f} %<extra></extra>",
        )
    )
    said = "; ".join(f"{name} {mean:.1f}" for name, mean in zip(names, means, strict=True))
    layout = {
        "xaxis": {"title": {"text": "UA of a fold, %"}, "zeroline": False},
        "yaxis": {"autorange": "reversed", "type": "category"},
        "legend": _LEGEND,
    }
    height = 110 + _ROW * len(names)
    return _chart("spread", f"UA of every fold and its mean by variant. Means: {said} percent.", traces, layout, height)


def learning_charts(
    name: str, histories: Mapping[tuple[int, int], Sequence[Mapping[str, Any]]], *, folds: Sequence[Mapping[str, Any]]
) -> list[Chart]:
    """Losses, and development UA with the chosen epochs, of every training of a variant; none without a history."""
    if not any(histories.values()):
        return []
    anchor = name.replace(":", "-")
    chosen = {(fold["fold"], fold["seed"]): fold["best_epoch"] for fold in folds}
    epochs = sorted(epoch for epoch in chosen.values() if epoch is not None)
    said = f"Chosen epochs: {', '.join(map(str, epochs))}." if epochs else ""
    losses = _lines(histories, "train_loss", VERMILLION, dash="dot", word="training")
    losses += _lines(histories, "dev_loss", BLUE, dash="solid", word="development")
    recalls = _lines(histories, "dev_ua", BLUE, dash="solid", word="development", scale=100.0)
    recalls.append(_chosen(histories, chosen))
    layout = {"xaxis": {"title": {"text": "epoch"}, "rangemode": "tozero"}, "legend": _LEGEND}
    return [
        _chart(
            f"losses-{anchor}",
            f"Training and development loss of {name} by epoch, a line a fold.",
            losses,
            layout | {"yaxis": {"title": {"text": "loss"}}},
            300,
        ),
        _chart(
            f"recalls-{anchor}",
            f"Development UA of {name} by epoch, a line a fold. {said}",
            recalls,
            layout | {"yaxis": {"title": {"text": "development UA, %"}}},
            300,
        ),
    ]


def reliability_chart(name: str, bins: Sequence[Mapping[str, Any]]) -> Chart:
    """Accuracy by confidence; the size of a point is its share of the utterances."""
    import plotly.graph_objects as go

    most = max(row["utterances"] for row in bins)
    traces = [
        go.Scatter(
            x=[0, 100],
            y=[0, 100],
            mode="lines",
            line={"color": INK, "dash": "dot", "width": 1},
            name="as sure as right",
            hoverinfo="skip",
        ),
        go.Scatter(
            x=[100 * row["confidence"] for row in bins],
            y=[100 * row["accuracy"] for row in bins],
            mode="lines+markers",
            name=name,
            line={"color": BLUE, "width": 1.5},
            marker={"color": BLUE, "size": [6 + 14 * (row["utterances"] / most) ** 0.5 for row in bins]},
            text=[f"{row['utterances']} utterances" for row in bins],
            hovertemplate="sure %{x:.0f} %, right %{y:.0f} %, %{text}<extra></extra>",
        ),
    ]
    layout = {
        "xaxis": {"title": {"text": "confidence, %"}, "range": [0, 103]},
        "yaxis": {"title": {"text": "right, %"}, "range": [0, 103]},
        "showlegend": False,
    }
    said = "; ".join(
        f"{100 * row['confidence']:.0f} sure, {100 * row['accuracy']:.0f} right, {row['utterances']} utterances"
        for row in bins
    )
    anchor = name.replace(":", "-")
    return _chart(f"reliability-{anchor}", f"Reliability of {name} in percent: {said}.", traces, layout, 300)


def breakdown_chart(results: Mapping[str, Any], key: str) -> Chart:
    """UA by group with intervals, a series a variant, the best variants only."""
    import plotly.graph_objects as go

    has = {name: results["variants"][name].get("breakdowns", {}).get(key) for name in ranked(results)}
    names = [name for name in has if has[name]][:MOST_SERIES]
    traces = []
    for number, name in enumerate(names):
        groups = [group for group in results["variants"][name]["breakdowns"][key] if group["UA"] is not None]
        ends = [group["ci95"] or [group["UA"], group["UA"]] for group in groups]
        # Side by side within a group: intervals over each other cannot be read.
        offset = (number - (len(names) - 1) / 2) * 0.7 / len(names)
        traces.append(
            go.Scatter(
                x=[place + offset for place in range(len(groups))],
                y=[100 * group["UA"] for group in groups],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [100 * (high - group["UA"]) for group, (_, high) in zip(groups, ends, strict=True)],
                    "arrayminus": [100 * (group["UA"] - low) for group, (low, _) in zip(groups, ends, strict=True)],
                    "thickness": 1,
                    "width": 2,
                },
                mode="markers",
                name=name,
                marker=_marker(number, size=9),
                text=[f"{name}, {group['group']}: {percent(group['UA'])} %" for group in groups],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    groups = results["variants"][names[0]]["breakdowns"][key]
    layout = {
        "xaxis": {
            "tickvals": list(range(len(groups))),
            "ticktext": [str(group["group"]) for group in groups],
            "zeroline": False,
        },
        "yaxis": {"title": {"text": "UA, %"}, "zeroline": False},
        "legend": _LEGEND,
    }
    label = f"UA by {key} and variant with 95 percent intervals; the table below has them."
    return _chart(f"chart-by-{key}", label, traces, layout, 380)


def embedding_chart(
    name: str, points: np.ndarray, emotions: Sequence[str], *, classes: Sequence[str], said: str
) -> Chart:
    """Utterances in the plane ``(U, 2)`` by emotion."""
    import plotly.graph_objects as go

    labels = np.asarray(emotions)
    traces = []
    for number, emotion in enumerate(classes):
        own = np.round(points[labels == emotion].astype(np.float64), 1)
        traces.append(
            go.Scatter(
                x=own[:, 0].tolist(),
                y=own[:, 1].tolist(),
                mode="markers",
                name=f"{emotion} ({len(own)})",
                marker=_marker(number, size=7, opacity=0.75, styles=_CLASS_STYLES),
                hovertemplate=f"{emotion}<extra></extra>",
            )
        )
    hidden = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}
    layout = {"xaxis": hidden, "yaxis": hidden, "legend": _LEGEND}
    anchor = name.replace(":", "-")
    return _chart(f"tsne-{anchor}", f"t-SNE of {name} by emotion. {said}", traces, layout, 380)


def _lines(
    histories: Mapping[tuple[int, int], Sequence[Mapping[str, Any]]],
    figure: str,
    colour: str,
    *,
    dash: str,
    word: str,
    scale: float = 1.0,
) -> list[Any]:
    """A line a training; a figure that is no number is a gap."""
    import plotly.graph_objects as go

    return [
        go.Scatter(
            x=[row["epoch"] for row in rows],
            y=[scale * row[figure] if np.isfinite(row[figure]) else None for row in rows],
            mode="lines",
            name=word,
            legendgroup=word,
            showlegend=number == 0,
            line={"color": colour, "width": 1.5, "dash": dash},
            text=[training_name({"fold": fold, "seed": seed})] * len(rows),
            hovertemplate=f"%{{text}}, epoch %{{x}}: %{{y:.3g}}<extra>{word}</extra>",
        )
        for number, ((fold, seed), rows) in enumerate(histories.items())
    ]


def _chosen(
    histories: Mapping[tuple[int, int], Sequence[Mapping[str, Any]]], chosen: Mapping[tuple[int, int], int | None]
) -> Any:  # noqa: ANN401 - a trace of plotly, which has no types
    import plotly.graph_objects as go

    marked = [row for test, rows in histories.items() for row in rows if row["epoch"] == chosen.get(test)]
    return go.Scatter(
        x=[row["epoch"] for row in marked],
        y=[100 * row["dev_ua"] if np.isfinite(row["dev_ua"]) else None for row in marked],
        mode="markers",
        name="chosen epoch",
        marker={"symbol": "circle-open", "size": 11, "color": INK, "line": {"width": 2}},
        hovertemplate="epoch %{x} chosen: %{y:.1f} %<extra></extra>",
    )


def _marker(
    number: int, *, size: int, opacity: float = 1.0, styles: Sequence[tuple[str, str]] = _STYLES
) -> dict[str, Any]:
    colour, symbol = styles[number % len(styles)]
    return {"color": colour, "symbol": symbol, "size": size, "opacity": opacity}


def _two_lines(variant: str) -> str:
    """The name, broken behind the model's: a phone has no room for it beside a chart."""
    return variant.replace(":", ":<br>", 1)


def _chart(key: str, label: str, traces: Sequence[Any], layout: Mapping[str, Any], height: int) -> Chart:
    import plotly.graph_objects as go
    from plotly.io import to_json

    axes = {name: {"automargin": True, **layout[name]} for name in ("xaxis", "yaxis")}
    shared = {"template": {}, "margin": _MARGIN, "dragmode": False, "hovermode": "closest", "height": height}
    figure = go.Figure(list(traces), layout={**shared, **layout, **axes})
    # Inside a page, a `<` could end the element that holds the figure.
    return Chart(key, label, str(to_json(figure)).replace("<", r"\u003c"), height)
