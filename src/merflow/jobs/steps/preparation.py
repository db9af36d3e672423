"""Steps from a corpus to features, which every pipeline begins with."""

from pathlib import Path

from merflow.contracts.presets import EncoderProfile, Preset
from merflow.contracts.progress import saying_errors
from merflow.contracts.requests import (
    ExtractRequest,
    IndexRequest,
    SplitRequest,
    TranscribeRequest,
    ValidateRequest,
)
from merflow.runs.workspace import Workspace
from merflow.storage.local import write_json


@saying_errors()
def fingerprint(*, corpus: str, root: str, transcribe: bool, profile: str, params: str, workspace: str) -> str:
    """Run :func:`merflow.jobs.fingerprint.fingerprint`; return the digests as JSON."""
    from merflow.contracts.params import shipped_params, with_changes
    from merflow.folds.profiles import profile_of
    from merflow.jobs.fingerprint import fingerprint as job

    chosen = with_changes(shipped_params(), params)
    encoders = profile_of(chosen.features.profile, text=profile)
    return job(corpus=corpus, root=root, transcribe=transcribe, params=chosen, profile=encoders).model_dump_json()


@saying_errors()
def index(request: str, *, manifest: str) -> None:
    """Run :func:`merflow.jobs.index.index`; generate a synthetic corpus first if there is no root."""
    from merflow.corpus.source import CorpusSource
    from merflow.jobs.index import index as job

    parsed = IndexRequest.from_json(request)
    source = CorpusSource(parsed.corpus, Path(parsed.root) if parsed.root else None, parsed.size)
    root = source.locate(Workspace(Path(parsed.workspace)).corpus, video=parsed.video)
    job(root, corpus=parsed.corpus, out=Path(manifest), params=parsed.params)


@saying_errors()
def validate(request: str, *, manifest: str, validated: str, summary: str, docs: str, set_aside: str) -> None:
    """Run :func:`merflow.jobs.validate.validate`; ``set_aside`` is an empty file if no row was set aside."""
    from merflow.jobs.validate import validate as job

    parsed = ValidateRequest.from_json(request)
    Path(set_aside).touch()
    job(
        Path(manifest),
        out=Path(validated),
        summary=Path(summary),
        docs=Path(docs),
        quarantine=Path(set_aside) if parsed.quarantine else None,
        params=parsed.params,
    )


@saying_errors()
def transcribe(request: str, *, manifest: str, transcribed: str, summary: str, report: str, set_aside: str) -> None:
    """Run :func:`merflow.jobs.transcribe.transcribe` with a journal in the workspace, or hand the manifest on.

    A step that sets recordings aside has not failed; they are listed in ``set_aside``.
    """
    parsed = TranscribeRequest.from_json(request)
    if not parsed.transcribe:
        Path(transcribed).write_bytes(Path(manifest).read_bytes())
        Path(summary).write_text("Transcription is off; set `transcribe` to turn it on.\n", encoding="utf-8")
        Path(set_aside).touch()
        write_json(Path(report), {})
        return
    from merflow.jobs.transcribe import transcribe as job

    job(
        Path(manifest),
        out=Path(transcribed),
        report=Path(report),
        quarantine=Path(set_aside),
        journal=Workspace(Path(parsed.workspace)).journal,
        params=parsed.params,
        corpus=parsed.corpus,
    )
    Path(summary).write_bytes(Path(report).with_suffix(".md").read_bytes())


@saying_errors()
def split(request: str, *, manifest: str, splits: str, summary: str) -> None:
    """Run :func:`merflow.jobs.split.split`."""
    from merflow.jobs.split import split as job

    job(Path(manifest), out=Path(splits), params=SplitRequest.from_json(request).params)
    Path(summary).write_bytes(Path(splits).with_suffix(".md").read_bytes())


@saying_errors()
def extract(request: str, *, manifest: str, features: str) -> int:
    """Run :func:`merflow.jobs.extract.extract` into the workspace's store; return how many inputs were set aside."""
    from merflow.contracts.quarantine import quarantine_beside, read_quarantine
    from merflow.jobs.extract import extract as job

    parsed = ExtractRequest.from_json(request)
    written = job(
        Path(manifest),
        variants=parsed.variants,
        store=Workspace(Path(parsed.workspace)).store_of(parsed.params.store),
        out=Path(features),
        params=parsed.params,
        corpus=parsed.corpus,
        user_presets=parsed_presets(parsed.presets),
        profile=_parsed_profile(parsed.profile),
    )
    return len(read_quarantine(quarantine_beside(written)))


def _parsed_profile(text: str) -> EncoderProfile | None:
    from merflow.folds.profiles import profile_of

    return profile_of("", text=text) if text.strip() else None


def parsed_presets(text: str) -> dict[str, Preset]:
    """Parse the user's presets; load what that needs only if there are any."""
    if not text.strip():
        return {}
    from merflow.folds.presets import parse_presets

    return parse_presets(text, where="presets")
