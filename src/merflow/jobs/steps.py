"""The jobs as pipelines call them: strings in, files out.

``params`` is a section of ``params.yaml`` as JSON; empty for the section that merflow ships. ``presets`` is the text of
a file of one's own presets; empty for none. Each step imports its job when it is called, so that no step waits for
another's libraries.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from merflow.contracts.errors import ParamsError, TuningError
from merflow.contracts.files import write_json
from merflow.contracts.params import (
    CorpusParams,
    EvaluationParams,
    FeatureParams,
    PlanParams,
    SplitParams,
    TrackingParams,
    TrainingParams,
    TranscriptionParams,
    TuningParams,
    read_params,
)
from merflow.contracts.presets import Preset
from merflow.contracts.strict import Strict, parse
from merflow.jobs.progress import saying_errors
from merflow.jobs.workspace import Workspace

Section = TypeVar("Section", bound=Strict)


def _section(kind: type[Section], text: str) -> Section:
    if text:
        try:
            return parse(kind, json.loads(text), where=kind.__name__)
        except json.JSONDecodeError as error:
            raise ParamsError(f"{kind.__name__}: {text[:100]!r} is no JSON ({error})") from error
    shipped = read_params(Path(str(files("merflow") / "params.yaml")))
    return next(value for value in dict(shipped).values() if isinstance(value, kind))


def _own(presets: str) -> dict[str, Preset]:
    from merflow.presets.own import parse_own

    return parse_own(presets, where="presets")


@saying_errors()
def plan(
    models: Sequence[str], *, splits_params: str, features_params: str, plan_params: str, presets: str = ""
) -> tuple[list[str], bool]:
    """As :func:`merflow.jobs.variants.plan`, and whether one of the models reads video."""
    from merflow.jobs import variants

    own = _own(presets)
    items = variants.plan(
        models,
        protocol=_section(SplitParams, splits_params).protocol,
        profile=_section(FeatureParams, features_params).profile,
        seeds=_section(PlanParams, plan_params).seeds,
        own=own,
    )
    return items, variants.read_video(models, own)


@saying_errors()
def index(*, corpus: str, root: str, size: str, video: bool, workspace: str, params: str, manifest: str) -> None:
    """As :func:`merflow.jobs.index.index`; a synthetic corpus without root is generated first."""
    from merflow.jobs.index import index as job
    from merflow.jobs.source import Source

    source = Source(corpus, Path(root) if root else None, size)
    place = source.place(Workspace(Path(workspace)), video=video)
    job(place, corpus=corpus, out=Path(manifest), params=_section(CorpusParams, params))


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
        params=_section(CorpusParams, params),
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
        params=_section(TranscriptionParams, params),
        corpus=_section(CorpusParams, corpus_params),
    )
    Path(summary).write_bytes(Path(report).with_suffix(".md").read_bytes())


@saying_errors()
def split(*, manifest: str, params: str, splits: str, summary: str) -> None:
    """As :func:`merflow.jobs.split.split`."""
    from merflow.jobs.split import split as job

    job(Path(manifest), out=Path(splits), params=_section(SplitParams, params))
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
    from merflow.features.quarantine import quarantine_beside, read_quarantine
    from merflow.jobs.extract import extract as job

    written = job(
        Path(manifest),
        variants=models,
        store=Workspace(Path(workspace)).store,
        out=Path(features),
        params=_section(FeatureParams, params),
        corpus=_section(CorpusParams, corpus_params),
        own=_own(presets),
    )
    return len(read_quarantine(quarantine_beside(written)))


@saying_errors()
def track(
    *,
    manifest: str,
    splits: str,
    features: str,
    models: Sequence[str],
    name: str,
    workspace: str,
    training_params: str,
    plan_params: str,
    params: str,
    run: str,
) -> None:
    """As :func:`merflow.jobs.tracking.open_run`."""
    from merflow.jobs.tracking import open_run

    open_run(
        Path(manifest),
        splits=Path(splits),
        features=Path(features),
        variants=models,
        name=name,
        workspace=Workspace(Path(workspace)),
        out=Path(run),
        training=_section(TrainingParams, training_params),
        seeds=_section(PlanParams, plan_params).seeds,
        params=_section(TrackingParams, params),
    )


@saying_errors()
def train(
    item: str,
    *,
    manifest: str,
    splits: str,
    features: str,
    run: str,
    workspace: str,
    params: str,
    fold: str,
    metrics: str,
    summary: str,
    presets: str = "",
) -> dict[str, Any]:
    """As :func:`merflow.jobs.train.train`; returns and writes the development figures of the chosen epoch.

    ``summary`` is Markdown about the fold.
    """
    from merflow.evaluation.fold_page import fold_markdown
    from merflow.jobs.folds import read_facts, read_history
    from merflow.jobs.train import train as job

    folder = job(
        item,
        manifest=Path(manifest),
        splits=Path(splits),
        features=Path(features),
        out=Path(fold),
        checkpoints=Workspace(Path(workspace)).checkpoints,
        params=_section(TrainingParams, params),
        run=Path(run),
        own=_own(presets),
    )
    facts = read_facts(folder)
    Path(summary).write_text(fold_markdown(facts, read_history(folder)), encoding="utf-8")
    figures = _readable(facts["development"])
    write_json(Path(metrics), figures)
    return figures


@saying_errors()
def evaluate(
    *,
    folds: Sequence[str],
    manifest: str,
    splits: str,
    run: str,
    name: str,
    command: str,
    params: str,
    results: str,
    report: str,
    metrics: str,
    confusion: str,
    tables: str,
    presets: str = "",
) -> dict[str, Any]:
    """As :func:`merflow.jobs.evaluate.evaluate`; ``tables`` is Markdown.

    Returns:
        What is also written: ``metrics``, figures of each variant; ``confusion``, that of the ``best`` variant, counts
        with the true class in rows, and its ``classes``.
    """
    from merflow.evaluation.results import ranked
    from merflow.evaluation.tables import markdown_tables
    from merflow.jobs.evaluate import evaluate as job
    from merflow.presets import catalogue

    summary = job(
        [Path(folder) for folder in folds],
        manifest=Path(manifest),
        splits=Path(splits),
        results=Path(results),
        report=Path(report),
        name=name,
        command=command,
        params=_section(EvaluationParams, params),
        run=Path(run),
        own=_own(presets),
    )
    Path(tables).write_text(markdown_tables(summary, papers=catalogue.published_tables()), encoding="utf-8")
    figures = {
        f"{variant} {name}": value
        for variant, entry in summary["variants"].items()
        for name, value in (
            ("UA", entry["UA"]["pooled"]),
            ("WA", entry["WA"]["pooled"]),
            ("macro F1", entry["macro_f1"]),
        )
    }
    best = ranked(summary)[0]
    shown = {
        "metrics": _readable(figures),
        "best": best,
        "classes": summary["classes"],
        "confusion": summary["variants"][best]["confusion"],
    }
    write_json(Path(metrics), shown["metrics"])
    write_json(Path(confusion), {name: shown[name] for name in ("best", "classes", "confusion")})
    return shown


@saying_errors()
def search(
    models: Sequence[str],
    *,
    manifest: str,
    splits: str,
    features: str,
    name: str,
    workspace: str,
    training_params: str,
    tracking_params: str,
    params: str,
    search: str,
    run: str,
) -> list[str]:
    """As :func:`merflow.jobs.tune.open_search`, of the one variant in ``models``; returns an item a worker."""
    from merflow.jobs.data import Data
    from merflow.jobs.tune import open_search

    if len(models) != 1:
        raise TuningError(f"one variant is tuned at a time, {len(models)} are given: {', '.join(models)}")
    tuning = _section(TuningParams, params)
    open_search(
        models[0],
        Data(Path(manifest), Path(splits), Path(features)),
        workspace=Workspace(Path(workspace)),
        out=Path(search),
        run=Path(run),
        study=name,
        params=tuning,
        training=_section(TrainingParams, training_params),
        tracking=_section(TrackingParams, tracking_params),
    )
    return [str(worker) for worker in range(tuning.workers)]


@saying_errors()
def tune(
    worker: str, *, manifest: str, splits: str, features: str, search: str, run: str, workspace: str, tried: str
) -> None:
    """As :func:`merflow.jobs.trials.try_values`; ``tried`` says how many trials were tried here."""
    from merflow.jobs.data import Data
    from merflow.jobs.trials import try_values

    count = try_values(
        Path(search),
        Data(Path(manifest), Path(splits), Path(features)),
        checkpoints=Workspace(Path(workspace)).trials,
        run=Path(run),
        worker=int(worker),
    )
    write_json(Path(tried), {"worker": int(worker), "trials": count})


@saying_errors()
def choose(
    *,
    manifest: str,
    splits: str,
    features: str,
    search: str,
    run: str,
    preset: str,
    summary: str,
    presets: str,
    page: str,
    metrics: str,
) -> dict[str, Any]:
    """As :func:`merflow.jobs.tune.choose`; returns and writes the best trial's figures beside the preset's own."""
    from merflow.jobs.data import Data
    from merflow.jobs.tune import PAGE, PRESETS, SUMMARY
    from merflow.jobs.tune import choose as job

    data = Data(Path(manifest), Path(splits), Path(features))
    with TemporaryDirectory() as scratch:
        found = job(Path(search), data, out=Path(scratch), name=preset, run=Path(run))
        for name, place in ((SUMMARY, summary), (PRESETS, presets), (PAGE, page)):
            Path(place).write_bytes((Path(scratch) / name).read_bytes())
    figures = {"tuned dev UA": found["best"]["dev_UA"]}
    figures |= {"own dev UA": found["own"]["dev_UA"]} if found["own"] else {}
    write_json(Path(metrics), figures)
    return figures


def _readable(figures: Mapping[str, float]) -> dict[str, float]:
    """To four digits after the point, as KFP's page shows what it is given."""
    return {name: round(value, 4) for name, value in figures.items()}
