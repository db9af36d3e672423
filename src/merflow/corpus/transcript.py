"""Words of transcripts, and the tags of the transcribers among them.

Readers leave the tags in. Indexing treats them once, as ``corpus.tags`` says, so that features, baselines and counts
all see the same words.
"""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from merflow.contracts.params import TagRule

# Transcribers write noises in square brackets: [LAUGHTER], [BREATHING].
_TAG = re.compile(r"\[[^\[\]]*\]")
_NO_WORD = re.compile(r"[^\w']+|_")


def words_of(row: Mapping[str, Any], *, read: str | None) -> str:
    """Return the transcript of an utterance as a model read it; an empty text if the corpus has none.

    Args:
        row: Row of the manifest.
        read: ``asr`` for the ASR transcript; anything else, also for a model that read both or none, for the reference.
    """
    words = row["asr_transcript" if read == "asr" else "transcript"]
    return "" if pd.isna(words) else str(words)


def without_tags(transcript: str) -> str:
    """Remove the tags of a transcript, and leave single spaces; a transcript of tags alone becomes empty.

    >>> without_tags("[LAUGHTER]  Well -- no.")
    'Well -- no.'
    """
    return " ".join(_TAG.sub(" ", transcript).split())


def with_tags(transcript: str, rule: TagRule) -> str:
    """Return a transcript whose tags are dropped, kept, or turned into words, with single spaces.

    >>> with_tags("[LAUGHTER]  Well -- no.", "words")
    'laughter Well -- no.'
    """
    if rule == "drop":
        return without_tags(transcript)
    if rule == "words":
        transcript = _TAG.sub(lambda tag: f" {tag[0][1:-1].lower()} ", transcript)
    return " ".join(transcript.split())


def folded_words(transcript: str) -> str:
    """Reduce a transcript to its words for comparison: no tags, case or punctuation, with single spaces.

    >>> folded_words("[LAUGHTER]  Well -- no.")
    'well no'
    """
    return " ".join(_NO_WORD.sub(" ", without_tags(transcript).casefold()).split())
