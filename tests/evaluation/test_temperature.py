import numpy as np
import pytest
from scipy.special import softmax

from merflow.errors import EvaluationError
from merflow.evaluation.temperature import HIGHEST, LOWEST, fit_temperature, mean_nll, scaled


def overconfident(count: int, *, sharpness: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels drawn from softmax(logits), and the probabilities of a model that multiplies the logits."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=1.5, size=(count, 4))
    cumulated = softmax(logits, axis=1).cumsum(axis=1)
    labels = (random.random((count, 1)) > cumulated).sum(axis=1)
    return labels, softmax(sharpness * logits, axis=1).astype(np.float32)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_sharpened_the_logits(sharpness: float) -> None:
    labels, probabilities = overconfident(20_000, sharpness=sharpness)
    assert fit_temperature(labels, probabilities) == pytest.approx(sharpness, rel=0.05)


def test_scikit_learn_finds_the_same_temperature() -> None:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
        classes_ = np.arange(4)

        def fit(self, X: np.ndarray, y: np.ndarray) -> "Given":  # noqa: N803, ARG002 - scikit-learn's names
            self.fitted_ = True
            return self

        def decision_function(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
            return X

        def predict(self, X: np.ndarray) -> np.ndarray:  # noqa: N803
            return np.asarray(X.argmax(axis=1))

    labels, probabilities = overconfident(2000, sharpness=2.0)
    logits = np.log(probabilities.astype(np.float64))
    theirs = CalibratedClassifierCV(FrozenEstimator(Given().fit(logits, labels)), method="temperature").fit(
        logits, labels
    )
    ours = scaled(probabilities, fit_temperature(labels, probabilities))
    assert theirs.predict_proba(logits) == pytest.approx(ours, abs=1e-4)


def test_scaling_lowers_the_loss_on_other_data_and_keeps_the_class() -> None:
    temperature = fit_temperature(*overconfident(500, sharpness=3.0, seed=1))
    labels, probabilities = overconfident(500, sharpness=3.0, seed=2)
    after = scaled(probabilities, temperature)
    assert mean_nll(labels, after) < mean_nll(labels, probabilities) - 0.1
    assert (after.argmax(axis=1) == probabilities.argmax(axis=1)).all()
    assert after.sum(axis=1) == pytest.approx(1)


def test_a_temperature_of_one_changes_nothing() -> None:
    _, probabilities = overconfident(50, sharpness=1.0)
    assert scaled(probabilities, 1.0) == pytest.approx(probabilities, abs=1e-7)


def test_utterances_that_are_all_right_or_all_wrong_have_a_limit() -> None:
    right = np.eye(4)[[0, 1, 2]] * 0.9 + 0.025
    assert LOWEST <= fit_temperature(np.array([0, 1, 2]), right) < 0.1
    assert fit_temperature(np.array([1, 2, 3]), right) == pytest.approx(HIGHEST, rel=1e-3)


def test_a_probability_of_zero_is_no_infinity() -> None:
    certain = np.array([[1.0, 0.0], [1.0, 0.0]])
    temperature = fit_temperature(np.array([0, 1]), certain)
    assert np.isfinite(scaled(certain, temperature)).all()


def test_no_utterances_are_refused() -> None:
    with pytest.raises(EvaluationError, match="no development predictions"):
        fit_temperature(np.array([], dtype=np.int64), np.zeros((0, 4)))
