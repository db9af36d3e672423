import numpy as np
import pytest

from merflow.errors import EvaluationError
from merflow.evaluation.score_metrics import concordance, mean_absolute_error, pearson

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.uniform(-3, 3, 200)
SCORES = 0.5 * LABELS + RANDOM.normal(0.4, 0.7, 200)


def test_against_numpy_and_lin_1989() -> None:
    assert mean_absolute_error(LABELS, SCORES) == pytest.approx(np.mean(np.abs(LABELS - SCORES)))
    assert pearson(LABELS, SCORES) == pytest.approx(np.corrcoef(LABELS, SCORES)[0, 1])
    # Lin's other form: 1 minus the expected squared distance from the diagonal, over that of independent scores.
    independent = np.var(LABELS) + np.var(SCORES) + (np.mean(LABELS) - np.mean(SCORES)) ** 2
    assert concordance(LABELS, SCORES) == pytest.approx(1 - np.mean((LABELS - SCORES) ** 2) / independent)


def test_concordance_punishes_another_mean_and_spread_where_correlation_does_not() -> None:
    assert concordance(LABELS, LABELS) == pytest.approx(1)
    for scores in (LABELS + 1, 2 * LABELS):
        assert pearson(LABELS, scores) == pytest.approx(1)
        assert concordance(LABELS, scores) < 0.9
    assert concordance(LABELS, -LABELS) < -0.9


def test_equal_scores_agree_with_nothing() -> None:
    same = np.full(200, 0.1)
    assert pearson(LABELS, same) == concordance(LABELS, same) == 0.0


def test_no_utterances_and_other_lengths_are_errors() -> None:
    with pytest.raises(EvaluationError, match="0 labels but 0 scores"):
        mean_absolute_error(np.array([]), np.array([]))
    with pytest.raises(EvaluationError, match="200 labels but 199 scores"):
        pearson(LABELS, SCORES[1:])
