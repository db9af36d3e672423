"""The t-SNE of the representations of all modalities, one panel per model (Fig. 2 of GIA-MIC)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from merflow.contracts.numerals import percent
from merflow.evaluation.invariance import Agreement

_SOFT = "#667085"
# Okabe-Ito colors with a marker each, so that no meaning is carried by color alone.
_STYLES = (("#0072B2", "s"), ("#D55E00", "o"), ("#009E73", "^"))


@dataclass(frozen=True)
class InvariancePanel:
    """One model.

    Attributes:
        title: Heading of the panel.
        points: t-SNE by modality, ``(U, 2)`` each, of the same utterances in every panel.
        agreement: Figures of the vectors behind the map.
    """

    title: str
    points: Mapping[str, np.ndarray]
    agreement: Agreement


def invariance_figure(panels: Sequence[InvariancePanel], *, title: str) -> Figure:
    """Draw the maps side by side; the more the modalities of a panel overlap, the more invariant they are."""
    figure = Figure(figsize=(5.4 * len(panels) + 0.4, 6.0), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(grid, panels, strict=True):
        _draw(axes, panel)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize="medium", markerscale=2
    )
    figure.suptitle(title, fontsize="medium", fontweight="bold", x=0.01, ha="left")
    return figure


def _draw(axes: Axes, panel: InvariancePanel) -> None:
    for (modality, points), (color, marker) in zip(panel.points.items(), _STYLES, strict=False):
        axes.scatter(
            points[:, 0], points[:, 1], s=16, color=color, marker=marker, alpha=0.65, linewidths=0, label=modality
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color("#d5dbe5")
    axes.set_title(panel.title, loc="left", fontsize="medium")
    shown = panel.agreement
    axes.set_xlabel(
        f"silhouette by modality {round(shown.silhouette, 2) + 0:.2f} (0: overlapping, 1: apart)\n"
        f"neighbours from another modality {percent(shown.foreign_neighbours)}% (chance {percent(shown.chance)}%)\n"
        f"distance between modalities {shown.distance:.2f} times that between utterances",
        fontsize="small",
        color=_SOFT,
        loc="left",
    )
