"""Whose words text streams read: the corpus' own, or those that a speech recogniser heard.

A preset asks for one of them, a corpus may have only the other. What is read in place of what was asked for is decided
once, when features are extracted, and written beside them, so that training and results follow it.

Where a corpus has both kinds, those that are not read are extracted too: a model that was trained on the one is also
tested with the other. That costs one more pass of the text encoders over the corpus, and nothing where one is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from merflow.contracts.params import Transcripts
from merflow.contracts.streams import MODALITY_OF, Stream, Transcript
from merflow.corpus.manifest import Manifest
from merflow.features.extraction.sources import TRANSCRIPTS, is_absent

# What a preset asks for -> what is read.
Readings = Mapping[Transcript, Transcript]


def readings(manifest: Manifest, *, transcripts: Transcripts) -> dict[Transcript, Transcript]:
    """What is read of this corpus in place of each kind of words that a stream may ask for.

    Args:
        manifest: The corpus.
        transcripts: ``truth`` and ``asr`` stand for themselves, whether the corpus has them or not; ``auto`` is what is
            asked for, and the other kind where the corpus has that one alone.
    """
    if transcripts != "auto":
        return dict.fromkeys(TRANSCRIPTS, transcripts)
    there = [kind for kind, column in TRANSCRIPTS.items() if not is_absent(manifest, column)]
    return {asked: there[0] if len(there) == 1 else asked for asked in TRANSCRIPTS}


def has_both(manifest: Manifest) -> bool:
    """Whether some utterance of the corpus has true words, and some has recognised ones."""
    return not any(is_absent(manifest, column) for column in TRANSCRIPTS.values())


def with_other_words(streams: Iterable[Stream]) -> tuple[Stream, ...]:
    """The streams with the other kind of words in each that reads text."""
    other: dict[Transcript, Transcript] = {"truth": "asr", "asr": "truth"}
    return reading(streams, other)


def reading(streams: Iterable[Stream], found: Readings) -> tuple[Stream, ...]:
    """The streams with the words that are read, each once; those that read no text stay as they are."""
    return tuple(
        dict.fromkeys(
            replace(stream, transcript=found[stream.transcript]) if MODALITY_OF[stream.role] == "text" else stream
            for stream in streams
        )
    )


def transcript_of(streams: Iterable[Stream]) -> str | None:
    """``truth`` or ``asr``, joined by a plus where both are read; None where no text is."""
    kinds = {stream.transcript for stream in streams if MODALITY_OF[stream.role] == "text"}
    return "+".join(sorted(kinds, reverse=True)) or None
