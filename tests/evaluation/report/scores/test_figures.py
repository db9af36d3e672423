from pathlib import Path

import numpy as np
from matplotlib.image import imread

from merflow.evaluation.report.scores.figures import scatter_figure
from tests.evaluation.scores.rated import results_of_three


def test_a_scatter_plot_is_saved_without_a_display(tmp_path: Path) -> None:
    results = results_of_three()
    variant = results.variants["mfdr:full"]
    figure = scatter_figure(variant, low=results.low, high=results.high, title="t")
    figure.savefig(tmp_path / "scatter.png")

    (axes,) = figure.axes
    (points,) = axes.collections
    assert np.asarray(points.get_offsets()).shape == (len(variant.cells), 2)
    assert imread(tmp_path / "scatter.png").std() > 0
