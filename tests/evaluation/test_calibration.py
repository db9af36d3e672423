import numpy as np
import pytest

from merflow.contracts.scores import ReliabilityBin
from merflow.errors import EvaluationError
from merflow.evaluation.calibration import calibration_error, reliability


@pytest.mark.parametrize("bins", [2, 10, 15])
def test_calibration_error_is_the_loop_over_bins(bins: int) -> None:
    random = np.random.default_rng(7)
    labels, probabilities = random.integers(4, size=300), random.dirichlet(np.ones(4), size=300)
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    expected = 0.0
    for place in range(bins):
        inside = (confidence > place / bins) & (confidence <= (place + 1) / bins)
        if inside.any():
            gap = (predicted == labels)[inside].mean() - confidence[inside].mean()
            expected += inside.mean() * abs(gap)

    assert calibration_error(labels, probabilities, bins=bins) == pytest.approx(expected)


def test_calibration_error_of_sure_predictions_is_their_error_rate() -> None:
    probabilities = np.eye(4)[[0, 1, 2, 3]]

    assert calibration_error(np.array([0, 1, 2, 0]), probabilities, bins=15) == pytest.approx(0.25)


def test_the_bins_of_the_diagram_are_those_of_the_error() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([0.7, 0.7, 0.7], size=500)
    labels = random.integers(3, size=500)
    bins = reliability(labels, probabilities, bins=10)
    gaps = [entry.utterances * abs(entry.confidence - entry.accuracy) for entry in bins]

    assert sum(gaps) / 500 == pytest.approx(calibration_error(labels, probabilities, bins=10))
    assert sum(entry.utterances for entry in bins) == 500
    for entry in bins:
        assert entry.high - entry.low == pytest.approx(0.1)
        assert entry.low < entry.confidence <= entry.high
        assert 0 <= entry.accuracy <= 1
    assert bins[0].low == pytest.approx(0.3), "three classes leave nobody below a third"


def test_a_bin_takes_in_its_upper_edge_and_empty_bins_are_left_out() -> None:
    probabilities = np.array([[0.75, 0.25], [0.25, 0.75], [1.0, 0.0]])
    bins = reliability(np.array([0, 0, 0]), probabilities, bins=4)

    assert bins == (
        ReliabilityBin(low=0.5, high=0.75, utterances=2, confidence=0.75, accuracy=0.5),
        ReliabilityBin(low=0.75, high=1.0, utterances=1, confidence=1.0, accuracy=1.0),
    )


def test_rows_of_another_number_are_refused() -> None:
    with pytest.raises(EvaluationError, match="2 labels and 3 rows of probabilities"):
        reliability(np.zeros(2, dtype=int), np.full((3, 2), 0.5), bins=5)
