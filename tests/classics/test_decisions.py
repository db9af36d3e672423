"""The choice of a classic's settings, and the calibration of its probabilities."""

import numpy as np

from merflow.classics.decisions import Decisions, chosen

LABELS = np.array([0, 1, 2, 0, 1, 2])
RIGHT = np.eye(3)[LABELS]


def test_the_highest_development_ua_is_chosen() -> None:
    wrong = np.roll(RIGHT, 1, axis=1)
    outcome = chosen([Decisions("a", wrong, wrong), Decisions("b", RIGHT, RIGHT)], LABELS, classes=3)
    assert (outcome.settings, outcome.dev_ua) == ("b", 1.0)
    np.testing.assert_allclose(outcome.probabilities.sum(axis=1), 1.0)
    assert outcome.probabilities.argmax(axis=1).tolist() == LABELS.tolist()


def test_of_equal_ua_the_lower_loss_is_chosen() -> None:
    unsure = RIGHT + np.random.default_rng(0).normal(0, 0.3, RIGHT.shape)
    assert (unsure.argmax(axis=1) == LABELS).all()
    outcome = chosen([Decisions("unsure", unsure, unsure), Decisions("sure", RIGHT, RIGHT)], LABELS, classes=3)
    assert outcome.settings == "sure"


def test_calibration_softens_overconfident_values() -> None:
    half_right = np.where(np.arange(6)[:, None] < 3, RIGHT, np.roll(RIGHT, 1, axis=1))
    test = 10 * RIGHT[:1]
    outcome = chosen([Decisions("", 10 * half_right, test)], LABELS, classes=3)
    assert outcome.probabilities.max() < 0.7
