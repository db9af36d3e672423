"""Learning curves: losses and a development figure by epoch, for reports of any task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from merflow.contracts.history import EpochFigures
from merflow.contracts.numerals import training_name
from merflow.evaluation.report.drawing import BLUE, INK, LEGEND, VERMILLION, Chart, chart

# Fold and seed -> epochs, first one first.
History = Mapping[tuple[int, int], Sequence[EpochFigures]]
# The same, per variant.
Histories = Mapping[str, History]


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


def learning_charts(
    name: str, histories: History, *, chosen: Mapping[tuple[int, int], int | None], figure: DevelopmentFigure
) -> list[Chart]:
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
    # Whole epochs, and no more than about eight ticks.
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


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if np.isfinite(values).all() else None
