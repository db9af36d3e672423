import numpy as np
import pytest
from scipy.stats import binomtest

from merflow.contracts.calibration_record import ANY_GROUP
from merflow.errors import EvaluationError
from merflow.evaluation.conformal import coverage_of, fit_thresholds, in_sets, wilson


def threshold(values: np.ndarray, coverage: float = 0.9) -> float:
    return fit_thresholds(values, groups=["one"] * len(values), coverage=coverage)["one"]


@pytest.mark.parametrize(("count", "coverage"), [(9, 0.9), (19, 0.9), (99, 0.9), (100, 0.9), (40, 0.8), (40, 0.95)])
def test_the_threshold_is_the_order_statistic_of_split_conformal_prediction(count: int, coverage: float) -> None:
    values = np.random.default_rng(count).random(count)
    rank = int(np.ceil((count + 1) * coverage - 1e-9))  # from the highest probability down
    assert threshold(values, coverage) == np.sort(values)[count - rank]


def test_too_few_utterances_let_every_class_in() -> None:
    assert threshold(np.random.default_rng(0).random(8)) == 0
    assert threshold(np.random.default_rng(0).random(9)) > 0


def test_each_group_has_its_own_threshold_and_any_is_the_most_inclusive() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.uniform(0.5, 1.0, 50), random.uniform(0.0, 0.5, 50)])
    thresholds = fit_thresholds(values, groups=["F"] * 50 + ["M"] * 50, coverage=0.9)
    assert thresholds.keys() == {"F", "M", ANY_GROUP}
    assert thresholds["F"] > 0.5 > thresholds["M"]
    assert thresholds[ANY_GROUP] == thresholds["M"]
    row = np.array([[0.6, 0.3, 0.05, 0.05]])
    assert in_sets(row, groups=["F"], thresholds=thresholds).sum() == 1
    for unknown in (None, "", "X"):
        assert (
            in_sets(row, groups=[unknown], thresholds=thresholds).sum()
            == in_sets(row, groups=["M"], thresholds=thresholds).sum()
        )


def test_the_coverage_holds_on_new_utterances_of_the_same_kind() -> None:
    """Over many draws, the mean coverage lies between the level and the level plus 1 / (n + 1)."""
    random = np.random.default_rng(1)
    calibration, trials, coverage = 60, 400, 0.9
    covered = [
        np.mean(random.beta(2, 1, 200) >= threshold(random.beta(2, 1, calibration), coverage)) for _ in range(trials)
    ]
    error = 3 * np.std(covered) / np.sqrt(trials)
    assert coverage - error < np.mean(covered) < coverage + 1 / (calibration + 1) + error


def test_sets_are_described() -> None:
    sets = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], dtype=bool)
    found = coverage_of(np.array([0, 1, 2, 0]), sets, utterance_ids=["a", "b", "c", "d"])
    assert (found.utterances, found.coverage, found.mean_size, found.answered) == (4, 0.5, 1.0, 0.5)
    assert found.accuracy_when_answered == 0.5
    none = coverage_of(np.array([0]), np.ones((1, 3), dtype=bool), utterance_ids=["a"])
    assert (none.answered, none.accuracy_when_answered) == (0.0, None)


def test_an_utterance_of_two_seeds_counts_once_in_the_interval() -> None:
    sets = np.tile(np.array([[1, 0], [0, 1]], dtype=bool), (2, 1))
    found = coverage_of(np.array([0, 0, 0, 0]), sets, utterance_ids=["a", "b", "a", "b"])
    assert found.utterances == 2
    assert found.ci95 == wilson(0.5, 2)


@pytest.mark.parametrize(("hits", "count"), [(0, 20), (18, 20), (20, 20), (450, 500)])
def test_wilson_is_scipy_s(hits: int, count: int) -> None:
    theirs = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits / count, count) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("coverage", [0.0, 1.0, 90.0])
def test_a_coverage_that_is_not_a_share_is_refused(coverage: float) -> None:
    with pytest.raises(EvaluationError, match=r"is not a share; choose one between 0 and 1"):
        threshold(np.array([0.5]), coverage)


def test_no_utterances_are_refused() -> None:
    with pytest.raises(EvaluationError, match="no development predictions"):
        fit_thresholds(np.array([]), groups=[], coverage=0.9)
