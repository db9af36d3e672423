"""The figure of a matrix of corpora: one panel per variant, training corpora in rows, tested corpora in columns."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from merflow.contracts.corpus_matrix import CorpusMatrix
from merflow.evaluation.report.figures import DARK_SHARE, INK, SHADES
from merflow.evaluation.report.matrix.wording import interval_text, value_text

_PER_ROW = 3  # panels
# Width and height in inches, of a cell and of the labels around a panel.
_CELL_IN, _LABELS_IN = (1.6, 0.75), (1.4, 1.4)


def matrix_figure(matrix: CorpusMatrix) -> Figure:
    """Draw the matrix of every variant, with the interval in each cell.

    Shades reach from 0 to 1; a CCC below 0 is as light as 0. A frame marks a corpus that was both trained on and
    tested, which is an easier test.
    """
    columns = min(_PER_ROW, len(matrix.variants))
    rows = -(-len(matrix.variants) // columns)
    width = columns * (_LABELS_IN[0] + _CELL_IN[0] * len(matrix.test_on))
    height = rows * (_LABELS_IN[1] + _CELL_IN[1] * len(matrix.train_on))
    figure = Figure(figsize=(max(width, 4.6), height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, variant in zip(panels, matrix.variants, strict=False):
        _panel(axes, matrix, variant)
    for axes in panels[len(matrix.variants) :]:
        axes.set_axis_off()
    unit = "UA in percent" if matrix.figure == "UA" else "CCC"
    figure.suptitle(f"{unit}, 95% interval", fontsize="medium", color=INK, x=0.01, ha="left")
    return figure


def _panel(axes: Axes, matrix: CorpusMatrix, variant: str) -> None:
    cells = [[matrix.cell(train, test) for test in matrix.test_on] for train in matrix.train_on]
    values = np.array([[_shade(cell.figures[variant].value) for cell in row] for row in cells])
    axes.imshow(values, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(values.shape):
        cell = cells[row][column]
        figure = cell.figures[variant]
        axes.text(
            column,
            row,
            f"{value_text(matrix, figure)}\n{interval_text(matrix, figure)}",
            ha="center",
            va="center",
            color="white" if values[row, column] > DARK_SHARE else INK,
        )
        if not cell.corpora.is_cross:
            axes.add_patch(Rectangle((column - 0.47, row - 0.47), 0.94, 0.94, fill=False, edgecolor=INK, linewidth=1.2))
    axes.set_xticks(range(len(matrix.test_on)), labels=list(matrix.test_on))
    axes.set_yticks(range(len(matrix.train_on)), labels=list(matrix.train_on))
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="tested on", ylabel="trained on")
    axes.set_title(variant.replace(":", ":\n"), loc="left", fontsize="small", fontweight="bold")


def _shade(value: float | None) -> float:
    return 0.0 if value is None else max(value, 0.0)
