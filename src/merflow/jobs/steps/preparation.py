"""Steps from a corpus to features, which every pipeline begins with."""

from pathlib import Path
from typing import TYPE_CHECKING

from merflow.contracts.params import FeatureParams
from merflow.contracts.presets import EncoderProfile, Preset
from merflow.contracts.progress import saying_errors
from merflow.contracts.requests import (
    ExtractRequest,
    IndexRequest,
    SplitRequest,
    TranscribeRequest,
    ValidateRequest,
)
from merflow.jobs.steps.corpus_files import (
    corpus_digest,
    fetch_corpus,
    fetch_generated,
    fetch_recordings,
    publish_generated,
)
from merflow.jobs.steps.feature_files import fetch_models, fetch_store, filling, model_digests, publish_encoders
from merflow.jobs.steps.shared_files import SharedFiles, adding_lines
from merflow.storage.local import write_json

if TYPE_CHECKING:
    from merflow.jobs.run_settings import RunSettings


@saying_errors()
def fingerprint(*, corpus: str, root: str, transcribe: bool, profile: str, params: str, workspace: str) -> str:
    """Run :func:`merflow.jobs.fingerprint.fingerprint`; return the digests as JSON."""
    from merflow.contracts.params_files import shipped_params, with_changes
    from merflow.folds.profiles import profile_of
    from merflow.jobs.fingerprint import encoder_models, models_digest
    from merflow.jobs.fingerprint import fingerprint as job

    chosen, shared = with_changes(shipped_params(), params), SharedFiles(Path(workspace))
    encoders = profile_of(chosen.features.profile, text=profile)
    stored = corpus_digest(root, shared)
    digests = job(
        corpus=corpus,
        root=root if stored is None else "",
        transcribe=transcribe,
        params=chosen,
        profile=encoders,
    )
    update = {} if stored is None else {"corpus": stored}
    if (models := model_digests(encoder_models(encoders, chosen.features), shared)) is not None:
        update["encoders"] = models_digest(models)
    if transcribe and (models := model_digests([chosen.transcription.model], shared)) is not None:
        update["recognizer"] = models_digest(models)
    return digests.model_copy(update=update).model_dump_json()


@saying_errors()
def index(request: str, *, manifest: str) -> None:
    """Run :func:`merflow.jobs.index.index`; generate a synthetic corpus first if there is no root."""
    from merflow.corpus.source import CorpusSource
    from merflow.jobs.index import index as job

    parsed = IndexRequest.from_json(request)
    shared = SharedFiles(Path(parsed.workspace))
    source = CorpusSource(parsed.corpus, fetch_corpus(parsed.root, shared), parsed.size)
    generated = source.generated_name(video=parsed.video)
    if source.root is None:
        fetch_generated(shared, name=generated)
    root = source.locate(shared.workspace.corpus, video=parsed.video)
    job(root, corpus=parsed.corpus, out=Path(manifest), params=parsed.params)
    if source.root is None:
        publish_generated(shared, name=generated)


@saying_errors()
def validate(request: str, *, manifest: str, validated: str, summary: str, docs: str, set_aside: str) -> None:
    """Run :func:`merflow.jobs.validate.validate`; ``set_aside`` is an empty file if no row was set aside."""
    from merflow.jobs.validate import validate as job

    parsed = ValidateRequest.from_json(request)
    fetch_recordings(Path(manifest), SharedFiles(Path(parsed.workspace)), video=True)
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

    shared = SharedFiles(Path(parsed.workspace))
    fetch_recordings(Path(manifest), shared, video=False)
    fetch_models([parsed.params.model], shared)
    with adding_lines(shared.workspace.journal, shared):
        job(
            Path(manifest),
            out=Path(transcribed),
            report=Path(report),
            quarantine=Path(set_aside),
            journal=shared.workspace.journal,
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
    from merflow.folds.profiles import profile_of
    from merflow.jobs.extract import extract as job
    from merflow.jobs.extract import keys_of
    from merflow.presets.variants import read_video

    parsed = ExtractRequest.from_json(request)
    shared, user_presets = SharedFiles(Path(parsed.workspace)), parsed_presets(parsed.presets)
    store = shared.workspace.store_of(parsed.params.store)
    profile = profile_of(parsed.params.profile, text=parsed.profile)
    fetch_encoders(profile, parsed.params, shared)
    if shared.remote is not None:
        fetch_recordings(Path(manifest), shared, video=read_video(parsed.variants, user_presets))
        keys = keys_of(
            Path(manifest),
            variants=parsed.variants,
            params=parsed.params,
            user_presets=user_presets,
            profile=profile,
        )
        fetch_store(store, keys, shared)
    with filling(store, shared):
        written = job(
            Path(manifest),
            variants=parsed.variants,
            store=store,
            out=Path(features),
            params=parsed.params,
            corpus=parsed.corpus,
            user_presets=user_presets,
            profile=profile,
        )
    publish_encoders(written, shared)
    return len(read_quarantine(quarantine_beside(written)))


def fetch_encoders(profile: EncoderProfile, params: FeatureParams, shared: SharedFiles) -> None:
    """Fetch the local encoders of a profile that are in the workspace."""
    if shared.remote is not None:
        from merflow.jobs.fingerprint import encoder_models

        fetch_models(encoder_models(profile, params), shared)


def fetch_planned(settings: "RunSettings") -> None:
    """Fetch the local models whose files a plan checks."""
    shared = SharedFiles(Path(settings.workspace))
    if shared.remote is not None:
        from merflow.folds.profiles import profile_of
        from merflow.jobs.run_settings import params_of

        params = params_of(settings)
        fetch_encoders(profile_of(params.features.profile, text=settings.profile), params.features, shared)


def parsed_presets(text: str) -> dict[str, Preset]:
    """Parse the user's presets; load what that needs only if there are any."""
    if not text.strip():
        return {}
    from merflow.folds.presets import parse_presets

    return parse_presets(text, where="presets")
