"""Each figure against a plain implementation: loops, the statistics module and scikit-learn."""

import statistics
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from merflow.contracts.score_figures import FIGURE_NAMES
from merflow.contracts.task import SCALES
from merflow.errors import EvaluationError
from merflow.evaluation.scores.metrics import figures_of, metrics_of, steps, sums_of
from merflow.evaluation.significance import resampled_sums

SENTIMENT, VALENCE = SCALES["sentiment"], SCALES["valence"]

# Sixths of the scale have ties, zeros and exact halves; the others are ordinary predictions, some off the scale.
_SIXTHS = st.integers(-18, 18).map(lambda sixths: sixths / 6)
_PREDICTIONS = st.one_of(
    _SIXTHS, st.sampled_from([-2.5, -0.5, 0.0, 0.5, 1.5]), st.floats(-4, 4).map(lambda x: round(x, 3))
)
_PAIRS = st.lists(st.tuples(_SIXTHS, _PREDICTIONS), min_size=1, max_size=40)


def plain(truth: Sequence[float], predicted: Sequence[float]) -> dict[str, float | None]:
    """Compute every figure of sentiment with loops and libraries, None where it is undefined."""
    varies = [len(set(values)) > 1 for values in (truth, predicted)]
    mean_x, mean_y = statistics.fmean(truth), statistics.fmean(predicted)
    covariance = statistics.fmean((x - mean_x) * (y - mean_y) for x, y in zip(truth, predicted, strict=True))
    variances = statistics.pvariance(truth), statistics.pvariance(predicted)
    figures: dict[str, float | None] = {
        "MAE": reference.mean_absolute_error(truth, predicted),
        "CCC": 2 * covariance / (sum(variances) + (mean_x - mean_y) ** 2) if varies[0] else None,
        "Pearson": statistics.correlation(truth, predicted) if all(varies) else None,
        "ACC7": statistics.fmean(
            round(min(max(x, -3), 3)) == round(min(max(y, -3), 3)) for x, y in zip(truth, predicted, strict=True)
        ),
    }
    signs = {
        "has0": [(x >= 0, y >= 0) for x, y in zip(truth, predicted, strict=True)],
        "non0": [(x > 0, y > 0) for x, y in zip(truth, predicted, strict=True) if x != 0],
        "zero as negative": [(x > 0, y > 0) for x, y in zip(truth, predicted, strict=True)],
    }
    for convention, pairs in signs.items():
        labels, guesses = [x for x, _ in pairs], [y for _, y in pairs]
        figures[f"ACC2 {convention}"] = reference.accuracy_score(labels, guesses) if pairs else None
        figures[f"F1 {convention}"] = (
            reference.f1_score(labels, guesses, average="weighted", zero_division=0) if pairs else None
        )
    return figures


@settings(deadline=None)  # a busy machine is not a failure
@given(_PAIRS)
def test_every_figure_is_that_of_a_plain_implementation(pairs: list[tuple[float, float]]) -> None:
    truth, predicted = ([pair[side] for pair in pairs] for side in (0, 1))

    found = figures_of(np.array(truth), np.array(predicted), SENTIMENT)

    assert found.keys() == set(FIGURE_NAMES)
    expected = plain(truth, predicted)
    for name, value in found.items():
        assert value == (None if expected[name] is None else pytest.approx(expected[name], abs=1e-7)), name


@pytest.mark.parametrize(
    ("truth", "predicted", "undefined"),
    [
        ([1.0, -1.0, 2.0], [0.1, 0.1, 0.1], {"Pearson"}),
        ([1.0, 1.0, 1.0], [0.3, 0.2, 0.1], {"Pearson", "CCC"}),
        ([2.0], [1.0], {"Pearson", "CCC"}),
        ([0.0, 0.0], [1.0, -1.0], {"Pearson", "CCC", "ACC2 non0", "F1 non0"}),
    ],
)
def test_a_figure_that_is_undefined_is_none(truth: list[float], predicted: list[float], undefined: set[str]) -> None:
    found = figures_of(np.array(truth), np.array(predicted), SENTIMENT)

    assert {name for name, value in found.items() if value is None} == undefined


def test_constant_predictions_agree_by_chance() -> None:
    assert figures_of(np.array([1.0, -1.0, 0.5]), np.full(3, 0.1), SENTIMENT)["CCC"] == 0


def test_a_zero_counts_differently_in_each_convention() -> None:
    found = figures_of(np.array([-1.0, 0.0, 0.0, 2.0]), np.array([-1.0, 0.0, -0.5, 2.0]), SENTIMENT)

    assert (found["ACC2 has0"], found["ACC2 non0"], found["ACC2 zero as negative"]) == (0.75, 1.0, 1.0)


def test_halves_are_rounded_to_the_even_step_and_values_beyond_the_scale_to_its_end() -> None:
    assert steps(np.array([-3.4, -2.5, -0.5, 0.5, 1.5, 2.5, 9.0]), SENTIMENT).tolist() == [-3, -2, 0, 0, 2, 2, 3]


def test_a_scale_without_zero_has_no_binary_figures_and_none_of_seven_steps() -> None:
    assert list(metrics_of(VALENCE)) == ["MAE", "CCC", "Pearson"]
    assert list(metrics_of(SENTIMENT)) == list(FIGURE_NAMES)


def test_every_figure_of_a_resample_is_that_of_its_utterances() -> None:
    random = np.random.default_rng(0)
    labels, scores = np.round(random.normal(size=(2, 12)), 1)
    terms = sums_of(labels, scores, SENTIMENT)

    drawn = resampled_sums(terms, samples=20, seed=3)  # every utterance is a dialogue of its own

    counts = np.random.default_rng(3).multinomial(12, np.full(12, 1 / 12), size=20)
    for sums, times in zip(drawn, counts, strict=True):
        repeated = figures_of(np.repeat(labels, times), np.repeat(scores, times), SENTIMENT)
        for name, metric in metrics_of(SENTIMENT).items():
            assert float(metric(sums)) == pytest.approx(repeated[name])


@pytest.mark.parametrize(
    ("labels", "scores", "said"),
    [([], [], "0"), ([1.0], [1.0, 2.0], "2"), ([1.0], [np.nan], "not finite"), ([np.inf], [1.0], "not finite")],
)
def test_what_cannot_be_measured_is_refused(labels: list[float], scores: list[float], said: str) -> None:
    with pytest.raises(EvaluationError, match=said):
        figures_of(np.array(labels), np.array(scores), SENTIMENT)
