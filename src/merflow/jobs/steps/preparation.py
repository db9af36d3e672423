"""From a corpus to features: the steps that every pipeline begins with."""

from collections.abc import Sequence
from pathlib import Path

from merflow.contracts.params import CorpusParams, FeatureParams, PlanParams, SplitParams, TranscriptionParams
from merflow.contracts.progress import saying_errors
from merflow.jobs.steps.sections import parsed_presets, section
from merflow.runs.workspace import Workspace
from merflow.storage.local import write_json


@saying_errors()
def plan(
    models: Sequence[str], *, splits_params: str, features_params: str, plan_params: str, presets: str = ""
) -> tuple[list[str], bool]:
    """As :func:`merflow.presets.plan.plan`, and whether one of the models reads video."""
    from merflow.presets import plan as plans

    profile = section(FeatureParams, features_params).profile
    user_presets = parsed_presets(presets, profile=profile)
    items = plans.plan(
        models,
        protocol=section(SplitParams, splits_params).protocol,
        profile=profile,
        seeds=section(PlanParams, plan_params).seeds,
        user_presets=user_presets,
    )
    return items, plans.read_video(models, user_presets)


@saying_errors()
def index(*, corpus: str, root: str, size: str, video: bool, workspace: str, params: str, manifest: str) -> None:
    """As :func:`merflow.jobs.index.index`; a synthetic corpus without root is generated first."""
    from merflow.corpus.source import CorpusSource
    from merflow.jobs.index import index as job

    source = CorpusSource(corpus, Path(root) if root else None, size)
    found = source.locate(Workspace(Path(workspace)).corpus, video=video)
    job(found, corpus=corpus, out=Path(manifest), params=section(CorpusParams, params))


@saying_errors()
def validate(
    *, manifest: str, quarantine: bool, params: str, validated: str, summary: str, docs: str, set_aside: str
) -> None:
    """As :func:`merflow.jobs.validate.validate`; ``set_aside`` is empty where nothing was set aside."""
    from merflow.jobs.validate import validate as job

    Path(set_aside).touch()
    job(
        Path(manifest),
        out=Path(validated),
        summary=Path(summary),
        docs=Path(docs),
        quarantine=Path(set_aside) if quarantine else None,
        params=section(CorpusParams, params),
    )


@saying_errors()
def transcribe(
    *,
    manifest: str,
    asr: bool,
    workspace: str,
    params: str,
    corpus_params: str,
    transcribed: str,
    summary: str,
    report: str,
    set_aside: str,
) -> None:
    """As :func:`merflow.jobs.transcribe.transcribe`, journal in the workspace; without ``asr`` hands the manifest on.

    A step that set recordings aside has not failed: they are in ``set_aside``.
    """
    if not asr:
        Path(transcribed).write_bytes(Path(manifest).read_bytes())
        Path(summary).write_text("Nothing was transcribed; it was not asked for.\n", encoding="utf-8")
        Path(set_aside).touch()
        write_json(Path(report), {})
        return
    from merflow.jobs.transcribe import transcribe as job

    job(
        Path(manifest),
        out=Path(transcribed),
        report=Path(report),
        quarantine=Path(set_aside),
        journal=Workspace(Path(workspace)).journal,
        params=section(TranscriptionParams, params),
        corpus=section(CorpusParams, corpus_params),
    )
    Path(summary).write_bytes(Path(report).with_suffix(".md").read_bytes())


@saying_errors()
def split(*, manifest: str, params: str, splits: str, summary: str) -> None:
    """As :func:`merflow.jobs.split.split`."""
    from merflow.jobs.split import split as job

    job(Path(manifest), out=Path(splits), params=section(SplitParams, params))
    Path(summary).write_bytes(Path(splits).with_suffix(".md").read_bytes())


@saying_errors()
def extract(
    *,
    manifest: str,
    models: Sequence[str],
    workspace: str,
    params: str,
    corpus_params: str,
    features: str,
    presets: str = "",
) -> int:
    """As :func:`merflow.jobs.extract.extract`, into the workspace's store; returns how many inputs were set aside."""
    from merflow.features.extraction.quarantine import quarantine_beside, read_quarantine
    from merflow.jobs.extract import extract as job

    written = job(
        Path(manifest),
        variants=models,
        store=Workspace(Path(workspace)).store,
        out=Path(features),
        params=section(FeatureParams, params),
        corpus=section(CorpusParams, corpus_params),
        user_presets=parsed_presets(presets),
    )
    return len(read_quarantine(quarantine_beside(written)))
