"""Words of other utterances, and none."""

from collections import Counter

import numpy as np
import pytest

from merflow.contracts.streams import Modality
from merflow.errors import StressError
from merflow.stress.conditions.catalogue import CONDITIONS, chosen
from merflow.stress.conditions.words import none_at_all, of_other_emotions

EMOTIONS = ["angry", "happy", "neutral", "sad"]


@pytest.mark.parametrize("seed", range(5))
def test_everyone_gets_words_of_another_emotion_and_all_words_are_used(seed: int) -> None:
    rng = np.random.default_rng(seed)
    emotions = rng.choice(EMOTIONS, size=60, p=[0.45, 0.1, 0.25, 0.2]).tolist()
    words = [f"{emotion} {index}" for index, emotion in enumerate(emotions)]
    given = of_other_emotions(words, emotions, np.random.default_rng(seed))
    assert sorted(given) == sorted(words)
    assert all(text.split()[0] != emotion for text, emotion in zip(given, emotions, strict=True))
    assert given == of_other_emotions(words, emotions, np.random.default_rng(seed))
    assert given != of_other_emotions(words, emotions, np.random.default_rng(seed + 1))


def test_where_one_emotion_prevails_as_many_as_possible_differ() -> None:
    emotions = ["sad"] * 7 + ["happy"] * 3
    words = [f"{emotion} {index}" for index, emotion in enumerate(emotions)]
    given = of_other_emotions(words, emotions, np.random.default_rng(0))
    same = Counter(text.split()[0] == emotion for text, emotion in zip(given, emotions, strict=True))
    assert same == {False: 6, True: 4}
    assert all(text != own for text, own in zip(given, words, strict=True))
    alone = of_other_emotions(["a", "b"], ["sad", "sad"], np.random.default_rng(0))
    assert alone == ["b", "a"]


def test_no_words_stay_no_words() -> None:
    assert none_at_all(["a", "b"], ["sad", "sad"], np.random.default_rng(0)) == ["", ""]


def test_conditions_are_chosen_by_name_in_the_order_of_the_suite() -> None:
    assert chosen(None) == CONDITIONS
    assert [each.name for each in chosen(["missing-text", "telephone"])] == ["telephone", "missing-text"]
    with pytest.raises(StressError, match="no such condition: 'noise-20db'; did you mean 'noise-20dB'"):
        chosen(["noise-20db"])
    with pytest.raises(StressError, match="no condition is named"):
        chosen([])


@pytest.mark.parametrize(
    ("modalities", "left_out"),
    [
        (("audio", "text", "video"), set()),
        (("audio",), {"empty-transcript", "wrong-transcript", "missing-audio", "missing-text", "missing-video"}),
        (("audio", "text"), {"missing-video"}),
    ],
)
def test_a_condition_needs_what_it_changes(modalities: tuple[Modality, ...], left_out: set[str]) -> None:
    assert {each.name for each in CONDITIONS if not each.applies_to(modalities)} == left_out


def test_a_model_of_words_alone_is_tested_with_wrong_words_alone() -> None:
    words: tuple[Modality, ...] = ("text",)
    assert [each.name for each in CONDITIONS if each.applies_to(words)] == ["wrong-transcript"]
