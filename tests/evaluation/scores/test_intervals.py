"""Conformal intervals: their width by the definition, their coverage on held-out data, and the ends of the scale."""

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from merflow.contracts.calibration_record import ANY_GROUP
from merflow.contracts.score_calibration import ScoreCalibration
from merflow.contracts.task import SCALES
from merflow.errors import EvaluationError
from merflow.evaluation.scores.intervals import coverage_of_intervals, fit_half_widths, holds_middle, intervals
from merflow.evaluation.scores.model_calibration import calibrate_scores

SENTIMENT, VALENCE = SCALES["sentiment"], SCALES["valence"]


def half_width(errors: np.ndarray, *, coverage: float) -> float:
    """Return the width by the definition: the k-th smallest error with k = coverage (n + 1), rounded up."""
    rank = math.ceil(round(coverage * (len(errors) + 1), 9))
    return float(np.sort(errors)[rank - 1]) if rank <= len(errors) else 6.0


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("count", [1, 3, 8, 9, 10, 19, 20, 99, 100, 250])
def test_the_half_width_is_the_quantile_of_the_errors(count: int, coverage: float) -> None:
    random = np.random.default_rng(count)
    labels, scores = random.uniform(-3, 3, size=(2, count))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_half_widths(labels, scores, groups=["F"] * count, task=SENTIMENT, coverage=coverage)
    expected = half_width(np.abs(labels - scores), coverage=coverage)
    assert found == {"F": pytest.approx(expected), ANY_GROUP: pytest.approx(expected)}


def test_each_group_has_its_own_width_and_an_unknown_one_the_largest() -> None:
    labels, scores = np.zeros(200), np.tile([0.5, 1.5], 100)
    found = fit_half_widths(labels, scores, groups=["F", "M"] * 100, task=SENTIMENT, coverage=0.9)
    assert found == {"F": 0.5, "M": 1.5, ANY_GROUP: 1.5}
    ends = intervals(np.array([1.0, 1.0, 1.0]), groups=["F", None, "new"], half_widths=found, task=SENTIMENT)
    assert ends.tolist() == [[0.5, 1.5], [-0.5, 2.5], [-0.5, 2.5]]


def test_intervals_end_at_the_scale_and_a_score_beyond_it_counts_as_its_end() -> None:
    found = intervals(np.array([2.9, 3.4, -9.0]), groups=[None] * 3, half_widths={ANY_GROUP: 0.5}, task=SENTIMENT)
    assert found.tolist() == [[pytest.approx(2.4), 3.0], [2.5, 3.0], [-3.0, -2.5]]
    of_few = fit_half_widths(np.array([3.0]), np.array([2.0]), groups=["F"], task=SENTIMENT, coverage=0.9)
    assert of_few[ANY_GROUP] == 6.0
    whole = intervals(np.array([3.7, -3.0]), groups=["F", "F"], half_widths=of_few, task=SENTIMENT)
    assert whole.tolist() == [[-3.0, 3.0], [-3.0, 3.0]]


def test_an_interval_that_touches_the_middle_leaves_the_side_open() -> None:
    found = np.array([[2.0, 2.9], [2.0, 3.0], [2.5, 3.5], [3.0, 5.0], [3.1, 5.0]])
    assert holds_middle(found, VALENCE).tolist() == [False, True, True, True, False]
    labels = np.array([1.5, 2.5, 3.5, 3.0, 4.0])
    coverage = coverage_of_intervals(labels, found, task=VALENCE, utterance_ids=["a", "b", "c", "d", "e"])
    assert (coverage.utterances, coverage.coverage, coverage.answered) == (5, 0.8, 0.4)
    assert coverage.mean_width == pytest.approx(1.36)
    assert coverage.accuracy_when_answered == 1.0, "1.5 is on the low side although the interval misses it"


def test_a_coverage_that_is_not_a_share_and_no_predictions_are_refused() -> None:
    with pytest.raises(EvaluationError, match="coverage 90 is not a share"):
        fit_half_widths(np.ones(3), np.ones(3), groups=["F"] * 3, task=VALENCE, coverage=90)
    with pytest.raises(EvaluationError, match="no development predictions"):
        fit_half_widths(np.array([]), np.array([]), groups=[], task=VALENCE, coverage=0.9)


def fold_rows(fold: int, part: str, count: int, *, seed: int = 0) -> pd.DataFrame:
    """Return predictions of a model whose errors are larger on the odd utterances."""
    random = np.random.default_rng([fold, seed, len(part)])
    labels = random.uniform(1, 5, size=count)
    return pd.DataFrame(
        {
            "fold": fold,
            "seed": seed,
            "utterance_id": [f"{part}{fold}-{row}" for row in range(count)],
            "label": labels,
            "score": labels + random.normal(size=count) * np.where(np.arange(count) % 2 == 0, 0.3, 0.8),
        }
    )


def calibrated(development: pd.DataFrame, test: pd.DataFrame) -> ScoreCalibration:
    names = [*development["utterance_id"], *test["utterance_id"]]
    groups = {name: "F" if int(name.partition("-")[2]) % 2 == 0 else "M" for name in names}
    return calibrate_scores(development, test, task=VALENCE, groups=groups, grouped_by="gender", coverage=0.9)


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return development and test predictions of five folds."""
    folds = range(1, 6)
    return (
        pd.concat([fold_rows(fold, "dev", 300) for fold in folds], ignore_index=True),
        pd.concat([fold_rows(fold, "test", 400) for fold in folds], ignore_index=True),
    )


def test_held_out_coverage_is_the_level_in_every_group(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    calibration = calibrated(*tables)
    held_out = calibration.held_out
    assert (calibration.task, calibration.low, calibration.high) == ("valence", 1, 5)
    assert calibration.utterances == {"F": 750, "M": 750, ANY_GROUP: 1500}
    assert held_out.utterances == 2000
    assert held_out.groups.keys() == {"F", "M", ANY_GROUP}
    for found in held_out.groups.values():
        low, high = found.ci95
        assert low <= 0.92
        assert high >= 0.89
        assert 0.5 < found.mean_width < 4
    assert held_out.groups["F"].mean_width < held_out.groups["M"].mean_width, "M is the harder group"
    assert held_out.groups["F"].answered > held_out.groups["M"].answered
    errors = (tables[1]["score"] - tables[1]["label"]).abs()
    assert held_out.mae == pytest.approx(errors.mean())


def test_no_test_row_takes_part_in_the_widths(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    development, test = tables
    ours, theirs = calibrated(development, test), calibrated(development, test.assign(label=1.0))
    assert ours.half_widths == theirs.half_widths
    assert ours.held_out != theirs.held_out


def test_a_fold_is_measured_with_its_own_development_rows(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    development, test = tables
    changed = development.copy()
    changed.loc[changed["fold"] == 5, "label"] = 1.0
    first = test[test["fold"] == 1]
    assert calibrated(development, first).held_out == calibrated(changed, first).held_out


def test_a_fold_without_development_rows_is_refused() -> None:
    with pytest.raises(EvaluationError, match="fold 2 seed 0 has no development predictions"):
        calibrated(fold_rows(1, "dev", 50), fold_rows(2, "test", 50))
