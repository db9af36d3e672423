"""Figures of an epoch."""

import numpy as np
import pytest

from merflow.contracts.task import SCALES
from merflow.evaluation.scores.metrics import figures_of
from merflow.training.figures import development_figures, shadow_figure

VALENCE = SCALES["valence"]
LABELS = np.array([1.0, 2.5, 4.0, 5.0])


def test_figures_of_scores_are_those_of_the_report() -> None:
    scores = np.array([1.5, 2.0, 4.5, 4.0])
    found = development_figures(LABELS, scores[:, None], task=VALENCE)
    expected = figures_of(LABELS, scores, VALENCE)

    assert found == {f"dev_{name.lower()}": expected[name] for name in ("MAE", "CCC", "Pearson")}
    assert shadow_figure(LABELS, scores[:, None], task=VALENCE) == -found["dev_mae"]


@pytest.mark.parametrize(("score", "correlation"), [(3.0, 0.0), (np.nan, np.nan)])
def test_an_epoch_without_a_correlation_can_be_compared(score: float, correlation: float) -> None:
    found = development_figures(LABELS, np.full((4, 1), score), task=VALENCE)

    assert found["dev_ccc"] == pytest.approx(correlation, nan_ok=True)
    assert found["dev_pearson"] == pytest.approx(correlation, nan_ok=True)
    assert np.isnan(found["dev_mae"]) == np.isnan(score)
