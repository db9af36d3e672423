import numpy as np
import pytest
from sklearn import metrics as reference

from merflow.errors import EvaluationError
from merflow.evaluation.metrics import (
    confusion_matrix,
    macro_f1,
    recalls_of,
    unweighted_accuracy,
    unweighted_accuracy_of,
    weighted_accuracy,
    weighted_accuracy_of,
    weighted_f1,
)


def _draw(seed: int, n: int = 400, classes: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.choice(classes, size=n, p=[0.5, 0.2, 0.2, 0.1])
    logits = random.normal(size=(n, classes))
    logits[np.arange(n), labels] += 1.0
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, probabilities.argmax(axis=1), probabilities


@pytest.mark.parametrize("seed", range(5))
def test_figures_agree_with_scikit_learn(seed: int) -> None:
    labels, predicted, _ = _draw(seed)
    counts = confusion_matrix(labels, predicted, classes=4)

    np.testing.assert_array_equal(counts, reference.confusion_matrix(labels, predicted))
    np.testing.assert_allclose(recalls_of(counts), reference.recall_score(labels, predicted, average=None))
    assert unweighted_accuracy(labels, predicted, classes=4) == pytest.approx(
        reference.balanced_accuracy_score(labels, predicted)
    )
    assert weighted_accuracy(labels, predicted) == pytest.approx(reference.accuracy_score(labels, predicted))
    assert macro_f1(labels, predicted, classes=4) == pytest.approx(
        reference.f1_score(labels, predicted, average="macro")
    )
    assert weighted_f1(labels, predicted, classes=4) == pytest.approx(
        reference.f1_score(labels, predicted, average="weighted")
    )


def test_a_class_without_labels_is_left_out_of_the_means() -> None:
    labels, predicted = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 3])

    assert unweighted_accuracy(labels, predicted, classes=4) == 0.5
    assert macro_f1(labels, predicted, classes=4) == pytest.approx(
        reference.f1_score(labels, predicted, labels=[0, 1], average="macro")
    )
    recalls = recalls_of(confusion_matrix(labels, predicted, classes=4))
    np.testing.assert_array_equal(recalls, [0.5, 0.5, np.nan, np.nan])


def test_figures_of_stacked_counts_are_those_of_each() -> None:
    drawn = [_draw(seed)[:2] for seed in range(3)]
    stack = np.stack([confusion_matrix(labels, predicted, classes=4) for labels, predicted in drawn])

    np.testing.assert_allclose(unweighted_accuracy_of(stack), [unweighted_accuracy(*pair, classes=4) for pair in drawn])
    np.testing.assert_allclose(weighted_accuracy_of(stack), [weighted_accuracy(*pair) for pair in drawn])


@pytest.mark.parametrize(
    ("labels", "predicted", "message"),
    [
        ([], [], "expected one class index per utterance"),
        ([0, 1], [0], "2 labels but 1 predictions"),
        ([0, 4], [0, 1], "labels contain class index 4 at position 1; expected 0 to 3"),
        ([0, 1], [0, -1], "predictions contain class index -1"),
        ([0.5], [0], "labels have type float64"),
    ],
)
def test_what_is_not_a_class_index_is_named(labels: list[float], predicted: list[float], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        unweighted_accuracy(np.array(labels), np.array(predicted), classes=4)
