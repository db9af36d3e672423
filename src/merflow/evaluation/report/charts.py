"""The page's interactive charts of emotions as Plotly figures."""

from collections.abc import Sequence

import numpy as np

from merflow.contracts.numerals import percent
from merflow.contracts.results import Results
from merflow.contracts.scores import Breakdown, FoldScore, ReliabilityBin
from merflow.contracts.task import Regression, Task
from merflow.evaluation.report.drawing import (
    BLUE,
    CLASS_STYLES,
    INK,
    LEGEND,
    Chart,
    FoldPoint,
    GroupPoint,
    chart,
    groups_by_variant,
    marker,
    points_by_test,
)
from merflow.evaluation.report.learning import DevelopmentFigure, History, learning_charts
from merflow.evaluation.report.step_styles import grouped_by, step_styles

UA = DevelopmentFigure("dev_ua", "Development UA", scale=100.0, key="recalls", unit="%")


def spread_chart(results: Results) -> Chart:
    """Draw the UA of every fold and seed, one row per variant with the best on top, and a bar at the mean."""
    means = {name: results.variants[name].ua.mean for name in results.ranked}
    listed = "; ".join(f"{name} {100 * mean:.1f}" for name, mean in means.items())
    return points_by_test(
        [
            FoldPoint(name, test.fold, test.seed, 100 * test.ua, f"{percent(test.ua)}%")
            for name in results.ranked
            for test in results.variants[name].folds
        ],
        {name: (100 * mean, f"{percent(mean)}%") for name, mean in means.items()},
        axis="UA per fold, %",
        label=f"UA of every fold and its mean, by variant. Means in percent: {listed}.",
    )


def ua_learning_charts(name: str, histories: History, *, folds: Sequence[FoldScore]) -> list[Chart]:
    """Draw losses, and development UA with the chosen epochs, of every training run of a variant."""
    chosen = {(fold.fold, fold.seed): fold.chosen_epoch for fold in folds}
    return learning_charts(name, histories, chosen=chosen, figure=UA)


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
    return chart(f"reliability-{anchor}", f"Reliability of {name} in percent: {listed}.", traces, layout, 300)


def breakdown_chart(results: Results, kind: Breakdown) -> Chart:
    """Draw UA by group with intervals, one series per variant, for the best variants only."""
    by_variant = {
        name: [
            GroupPoint(
                group.group,
                None if group.ua is None else 100 * group.ua,
                None if group.ci95 is None else (100 * group.ci95[0], 100 * group.ci95[1]),
                f"{percent(group.ua)}%",
            )
            for group in results.variants[name].breakdowns.get(kind, ())
        ]
        for name in results.ranked
    }
    label = f"UA by {kind} and variant with 95% intervals. The table below has the numbers."
    return groups_by_variant(f"chart-by-{kind}", by_variant, axis="UA, %", label=label)


def embedding_chart(name: str, points: np.ndarray, groups: Sequence[str], *, task: Task, caption: str) -> Chart:
    """Draw the t-SNE ``(U, 2)`` of utterances, coloured by group of the task: emotion, or step of the scale."""
    import plotly.graph_objects as go

    styles: Sequence[tuple[str, str]] = CLASS_STYLES
    if isinstance(task, Regression):
        styles = tuple((style.colour, style.symbol) for style in step_styles(task))
    labels = np.asarray(groups)
    traces = []
    for number, group in enumerate(task.groups):
        of_group = np.round(points[labels == group].astype(np.float64), 1)
        traces.append(
            go.Scatter(
                x=of_group[:, 0].tolist(),
                y=of_group[:, 1].tolist(),
                mode="markers",
                name=f"{group} ({len(of_group)})",
                marker=marker(number, size=7, opacity=0.75, styles=styles),
                hovertemplate=f"{group}<extra></extra>",
            )
        )
    hidden = {"showticklabels": False, "showgrid": False, "zeroline": False, "ticks": ""}
    layout = {"xaxis": hidden, "yaxis": hidden, "legend": LEGEND}
    anchor = name.replace(":", "-")
    return chart(f"tsne-{anchor}", f"t-SNE of {name} by {grouped_by(task)}. {caption}", traces, layout, 380)
