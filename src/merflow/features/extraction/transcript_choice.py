"""The choice between reference and ASR transcripts, depending on the corpus.

If a corpus has both kinds, the other kind is extracted too, so that a model trained on one kind can be tested with the
other. That costs one more pass of the text encoders over the corpus.
"""

from merflow.contracts.params import Transcripts
from merflow.contracts.streams import Transcript
from merflow.contracts.transcripts import TRANSCRIPT_COLUMNS
from merflow.corpus.manifest import Manifest
from merflow.features.extraction.utterance_inputs import is_absent


def choose_transcripts(manifest: Manifest, *, transcripts: Transcripts) -> dict[Transcript, Transcript]:
    """Return the kind of transcript to read for each kind that a stream may request.

    Args:
        manifest: The corpus.
        transcripts: ``truth`` or ``asr`` to read that kind in every case. ``auto`` reads the requested kind, or the
            other one if the corpus has only that.
    """
    if transcripts != "auto":
        return dict.fromkeys(TRANSCRIPT_COLUMNS, transcripts)
    present = [kind for kind, column in TRANSCRIPT_COLUMNS.items() if not is_absent(manifest, column)]
    return {requested: present[0] if len(present) == 1 else requested for requested in TRANSCRIPT_COLUMNS}


def has_both_transcripts(manifest: Manifest) -> bool:
    """Return True if some utterance of the corpus has a reference transcript and some has an ASR transcript."""
    return not any(is_absent(manifest, column) for column in TRANSCRIPT_COLUMNS.values())
