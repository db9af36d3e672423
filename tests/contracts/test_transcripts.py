from dataclasses import replace

from merflow.contracts.streams import Stream
from merflow.contracts.transcripts import transcripts_of, with_other_transcripts, with_transcripts

SPEECH = Stream("speech")
TRUE, RECOGNIZED = Stream("text"), Stream("text", transcript="asr")
LAYERS = Stream("text_layers", pooled=True, neighbours=2)


def test_only_streams_of_text_follow_the_choice_and_equal_ones_become_one() -> None:
    assert with_transcripts([SPEECH, TRUE, RECOGNIZED, LAYERS], {"truth": "asr", "asr": "asr"}) == (
        SPEECH,
        RECOGNIZED,
        replace(LAYERS, transcript="asr"),
    )


def test_the_other_transcripts_swap_both_kinds() -> None:
    assert with_other_transcripts([SPEECH, TRUE, RECOGNIZED]) == (SPEECH, RECOGNIZED, TRUE)


def test_the_transcripts_of_streams_are_named() -> None:
    assert transcripts_of([SPEECH]) is None
    assert transcripts_of([SPEECH, RECOGNIZED]) == "asr"
    assert transcripts_of([RECOGNIZED, TRUE]) == "truth+asr"
