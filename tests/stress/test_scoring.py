"""Results that a reader can count."""

import numpy as np
import pandas as pd
import pytest

from merflow.stress.conditions.catalogue import CONDITIONS
from merflow.stress.scoring import ALLOWED_GAP, Reference, condition_result, group_results

CLASSES = ("angry", "happy", "neutral", "sad")
TELEPHONE = CONDITIONS[0]


def reference(count: int = 400, *, wrong: str = "", dialogues: int = 40) -> Reference:
    """Return utterances of four speakers; predictions are right but for every fifth, and all of one speaker's sad."""
    numbers = np.arange(count)
    labels = numbers % 4
    speakers = np.array(["a", "b", "c", "d"])[(numbers // 4) % 4]
    rows = pd.DataFrame(
        {
            "emotion": np.array(CLASSES)[labels],
            "dialogue_id": [f"dialogue {number % dialogues}" for number in numbers],
            "session": "one",
            "speaker": speakers,
            "gender": np.where(np.isin(speakers, ["a", "b"]), "F", "M"),
            "duration_s": 1.0 + numbers / count,
        },
        index=pd.Index([f"u{number:03d}" for number in numbers], name="utterance_id"),
    )
    predicted = np.where(numbers % 5 == 0, (labels + 1) % 4, labels)
    predicted = np.where((speakers == wrong) & (labels == 3), 0, predicted)
    return Reference(rows, predicted, classes=CLASSES, seed=0)


def test_nothing_changed_costs_nothing() -> None:
    given = reference()
    result = condition_result(TELEPHONE, given, given.predicted)
    assert (result.delta_ua, result.unchanged, result.ci95, result.passed) == (0.0, 1.0, (0.0, 0.0), True)
    assert result.ua == given.ua == pytest.approx(0.8)


def test_a_drop_is_counted_and_has_its_interval() -> None:
    given = reference()
    changed = given.predicted.copy()
    sad = np.flatnonzero((given.labels == 3) & (changed == 3))
    changed[sad] = 2
    result = condition_result(TELEPHONE, given, changed)
    assert result.delta_ua == pytest.approx(-0.2)
    assert result.unchanged == pytest.approx(1 - len(sad) / 400)
    assert not result.passed
    assert result.ci95 is not None
    assert -0.3 < result.ci95[0] < -0.2 < result.ci95[1] < -0.1
    assert 0.08 < result.allowed_drop < 0.14, "eight points, and what chance adds to 400 utterances"


def test_either_limit_fails_a_condition_alone() -> None:
    given = reference()
    labels = given.labels
    wrong = np.flatnonzero(given.predicted != labels)
    right = np.flatnonzero(given.predicted == labels)
    swapped = given.predicted.copy()
    # Other utterances are wrong now, as many of each emotion: UA stays, and twice as many predictions change.
    swapped[wrong] = labels[wrong]
    for each in range(4):
        chosen = right[labels[right] == each][: int((labels[wrong] == each).sum())]
        swapped[chosen] = (each + 1) % 4
    result = condition_result(TELEPHONE, given, swapped)
    assert result.delta_ua == pytest.approx(0.0)
    assert result.unchanged == pytest.approx(0.6)
    assert result.min_unchanged > 0.6
    assert not result.passed


def test_few_dialogues_have_no_interval() -> None:
    given = reference(dialogues=4)
    assert condition_result(TELEPHONE, given, given.predicted).ci95 is None


def test_a_group_that_the_model_fails_is_found() -> None:
    results = {(each.by, each.group): each for each in group_results(reference(wrong="b"))}
    assert [key for key, each in results.items() if not each.passed] == [("gender", "F"), ("speaker", "b")], (
        "and the gender with that speaker"
    )
    found = results["speaker", "b"]
    # Of b's sad utterances, none is right; of the others', four in five, as of everyone's other emotions.
    assert found.delta_ua == pytest.approx(-0.2)
    assert found.utterances == 100
    assert found.ua == pytest.approx(0.6)
    assert found.ci95 is not None
    assert found.ci95[0] < -0.2 < found.ci95[1] < 0
    assert ALLOWED_GAP < found.allowed_gap < 0.2
    assert "session" not in {by for by, _ in results}, "one session has no others"
    assert len([by for by, _ in results if by == "length"]) == 4


def test_a_group_is_compared_over_the_emotions_that_both_have() -> None:
    given = reference()
    rows = given.rows.assign(speaker=np.where(given.labels == 3, "only sad", "all but sad"))
    results = {
        each.group: each for each in group_results(Reference(rows, given.predicted, CLASSES, 0)) if each.by == "speaker"
    }
    assert {name: (each.delta_ua, each.ci95, each.passed) for name, each in results.items()} == {
        "only sad": (None, None, True),
        "all but sad": (None, None, True),
    }
    assert results["only sad"].ua == pytest.approx(0.8)
    mixed = given.rows.assign(speaker=np.where((given.labels == 3) | (np.arange(400) < 8), "mostly sad", "others"))
    (group,) = (
        each for each in group_results(Reference(mixed, given.predicted, CLASSES, 0)) if each.group == "mostly sad"
    )
    assert group.delta_ua is not None
    inside = (mixed["speaker"] == "mostly sad").to_numpy()
    right = given.predicted == given.labels
    gaps = [
        right[inside & (given.labels == each)].mean() - right[~inside & (given.labels == each)].mean()
        for each in range(3)
    ]
    assert group.delta_ua == pytest.approx(np.mean(gaps))
