"""The report of a transcription: the model, the utterances and the word errors, as JSON with a type."""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from merflow.contracts.strict import Strict
from merflow.corpus.manifest import Manifest
from merflow.corpus.transcription.recognition import Recognition
from merflow.corpus.transcription.whisper import Whisper
from merflow.corpus.transcription.word_errors import ComparedUtterance, Rates, WordErrors, pooled
from merflow.errors import CorpusError
from merflow.storage.local import write_json

WORST = 20
FREQUENT = 20

Key = TypeVar("Key", str, tuple[str, str])


class Manifests(Strict):
    """Hashes of the manifest before and after, and the kind of its corpus."""

    before: str
    after: str
    corpus: str


class ModelUsed(Strict):
    """The Whisper model and its settings.

    Attributes:
        revision: Commit on the hub; None for a local folder.
        digest: Digest of the model's files.
        identity: Digest of everything that affects a text besides the recording.
        language: Code of the language; None if the model detects it.
    """

    name: str
    revision: str | None
    digest: str
    identity: str
    language: str | None
    beams: int
    max_new_tokens: int
    dtype: str


class UtteranceCounts(Strict):
    """Utterances by their outcome; ``empty`` ones are transcribed, but contain no word."""

    all: int
    transcribed: int
    set_aside: int
    without_recording: int
    empty: int


class LeftOut(Strict):
    """Utterances that no rate counts; see :class:`merflow.corpus.transcription.word_errors.WordErrors`."""

    without_reference: int
    without_words: int
    words_where_none: int
    without_hypothesis: int


class WorstUtterance(Strict):
    """One of the utterances with the most wrong words."""

    utterance_id: str
    wrong_words: int
    wer: float
    reference: str
    hypothesis: str


class Substitution(Strict):
    """A word that was taken for another."""

    reference: str
    hypothesis: str
    times: int


class WordCount(Strict):
    """A word that was missed or added."""

    word: str
    times: int


class ErrorReport(Strict):
    """The word errors, overall, by group and by word.

    Attributes:
        overall: Rates of all compared utterances; None if no reference transcript has a word.
        sessions: Rates by session.
        emotions: Rates by emotion.
        worst: The utterances with the most wrong words, the worst first.
        substitutions: The most frequent substitutions; likewise for deletions and insertions.
    """

    overall: Rates | None
    sessions: dict[str, Rates]
    emotions: dict[str, Rates]
    left_out: LeftOut
    worst: tuple[WorstUtterance, ...]
    substitutions: tuple[Substitution, ...]
    deletions: tuple[WordCount, ...]
    insertions: tuple[WordCount, ...]


class TranscriptionReport(Strict):
    """Everything about a transcription except its texts, of which only the worst are shown.

    Attributes:
        normalizer: Name of the normalization applied before the comparison; None if nothing was compared.
        errors: None if the corpus has no reference transcripts.
    """

    manifest: Manifests
    model: ModelUsed
    utterances: UtteranceCounts
    normalizer: str | None
    errors: ErrorReport | None


def transcription_report(
    before: Manifest,
    after: Manifest,
    *,
    whisper: Whisper,
    recognition: Recognition,
    errors: WordErrors | None,
    normalizer: str | None,
) -> TranscriptionReport:
    """Return the report of a finished transcription.

    Args:
        before: The manifest that was read.
        after: The same with ``asr_transcript``.
        whisper: The model.
        recognition: The texts and the recordings that were set aside.
        errors: None if the corpus has no reference transcripts.
        normalizer: Name of the normalization; None if nothing was compared.
    """
    return TranscriptionReport(
        manifest=Manifests(before=before.hash, after=after.hash, corpus=after.corpus),
        model=ModelUsed(
            name=whisper.folder.name,
            revision=whisper.folder.revision,
            digest=whisper.folder.digest,
            identity=whisper.identity,
            language=whisper.language,
            beams=whisper.params.beams,
            max_new_tokens=whisper.params.max_new_tokens,
            dtype=whisper.dtype,
        ),
        utterances=UtteranceCounts(
            all=len(after.rows),
            transcribed=len(recognition.texts),
            set_aside=len(recognition.set_aside),
            without_recording=int(after.rows["audio_path"].isna().sum()),
            empty=sum(not text for text in recognition.texts.values()),
        ),
        normalizer=normalizer,
        errors=None if errors is None else _error_report(errors),
    )


def write_report(path: Path, report: TranscriptionReport) -> None:
    """Write a report as JSON.

    Raises:
        OutputError: The folder is read-only or the disk is full.
    """
    write_json(path, report.model_dump(mode="json"))


def read_report(path: Path) -> TranscriptionReport:
    """Read a report that :func:`write_report` wrote.

    Raises:
        CorpusError: The file is missing or is not a report of this version.
    """
    try:
        return TranscriptionReport.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise CorpusError(
            f"{path} is not a report of a transcription ({error}); run `merflow data transcribe` again"
        ) from error


def _error_report(errors: WordErrors) -> ErrorReport:
    return ErrorReport(
        overall=pooled(errors.utterances) if errors.utterances else None,
        sessions=errors.rates(lambda each: each.session),
        emotions=errors.rates(lambda each: each.emotion),
        left_out=LeftOut(
            without_reference=errors.without_reference,
            without_words=errors.without_words,
            words_where_none=errors.words_where_none,
            without_hypothesis=errors.without_hypothesis,
        ),
        worst=tuple(_worst_utterance(each) for each in errors.worst(WORST)),
        substitutions=tuple(
            Substitution(reference=reference, hypothesis=hypothesis, times=times)
            for (reference, hypothesis), times in _most_frequent(errors.substitutions)
        ),
        deletions=tuple(WordCount(word=word, times=times) for word, times in _most_frequent(errors.deletions)),
        insertions=tuple(WordCount(word=word, times=times) for word, times in _most_frequent(errors.insertions)),
    )


def _most_frequent(counts: dict[Key, int]) -> list[tuple[Key, int]]:
    """Return the most frequent entries, in alphabetical order among equals."""
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:FREQUENT]


def _worst_utterance(utterance: ComparedUtterance) -> WorstUtterance:
    return WorstUtterance(
        utterance_id=utterance.utterance_id,
        wrong_words=utterance.words.wrong,
        wer=utterance.words.rate,
        reference=utterance.reference,
        hypothesis=utterance.hypothesis,
    )
