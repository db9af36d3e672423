"""Static figures of a variant with scores, like those in :mod:`merflow.evaluation.report.figures` for emotions."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from merflow.contracts.score_figures import ScoreVariant
from merflow.evaluation.report.figures import BLUE, INK

_LARGEST = 200.0  # square points


def scatter_figure(variant: ScoreVariant, *, low: float, high: float, title: str) -> Figure:
    """Draw predictions by truth; larger points hold more predictions.

    Args:
        variant: Figures of the variant.
        low: Lowest value of the scale.
        high: Highest value of the scale.
        title: Title above the plot.
    """
    figure = Figure(figsize=(5.2, 5.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    most = max(cell.tests for cell in variant.cells)
    axes.plot([low, high], [low, high], color=INK, linewidth=0.8, linestyle=":")
    axes.scatter(
        [cell.truth for cell in variant.cells],
        [cell.predicted for cell in variant.cells],
        s=[4 + _LARGEST * cell.tests / most for cell in variant.cells],
        color=BLUE,
        alpha=0.45,
        linewidths=0,
    )
    axes.set(xlabel="truth", ylabel="prediction")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    return figure
