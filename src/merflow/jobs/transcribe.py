"""Recordings into text beside the true transcripts, and how far the two are apart."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from merflow.contracts.params import CorpusParams, TranscriptionParams
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.corpus.manifest import Manifest, read_manifest, write_manifest
from merflow.corpus.transcription.journal import open_journal
from merflow.corpus.transcription.recognition import Recognition, recognise
from merflow.corpus.transcription.summary import NO_REFERENCE, Transcription, summary_text
from merflow.corpus.transcription.whisper import Normalizer, Whisper, text_normalizer
from merflow.corpus.transcription.whisper_folder import find_whisper
from merflow.corpus.transcription.word_errors import word_errors
from merflow.errors import CorpusError
from merflow.storage.local import output_errors, replacing, write_json


@dataclass(frozen=True)
class Transcribed:
    """What the job leaves.

    Attributes:
        report: As in the report's file.
        set_aside: Recordings that could not be decoded.
    """

    report: dict[str, Any]
    set_aside: int


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
) -> Transcribed:
    """Fills ``asr_transcript`` and counts its errors; a run that died goes on after its last finished batch.

    Args:
        manifest: Manifest to read; it is left as it is.
        out: The same manifest with ``asr_transcript``, null where there is no recording or it was set aside.
        report: JSON with the model and the errors; a readable page goes beside it (``.md``).
        quarantine: CSV of the recordings that cannot be decoded, with reasons; only its header where there is none.
        journal: What was heard, by recording and model (JSON lines); any number of corpora and models share one.
        params: Model and how it is asked.
        corpus: Whether recordings of other rates and channel counts are converted.
        progress: Told of recordings.

    Raises:
        CorpusError: The manifest, the model or its language is not to be had, no utterance has a recording, ``out`` is
            ``manifest``, or another process has the journal.
        OutputError: A file cannot be written.
    """
    found = _readable(manifest, out=out)
    whisper = Whisper(find_whisper(params.model, revision=params.revision), params=params)
    normalizer = _normalizer(found, whisper)
    tell, started = progress or plain_lines(), time.monotonic()
    with open_journal(journal, model=whisper.identity) as kept:
        heard = recognise(found, whisper=whisper, journal=kept, resample=corpus.resample, progress=tell)
    _say_speed(heard, seconds=time.monotonic() - started, device=whisper.device)
    after = replace(found, rows=_with_transcripts(found.rows, heard))
    errors = word_errors(after.rows, normalize=normalizer.apply) if normalizer else None
    result = Transcription(found, after, whisper, heard, errors, normalizer.name if normalizer else None).as_json()
    write_manifest(after, out)
    _write_report(result, report)
    with replacing(quarantine) as part, output_errors(quarantine):
        heard.set_aside.to_csv(part, index=False)
    _say_result(result, report=report, quarantine=quarantine)
    return Transcribed(result, len(heard.set_aside))


def _readable(path: Path, *, out: Path) -> Manifest:
    if out.resolve() == path.resolve():
        raise CorpusError(f"--out {out} is the manifest that is read; transcripts go into a new one: name another file")
    found = read_manifest(path)
    if found.rows["audio_path"].isna().all():
        raise CorpusError(f"{path} names no recording, so there is nothing to transcribe")
    return found


def _normalizer(manifest: Manifest, whisper: Whisper) -> Normalizer | None:
    """None where there is nothing to compare with; found before hours are spent on transcripts."""
    if manifest.rows["transcript"].isna().all():
        return None
    return text_normalizer(whisper.folder, language=whisper.language)


def _with_transcripts(rows: pd.DataFrame, heard: Recognition) -> pd.DataFrame:
    texts = pd.Series([heard.texts.get(name) for name in rows["utterance_id"]], index=rows.index, dtype="str")
    return rows.assign(asr_transcript=texts)


def _write_report(result: dict[str, Any], report: Path) -> None:
    write_json(report, result)
    with replacing(report.with_suffix(".md")) as part:
        part.write_text(summary_text(result), encoding="utf-8")


def _say_speed(heard: Recognition, *, seconds: float, device: str) -> None:
    say(
        f"transcribe: {heard.transcribed} recording(s) heard now, {heard.kept} known from an earlier run; "
        f"{heard.heard_s / 3600:.3f} h of audio in {seconds:.0f} s on {device}, "
        f"{heard.heard_s / max(seconds, 1e-9):.1f} times real time"
    )


def _say_result(result: dict[str, Any], *, report: Path, quarantine: Path) -> None:
    errors = result["errors"]
    if errors is None:
        say(f"transcribe: {NO_REFERENCE}")
    elif errors["overall"] is not None:
        overall = errors["overall"]
        say(
            f"transcribe: WER {overall['wer']:.2%}, CER {overall['cer']:.2%} over {overall['utterances']} utterances; "
            f"{report.with_suffix('.md')}"
        )
    if aside := result["utterances"]["set_aside"]:
        say(f"transcribe: {aside} recording(s) cannot be decoded; {quarantine} says why")
