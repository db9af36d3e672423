"""The transcripts that text streams read: the corpus's reference transcripts, or those of speech recognition (ASR).

A preset requests one kind, and a corpus may have only the other. Extraction decides once which kind is read instead of
each, and records that with the features, so that training and results follow it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from merflow.contracts.streams import MODALITY_OF, Stream, Transcript

# The manifest's column of each kind of transcripts.
TRANSCRIPT_COLUMNS: dict[Transcript, str] = {"truth": "transcript", "asr": "asr_transcript"}

# The kind of transcripts that a preset requests -> the kind that is read instead.
TranscriptChoice = Mapping[Transcript, Transcript]

_OTHER: TranscriptChoice = {"truth": "asr", "asr": "truth"}


def with_transcripts(streams: Iterable[Stream], choice: TranscriptChoice) -> tuple[Stream, ...]:
    """Return the streams with the chosen kind of transcripts in each that reads text; equal streams once."""
    return tuple(
        dict.fromkeys(
            replace(stream, transcript=choice[stream.transcript]) if MODALITY_OF[stream.role] == "text" else stream
            for stream in streams
        )
    )


def with_other_transcripts(streams: Iterable[Stream]) -> tuple[Stream, ...]:
    """Return the streams with the other kind of transcripts in each that reads text."""
    return with_transcripts(streams, _OTHER)


def transcripts_of(streams: Iterable[Stream]) -> str | None:
    """Return ``truth`` or ``asr``, joined by a plus where streams read both; None if none reads text."""
    kinds = {stream.transcript for stream in streams if MODALITY_OF[stream.role] == "text"}
    return "+".join(sorted(kinds, reverse=True)) or None
