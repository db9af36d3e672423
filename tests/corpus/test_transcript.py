import pytest

from merflow.contracts.params import TagRule
from merflow.corpus.transcript import folded_words, with_tags, without_tags, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" [LAUGHTER]", ""),
        ("", ""),
        (" So[BREATHING]what  now ?", "So what now ?"),
        ('[x] "Quoted" [y] -- end... ', '"Quoted" -- end...'),
        (" left [open", "left [open"),
    ],
)
def test_tags_are_removed_and_nothing_else(text: str, words: str) -> None:
    assert without_tags(text) == words


def test_words_are_compared_without_tags_case_and_punctuation() -> None:
    assert folded_words("[LAUGHTER]  Well -- it's 'No', I said.") == folded_words("well it's 'no' i SAID...")
    assert folded_words("[BREATHING] [laughter]") == ""


def test_the_words_of_an_utterance_are_those_that_the_model_read() -> None:
    row = {"transcript": "No.", "asr_transcript": "Now."}
    assert [words_of(row, read=kind) for kind in ("truth", "asr", "asr+truth", None)] == ["No.", "Now.", "No.", "No."]
    assert words_of(row | {"asr_transcript": float("nan")}, read="asr") == ""


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("drop", "So what now"),
        ("keep", "[LAUGHTER] So[BREATHING]what now"),
        ("words", "laughter So breathing what now"),
    ],
)
def test_tags_are_dropped_kept_or_read_as_words(rule: TagRule, words: str) -> None:
    assert with_tags("[LAUGHTER]  So[BREATHING]what now ", rule) == words
