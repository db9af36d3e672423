"""The gate's interval, against a plain loop and in the cases that have none."""

import numpy as np
import pytest
from scipy import stats

from merflow.evaluation.metrics import unweighted_accuracy_of
from merflow.promotion.gate.interval import Spread, spread_of_ua

UTTERANCES, CLASSES = 30, 3


def counts(*, sizes: tuple[int, ...] = (UTTERANCES,) * 6) -> np.ndarray:
    """Return confusion counts ``(2, G, C, C)`` of two made-up models; all classes are equally frequent."""
    random = np.random.default_rng(0)
    likely = np.full((CLASSES, CLASSES), 0.2) + 0.4 * np.eye(CLASSES)
    drawn = [[random.multinomial(size // CLASSES, likely) for size in sizes] for _ in range(2)]
    return np.array(drawn)


def test_the_standard_error_is_that_of_leaving_each_dialogue_out() -> None:
    found = counts(sizes=(30, 60, 9, 12, 90))

    spread = spread_of_ua(found, utterances=201)

    left_out = []
    for dialogue in range(5):
        candidate, champion = np.delete(found, dialogue, axis=1).sum(axis=1)
        left_out.append(unweighted_accuracy_of(candidate) - unweighted_accuracy_of(champion))
    assert spread is not None
    squares = sum((each - np.mean(left_out)) ** 2 for each in left_out)
    assert spread.standard_error == pytest.approx((4 / 5 * squares) ** 0.5)


def test_dialogues_of_one_size_all_count_and_a_long_one_counts_for_itself() -> None:
    equal = spread_of_ua(counts(), utterances=6 * UTTERANCES)
    long = spread_of_ua(counts(sizes=(300, *(UTTERANCES,) * 9)), utterances=300 + 9 * UTTERANCES)

    assert equal is not None
    assert long is not None
    assert equal.dialogues == pytest.approx(6)
    assert long.dialogues == pytest.approx(570**2 / (300**2 + 9 * 30**2))


def test_the_step_is_one_utterance_of_an_average_class_whatever_the_seeds() -> None:
    found = counts()
    one, three = (spread_of_ua(seeds * found, utterances=6 * UTTERANCES) for seeds in (1, 3))

    assert one is not None
    assert three is not None
    assert one.step == pytest.approx(1 / CLASSES / (6 * UTTERANCES / CLASSES))
    assert (three.step, three.standard_error) == pytest.approx((one.step, one.standard_error))


def test_an_interval_is_students_and_one_step_wider_at_each_end() -> None:
    low, high = Spread(standard_error=0.02, dialogues=7.5, step=0.001).interval(0.1, tail=0.025)

    reach = stats.t.ppf(0.975, 6.5) * 0.02 + 0.001
    assert (low, high) == pytest.approx((0.1 - reach, 0.1 + reach))


def test_a_single_model_has_an_interval_too() -> None:
    found = counts()
    alone, against_itself = spread_of_ua(found[:1], utterances=180), spread_of_ua(found[[0, 0]], utterances=180)

    assert alone is not None
    assert against_itself is not None
    assert alone.standard_error > 0.01
    assert against_itself.standard_error == 0


def test_too_few_dialogues_too_rare_classes_and_one_that_outweighs_all_others_have_none() -> None:
    rare = counts()
    rare[:, 1:, 2] = 0  # one dialogue alone holds the last class

    assert spread_of_ua(counts(sizes=(UTTERANCES,) * 4), utterances=120) is None
    assert spread_of_ua(rare, utterances=130) is None
    assert spread_of_ua(counts(sizes=(3000, *(UTTERANCES,) * 9)), utterances=3270) is None
    assert spread_of_ua(counts(sizes=(UTTERANCES,) * 5), utterances=150) is not None
