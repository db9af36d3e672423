import pytest

from merflow.contracts.taxonomy import RAW_LABELS, taxonomy
from merflow.errors import LabelError


def test_excited_is_happy_in_four_classes_and_itself_in_six() -> None:
    assert taxonomy("iemocap4").emotion_of("exc") == "happy"
    assert taxonomy("iemocap6").emotion_of("exc") == "excited"


def test_codes_and_words_mean_the_same() -> None:
    assert len(RAW_LABELS) == 11
    for code, word in RAW_LABELS.items():
        assert taxonomy("iemocap4").emotion_of(code) == taxonomy("iemocap4").emotion_of(word)


def test_classes_are_in_alphabetical_order() -> None:
    assert taxonomy("iemocap4").classes == ("angry", "happy", "neutral", "sad")


def test_a_known_label_outside_the_taxonomy_is_no_class() -> None:
    assert taxonomy("iemocap4").emotion_of("xxx") is None


def test_an_unknown_label_names_the_nearest() -> None:
    with pytest.raises(LabelError, match=r"label 'angri' .*did you mean 'angry'"):
        taxonomy("iemocap4").emotion_of("angri")
    with pytest.raises(LabelError, match="did you mean 'iemocap6'"):
        taxonomy("iemocap")
