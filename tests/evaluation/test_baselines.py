import numpy as np
import pytest
from sklearn import metrics as reference

from merflow.contracts.baselines import Baseline
from merflow.errors import EvaluationError
from merflow.evaluation.baselines import baseline_scores
from merflow.evaluation.predictions import VariantPredictions

CLASSES = ("angry", "happy", "sad")
N, DIALOGUES = 90, 9


@pytest.fixture
def variant() -> VariantPredictions:
    """Two seeds of the same tests."""
    labels = np.tile(np.random.default_rng(0).integers(3, size=N), 2)
    return VariantPredictions(
        variant="v",
        utterance_ids=np.tile(np.array([f"u{i:02d}" for i in range(N)], dtype=object), 2),
        folds=np.ones(2 * N, dtype=np.int64),
        seeds=np.repeat([0, 1], N),
        dialogues=np.tile(np.arange(N) % DIALOGUES, 2),
        labels=labels,
        probabilities=np.eye(3)[labels],
    )


def test_figures_are_those_of_scikit_learn_whatever_the_seeds(variant: VariantPredictions) -> None:
    guesses = dict(zip(variant.utterance_ids[:N], np.random.default_rng(1).choice(CLASSES, size=N), strict=True))
    what = "Dice."
    found = baseline_scores(
        {"dice": Baseline(what, guesses)}, variant, classes=CLASSES, groups=DIALOGUES, samples=400, seed=0
    )
    labels, predicted = [CLASSES[i] for i in variant.labels[:N]], [guesses[u] for u in variant.utterance_ids[:N]]

    assert list(found) == ["dice"]
    dice = found["dice"]
    assert dice.ua == pytest.approx(reference.balanced_accuracy_score(labels, predicted))
    assert dice.wa == pytest.approx(reference.accuracy_score(labels, predicted))
    assert dice.ci95 is not None
    assert dice.ci95[0] < dice.ua < dice.ci95[1]
    assert dice.description == what


@pytest.mark.parametrize(("guess", "named"), [(None, "predicts None for u07"), ("bored", "predicts 'bored' for u07")])
def test_a_guess_that_is_missing_or_no_class_is_named(
    variant: VariantPredictions, guess: str | None, named: str
) -> None:
    guesses = dict.fromkeys(variant.utterance_ids[:N], "sad")
    del guesses["u07"]
    baseline = Baseline("Dice.", guesses | ({"u07": guess} if guess else {}))
    with pytest.raises(EvaluationError, match=f"baseline dice {named}, which is not one of"):
        baseline_scores({"dice": baseline}, variant, classes=CLASSES, groups=DIALOGUES, samples=10, seed=0)
