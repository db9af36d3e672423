import json
import random
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from merflow.corpus.transcription.whisper_folder import WhisperFolder
from merflow.corpus.transcription.word_errors import EditCounts, pooled, word_errors
from tests.corpus.transcription.slow_edits import distance

WORDS = ["a", "be", "can", "do", "each", "for", "go", "he", "in", "just", "know"]


def table(*texts: tuple[str | None, str | None]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "utterance_id": [f"u{number}" for number in range(len(texts))],
            "session": "Session1",
            "emotion": "sad",
            "transcript": pd.Series([said for said, _ in texts], dtype="str"),
            "asr_transcript": pd.Series([heard for _, heard in texts], dtype="str"),
        }
    )


@pytest.fixture(scope="module")
def with_errors() -> pd.DataFrame:
    """Return 300 utterances of five sessions, each text changed at random; a tenth has no class."""
    chance = random.Random(0)
    texts = []
    for _ in range(300):
        said = chance.choices(WORDS, k=chance.randint(1, 12))
        heard = [chance.choice(WORDS) if chance.random() < 0.3 else word for word in said if chance.random() < 0.8]
        heard += chance.choices(WORDS, k=chance.choice((0, 0, 0, 2)))
        texts.append((" ".join(said), " ".join(heard)))
    emotions = [chance.choice(["angry", "happy", "neutral", "sad"]) if turn % 10 else None for turn in range(300)]
    sessions = [f"Session{turn % 5 + 1}" for turn in range(300)]
    return table(*texts).assign(emotion=pd.Series(emotions, dtype="str"), session=sessions)


def test_rates_are_those_of_a_slow_edit_distance(with_errors: pd.DataFrame) -> None:
    found = word_errors(with_errors, normalize=str)
    assert found is not None
    letters = list(zip(with_errors.transcript, with_errors.asr_transcript, strict=True))
    pairs = [(said.split(), heard.split()) for said, heard in letters]

    assert [each.words.wrong for each in found.utterances] == [distance(*pair) for pair in pairs]
    assert [each.characters.wrong for each in found.utterances] == [distance(*pair) for pair in letters]
    overall = pooled(found.utterances)
    assert overall.wer == pytest.approx(sum(distance(*pair) for pair in pairs) / sum(len(said) for said, _ in pairs))
    assert overall.cer == pytest.approx(
        sum(distance(*pair) for pair in letters) / sum(len(said) for said, _ in letters)
    )
    assert overall.exact == sum(said == heard for said, heard in pairs)


@pytest.mark.parametrize("column", ["session", "emotion"])
def test_groups_are_pooled_by_themselves(with_errors: pd.DataFrame, column: str) -> None:
    found = word_errors(with_errors, normalize=str)
    assert found is not None
    rates = found.rates(lambda each: str(getattr(each, column)))

    names = with_errors[column].fillna("no class")
    assert list(rates) == sorted(set(names))
    for name, figures in rates.items():
        rows = with_errors[names == name]
        pairs = [
            (said.split(), heard.split()) for said, heard in zip(rows.transcript, rows.asr_transcript, strict=True)
        ]
        assert figures.utterances == len(rows)
        assert figures.wer == pytest.approx(
            sum(distance(*pair) for pair in pairs) / sum(len(said) for said, _ in pairs)
        )


def test_counts_of_one_utterance() -> None:
    found = word_errors(table(("I have no idea at all", "I had no at all now")), normalize=str)
    assert found is not None

    assert found.utterances[0].words == EditCounts(hits=4, substitutions=1, deletions=1, insertions=1)
    assert found.utterances[0].words.rate == pytest.approx(3 / 6)
    assert found.substitutions == Counter({("have", "had"): 1})
    assert found.deletions == Counter({"idea": 1})
    assert found.insertions == Counter({"now": 1})


def test_an_empty_transcript_is_all_deletions() -> None:
    found = word_errors(table(("well no", "")), normalize=str)
    assert found is not None

    assert found.utterances[0].words == EditCounts(deletions=2)
    assert pooled(found.utterances).wer == 1.0


def test_references_without_words_and_missing_texts_are_left_out_and_counted() -> None:
    def without_tags(text: str) -> str:
        return text.replace("[LAUGHTER]", "")

    rows = table(("[LAUGHTER]", "ha ha ha"), ("well", "well"), (None, "well"), ("well", None), ("[LAUGHTER]", ""))
    found = word_errors(rows, normalize=without_tags)
    assert found is not None

    assert [each.utterance_id for each in found.utterances] == ["u1"]
    assert (found.without_words, found.words_where_none) == (2, 3)
    assert (found.without_reference, found.without_hypothesis) == (1, 1)


def test_nothing_but_tags_has_no_rate_and_no_transcripts_give_none() -> None:
    found = word_errors(table(("  ", "ha")), normalize=str)

    assert found is not None
    assert found.utterances == ()
    assert found.worst(5) == []
    assert word_errors(table((None, "ha")), normalize=str) is None


def test_the_worst_utterances_have_most_wrong_words() -> None:
    rows = table(("a b c d", "a b c d"), ("a", "x"), ("a b c", "x y z"), ("a b", "x b"))
    found = word_errors(rows, normalize=str)
    assert found is not None

    assert [each.utterance_id for each in found.worst(2)] == ["u2", "u1"]
    assert [each.utterance_id for each in found.worst(9)] == ["u2", "u1", "u3"]


def test_english_texts_pass_whispers_english_normalizer(tmp_path: Path) -> None:
    from merflow.corpus.transcription.whisper import text_normalizer

    (tmp_path / "normalizer.json").write_text(json.dumps({"colour": "color"}), encoding="utf-8")
    normalizer = text_normalizer(WhisperFolder(tmp_path, "mini", None), language="en")
    found = word_errors(
        table(("[LAUGHTER] Uh, I can't see the colour -- twenty-one!", "I can not see the color 21")),
        normalize=normalizer.apply,
    )
    assert found is not None

    assert normalizer.name == "Whisper's EnglishTextNormalizer"
    assert found.utterances[0].reference == "i can not see the color 21"
    assert found.utterances[0].words.wrong == 0


def test_what_the_normalizer_leaves_of_an_ellipsis_is_not_a_word(tmp_path: Path) -> None:
    from merflow.corpus.transcription.whisper import text_normalizer

    (tmp_path / "normalizer.json").write_text("{}", encoding="utf-8")
    normalizer = text_normalizer(WhisperFolder(tmp_path, "mini", None), language="en")
    assert normalizer.apply("Well, no...").split() == ["well", "no", "."]
    found = word_errors(table(("Well, no...", "well no"), ("...", "")), normalize=normalizer.apply)
    assert found is not None

    assert [each.reference for each in found.utterances] == ["well no"]
    assert found.utterances[0].words == EditCounts(hits=2)
    assert found.without_words == 1


def test_other_languages_pass_the_basic_one(tmp_path: Path) -> None:
    from merflow.corpus.transcription.whisper import text_normalizer

    normalizer = text_normalizer(WhisperFolder(tmp_path, "mini", None), language="de")

    assert normalizer.name == "Whisper's BasicTextNormalizer"
    assert normalizer.apply("Ach, das wüsst' ich [lacht] nicht!").split() == ["ach", "das", "wüsst", "ich", "nicht"]
