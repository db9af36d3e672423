import numpy as np
import pandas as pd
import pytest

from benchmarks.paired import Outcomes, difference
from merflow.evaluation.metrics import unweighted_accuracy

CLASSES = ("angry", "happy", "neutral")
DIALOGUES = {f"u{number}": f"d{number // 10}" for number in range(200)}


def table(share_right: float, *, seeds: int) -> pd.DataFrame:
    """Return predictions of which this share is right; the others are drawn at random."""
    random = np.random.default_rng(0)
    rows = []
    for seed in range(seeds):
        for number, utterance in enumerate(DIALOGUES):
            label = number % 3
            predicted = label if random.random() < share_right else random.integers(3)
            rows.append((utterance, seed, CLASSES[label], np.eye(3)[predicted]))
    return pd.DataFrame(rows, columns=["utterance_id", "seed", "label", "probabilities"])


def outcomes(predictions: pd.DataFrame) -> Outcomes:
    return Outcomes.of(predictions, dialogue_of=DIALOGUES, classes=CLASSES)


def test_figures_are_those_of_all_seeds_together_and_of_each() -> None:
    predictions = table(0.6, seeds=2)
    figures = outcomes(predictions).figures
    labels = predictions["label"].map(CLASSES.index).to_numpy()
    right = np.stack(predictions["probabilities"].to_list()).argmax(axis=1)
    assert figures["UA"] == pytest.approx(unweighted_accuracy(labels, right, classes=3))
    first = predictions["seed"] == 0
    assert figures["UA_by_seed"]["0"] == pytest.approx(unweighted_accuracy(labels[first], right[first], classes=3))
    low, high = figures["ci95"]
    assert low < figures["UA"] < high


def test_a_clear_difference_has_an_interval_above_zero_whatever_the_seeds() -> None:
    good, bad = outcomes(table(0.8, seeds=3)), outcomes(table(0.4, seeds=1))
    found = difference(good, bad)
    assert found["delta_UA"] == pytest.approx(good.figures["UA"] - bad.figures["UA"])
    low, high = found["ci95"]
    assert 0 < low < found["delta_UA"] < high
    assert difference(good, good)["ci95"] == (0.0, 0.0)
