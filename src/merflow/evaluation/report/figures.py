"""Static figures of a variant: confusion matrix and learning curves.

They use Matplotlib without pyplot, so that they need no global state and no display, and are safe in any process.
Colours come from the Okabe-Ito palette, which people with any colour vision can tell apart, and never carry a meaning
alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from merflow.contracts.history import EpochFigures
from merflow.errors import EvaluationError

BLUE = "#0072B2"
VERMILLION = "#D55E00"
INK = "#1c2430"
SHADES = LinearSegmentedColormap.from_list("share", ["#ffffff", "#00507f"])
# Cells with a larger share of their row are dark enough for white text.
DARK_SHARE = 0.7


def confusion_figure(counts: Sequence[Sequence[int]] | np.ndarray, *, classes: Sequence[str], title: str) -> Figure:
    """Draw the confusion matrix, shaded by share of the true class, with percentage and count in each cell.

    Args:
        counts: ``(C, C)``, true class in rows.
        classes: C names.
        title: Title above the matrix.

    Raises:
        EvaluationError: The counts are not a C by C matrix.
    """
    cells = np.asarray(counts, dtype=np.float64)
    if cells.shape != (len(classes), len(classes)):
        raise EvaluationError(f"confusion counts have shape {cells.shape}; expected {len(classes)} rows and columns")
    support = cells.sum(axis=1, keepdims=True)
    shares = np.divide(cells, support, out=np.zeros_like(cells), where=support > 0)
    figure = Figure(figsize=(1.8 + 0.95 * len(classes), 1.5 + 0.8 * len(classes)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.imshow(shares, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(cells.shape):
        axes.text(
            column,
            row,
            f"{100 * shares[row, column]:.1f}%\n{int(cells[row, column])}",
            ha="center",
            va="center",
            color="white" if shares[row, column] > DARK_SHARE else INK,
        )
    axes.set_xticks(range(len(classes)), labels=list(classes))
    axes.set_yticks(range(len(classes)), labels=[f"{c}\n{int(n)}" for c, n in zip(classes, support[:, 0], strict=True)])
    axes.set_xticks(np.arange(len(classes) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(classes) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    return figure


def learning_figure(
    histories: Mapping[int, Sequence[EpochFigures]], *, title: str, chosen: Mapping[int, int], figure_name: str
) -> Figure:
    """Draw losses and a development figure of every fold by epoch, with the chosen epoch marked.

    Args:
        histories: Epochs per fold.
        title: Title above the panels.
        chosen: Chosen epoch per fold.
        figure_name: ``dev_ua`` or ``dev_mae``.
    """
    folds = sorted(histories)
    figure = Figure(figsize=(2.4 * max(len(folds), 1) + 0.8, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(2, max(len(folds), 1), sharex="col", sharey="row", squeeze=False)
    for column, fold in enumerate(folds):
        rows = histories[fold]
        epochs = [row.epoch for row in rows]
        losses, curves = panels[0, column], panels[1, column]
        losses.plot(epochs, [row.train_loss for row in rows], color=VERMILLION, linestyle="--", label="train")
        losses.plot(epochs, [row.dev_loss for row in rows], color=BLUE, label="development")
        curves.plot(epochs, [row.figures[figure_name] for row in rows], color=BLUE)
        for panel in (losses, curves):
            panel.spines[["top", "right"]].set_visible(False)
            if fold in chosen:
                panel.axvline(chosen[fold], color=INK, linewidth=0.8, linestyle=":")
        losses.set_title(f"fold {fold}", fontsize="medium")
        curves.set_xlabel("epoch")
    panels[0, 0].set_ylabel("loss")
    panels[1, 0].set_ylabel(f"development {figure_name.removeprefix('dev_').upper()}")
    if folds:
        panels[0, 0].legend(frameon=False, fontsize="small")
    figure.suptitle(f"{title} (dotted: chosen epoch)", fontsize="medium", fontweight="bold")
    return figure
