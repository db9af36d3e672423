"""Transcriptions of small corpora, and the files that they leave behind."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import soundfile

from merflow.contracts.params import Params
from merflow.corpus.manifest import build_manifest, read_manifest, write_manifest
from merflow.corpus.transcription.report import TranscriptionReport, read_report
from merflow.jobs.transcribe import transcribe
from tests.corpus.transcription.whisper_miniature import speech

SECONDS = 0.4  # of every recording


@dataclass(frozen=True)
class Files:
    """The files of a transcription in a folder, named as by the command."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "transcribed.parquet"

    @property
    def report(self) -> Path:
        return self.folder / "transcribed.report.json"

    @property
    def page(self) -> Path:
        return self.folder / "transcribed.report.md"

    @property
    def quarantine(self) -> Path:
        return self.folder / "transcribed.quarantine.csv"

    @property
    def journal(self) -> Path:
        return self.folder / "transcribed.journal.jsonl"

    def recordings(self) -> list[str]:
        """Digests of the recordings in the journal, in the order in which they were transcribed."""
        return [json.loads(line)["audio"] for line in self.journal.read_text(encoding="utf-8").splitlines()]

    def texts(self) -> list[str | None]:
        rows = read_manifest(self.out).rows
        return [None if pd.isna(text) else text for text in rows["asr_transcript"]]


def run(manifest: Path, files: Files, settings: Params, **changes: object) -> TranscriptionReport:
    return transcribe(
        manifest,
        out=files.out,
        report=files.report,
        quarantine=files.quarantine,
        journal=files.journal,
        params=settings.transcription.model_copy(update=changes),
        corpus=settings.corpus,
        progress=lambda *_: None,
    )


def report_of(files: Files) -> TranscriptionReport:
    return read_report(files.report)


def corpus_of(folder: Path, texts: Sequence[str | None], *, rate_hz: int = 16_000) -> Path:
    """Write a manifest of recordings with these true transcripts; every other one is sad, the rest has no class."""
    rows = []
    for number, text in enumerate(texts):
        soundfile.write(folder / f"{number}.wav", speech(number, seconds=SECONDS, rate_hz=rate_hz), rate_hz)
        rows.append(
            {
                "utterance_id": f"u{number}",
                "dialogue_id": "d",
                "turn_index": number,
                "session": "Session1",
                "speaker": "S",
                "audio_path": f"{number}.wav",
                "transcript": text,
                "emotion": "sad" if number % 2 else None,
                "n_samples": round(SECONDS * rate_hz),
                "rate_hz": rate_hz,
            }
        )
    write_manifest(build_manifest(rows, root=folder, corpus="table", taxonomy="iemocap4"), folder / "m.parquet")
    return folder / "m.parquet"


def command(manifest: Path, files: Files, settings: Params, *more: str) -> list[str]:
    asked = settings.transcription
    sets = [f"transcription.{name}={getattr(asked, name)}" for name in ("batch_size", "max_new_tokens", "device")]
    chosen = [part for pair in sets for part in ("--set", pair)]
    return ["data", "transcribe", str(manifest), "--out", str(files.out), "--model", asked.model, *chosen, *more]
