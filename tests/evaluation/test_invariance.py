"""The agreement of modalities on vectors that a reader can place."""

import numpy as np
import pytest

from merflow.evaluation.invariance import agreement
from merflow.evaluation.report.invariance_figure import InvariancePanel, invariance_figure

RANDOM = np.random.default_rng(3)
MODALITIES = ("video", "speech", "text")


def test_equal_representations_agree_wholly() -> None:
    vectors = RANDOM.normal(size=(40, 5))
    found = agreement(dict.fromkeys(MODALITIES, vectors))
    assert found.distance == pytest.approx(0.0, abs=1e-6)
    assert found.silhouette <= 0
    assert found.chance == pytest.approx(80 / 119)
    assert found.foreign_neighbours >= 0.6


def test_modalities_far_apart_do_not_agree() -> None:
    apart = {name: RANDOM.normal(size=(40, 5)) + 100 * number for number, name in enumerate(MODALITIES)}
    found = agreement(apart)
    assert found.silhouette > 0.95
    assert found.foreign_neighbours == 0
    assert found.distance > 30


def test_figures_of_four_points_on_a_line() -> None:
    """Two utterances, two modalities: 0 and 2, and 1 and 5."""
    found = agreement({"speech": np.array([[0.0], [2.0]]), "text": np.array([[1.0], [5.0]])})
    # Between modalities of an utterance: 1 and 3. Between utterances of a modality: 2 and 4.
    assert found.distance == pytest.approx(2 / 3)
    # Every point has three neighbours, two of them from the other modality.
    assert found.foreign_neighbours == pytest.approx(2 / 3) == pytest.approx(found.chance)
    silhouettes = [(3 - 2) / 3, (2 - 2) / 2, (1 - 4) / 4, (4 - 4) / 4]
    assert found.silhouette == pytest.approx(np.mean(silhouettes))


def test_both_panels_have_a_legend_in_common_and_their_figures() -> None:
    points = {name: RANDOM.normal(size=(9, 2)) for name in MODALITIES}
    panels = [InvariancePanel(title, points, agreement(points)) for title in ("without", "with")]
    figure = invariance_figure(panels, title="Fig. 2")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["without", "with"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(MODALITIES)
    for axes in figure.axes:
        assert len(axes.collections) == 3
        assert "silhouette by modality" in axes.get_xlabel()
