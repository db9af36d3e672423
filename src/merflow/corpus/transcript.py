"""The words in a transcript, without what transcribers note beside them."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

# Transcribers write noises in square brackets: [LAUGHTER], [BREATHING].
_TAG = re.compile(r"\[[^\[\]]*\]")
_NO_WORD = re.compile(r"[^\w']+|_")


def words_of(row: Mapping[str, Any], *, read: str | None) -> str:
    """What was said in an utterance, as a model read it; empty where the corpus does not know.

    Args:
        row: Of the manifest.
        read: ``asr`` for what a recogniser heard; else, also where a model read both or none, what is true.
    """
    words = row["asr_transcript" if read == "asr" else "transcript"]
    return "" if pd.isna(words) else str(words)


def without_tags(transcript: str) -> str:
    """The text as it is written, without tags and with single spaces; empty where nothing but tags was noted.

    >>> without_tags("[LAUGHTER]  Well -- no.")
    'Well -- no.'
    """
    return " ".join(_TAG.sub(" ", transcript).split())


def folded_words(transcript: str) -> str:
    """The words alone, to compare by: no tags, no case, no punctuation, one space apart; empty where there is no word.

    >>> folded_words("[LAUGHTER]  Well -- no.")
    'well no'
    """
    return " ".join(_NO_WORD.sub(" ", without_tags(transcript).casefold()).split())
