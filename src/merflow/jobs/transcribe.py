"""Transcribe the recordings of a manifest, and count the word errors against its true transcripts."""

import time
from dataclasses import replace
from pathlib import Path

import pandas as pd

from merflow.contracts.params import CorpusParams, TranscriptionParams
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.corpus.manifest import Manifest, read_manifest, write_manifest
from merflow.corpus.transcription.journal import open_journal
from merflow.corpus.transcription.recognition import Recognition, recognize
from merflow.corpus.transcription.report import TranscriptionReport, transcription_report, write_report
from merflow.corpus.transcription.summary import NO_REFERENCE, summary_text
from merflow.corpus.transcription.whisper import Normalizer, Whisper, text_normalizer
from merflow.corpus.transcription.whisper_folder import find_whisper
from merflow.corpus.transcription.word_errors import word_errors
from merflow.errors import CorpusError
from merflow.storage.local import output_errors, replacing


def transcribe(
    manifest: Path,
    *,
    out: Path,
    report: Path,
    quarantine: Path,
    journal: Path,
    params: TranscriptionParams,
    corpus: CorpusParams,
    progress: Progress | None = None,
) -> TranscriptionReport:
    """Fill ``asr_transcript`` and count its errors. A run that died continues after its last finished batch.

    Args:
        manifest: Manifest to read; it stays as it is.
        out: The same manifest with ``asr_transcript``, null without a recording and for recordings set aside.
        report: JSON with the model and the errors; a readable page goes next to it (``.md``).
        quarantine: CSV of the recordings that cannot be decoded, with reasons; a header alone if there are none.
        journal: The texts so far, by recording and model (JSON lines); any number of corpora and models share one.
        params: The model and its settings.
        corpus: Says if recordings of other rates and channel counts are converted.
        progress: Receives the recordings done; None prints plain lines.

    Returns:
        The report, as written.

    Raises:
        CorpusError: The manifest, the model or its language is missing, no utterance has a recording, ``out`` is
            ``manifest``, or another process has the journal open.
        OutputError: A file cannot be written.
    """
    before = _readable(manifest, out=out)
    whisper = Whisper(find_whisper(params.model, revision=params.revision), params=params)
    normalizer = _normalizer(before, whisper)
    tell, started = progress or plain_lines(), time.monotonic()
    with open_journal(journal, model=whisper.identity) as texts:
        recognition = recognize(before, whisper=whisper, journal=texts, resample=corpus.resample, progress=tell)
    _say_speed(recognition, seconds=time.monotonic() - started, device=whisper.device)
    after = replace(before, rows=_with_transcripts(before.rows, recognition))
    result = transcription_report(
        before,
        after,
        whisper=whisper,
        recognition=recognition,
        errors=word_errors(after.rows, normalize=normalizer.apply) if normalizer else None,
        normalizer=normalizer.name if normalizer else None,
    )
    write_manifest(after, out)
    write_report(report, result)
    with replacing(report.with_suffix(".md")) as part:
        part.write_text(summary_text(result), encoding="utf-8")
    with replacing(quarantine) as part, output_errors(quarantine):
        recognition.set_aside.to_csv(part, index=False)
    _say_result(result, report=report, quarantine=quarantine)
    return result


def _readable(path: Path, *, out: Path) -> Manifest:
    if out.resolve() == path.resolve():
        raise CorpusError(f"--out {out} is the manifest that is read; name another file for the one with transcripts")
    manifest = read_manifest(path)
    if manifest.rows["audio_path"].isna().all():
        raise CorpusError(f"{path} names no recording, so there is nothing to transcribe; fill audio_path")
    return manifest


def _normalizer(manifest: Manifest, whisper: Whisper) -> Normalizer | None:
    """Return None if there is nothing to compare with; a missing table is found before hours go into transcripts."""
    if manifest.rows["transcript"].isna().all():
        return None
    return text_normalizer(whisper.folder, language=whisper.language)


def _with_transcripts(rows: pd.DataFrame, recognition: Recognition) -> pd.DataFrame:
    texts = pd.Series([recognition.texts.get(name) for name in rows["utterance_id"]], index=rows.index, dtype="str")
    return rows.assign(asr_transcript=texts)


def _say_speed(recognition: Recognition, *, seconds: float, device: str) -> None:
    say(
        f"transcribe: {recognition.transcribed} recording(s) transcribed, {recognition.reused} known from an earlier "
        f"run; {recognition.transcribed_s / 3600:.3f} h of audio in {seconds:.0f} s on {device}, "
        f"{recognition.transcribed_s / max(seconds, 1e-9):.1f} times real time"
    )


def _say_result(result: TranscriptionReport, *, report: Path, quarantine: Path) -> None:
    if result.errors is None:
        say(f"transcribe: {NO_REFERENCE}")
    elif result.errors.overall is not None:
        rates = result.errors.overall
        say(
            f"transcribe: WER {rates.wer:.2%}, CER {rates.cer:.2%} over {rates.utterances} utterances; "
            f"details in {report.with_suffix('.md')}"
        )
    if number := result.utterances.set_aside:
        say(f"transcribe: {number} recording(s) cannot be decoded; {quarantine} lists the reasons")
