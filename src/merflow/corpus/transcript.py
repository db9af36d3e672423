"""The words in a transcript, without what transcribers note beside them."""

import re

# Transcribers write noises in square brackets: [LAUGHTER], [BREATHING].
_TAG = re.compile(r"\[[^\[\]]*\]")
_NO_WORD = re.compile(r"[^\w']+|_")


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
