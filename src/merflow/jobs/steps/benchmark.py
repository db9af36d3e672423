"""Steps from features to compared, tracked models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merflow.contracts.progress import saying_errors
from merflow.contracts.requests import (
    ClassicsRequest,
    EvaluateRequest,
    ListFoldsRequest,
    TrackRequest,
    TrainRequest,
)
from merflow.errors import PipelineError
from merflow.jobs.steps.preparation import parsed_presets
from merflow.runs.workspace import Workspace
from merflow.storage.local import write_json


@saying_errors()
def plan_benchmark(*, command: str, **settings: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as RunSettings
    """Run :func:`merflow.jobs.plan.plan_benchmark` on the fields of ``RunSettings``.

    Returns:
        The requests of index, validate, transcribe, split, extract, list_folds, classics, track and evaluate, as JSON.
    """
    from merflow.jobs.plan import plan_benchmark as job
    from merflow.jobs.run_settings import RunSettings

    plan = job(RunSettings(**settings), command=command)
    return (
        *plan.preparation.to_json(),
        plan.list_folds.to_json(),
        plan.classics.to_json(),
        plan.track.to_json(),
        plan.evaluate.to_json(),
    )


@saying_errors()
def list_folds(request: str, *, manifest: str, splits: str, features: str, run: str) -> list[str]:
    """Run :func:`merflow.jobs.list_folds.list_folds`; return the paths of the requests of training, one per fold."""
    from merflow.jobs.list_folds import list_folds as job

    paths = job(
        ListFoldsRequest.from_json(request),
        manifest=Path(manifest),
        splits=Path(splits),
        features=Path(features),
        run=Path(run),
    )
    return [str(path) for path in paths]


@saying_errors()
def classics(request: str, *, manifest: str, splits: str, features: str, classics: str) -> int:
    """Run :func:`merflow.jobs.classics.classics`; return the number of classics."""
    from merflow.jobs.classics import classics as job

    parsed = ClassicsRequest.from_json(request)
    records = job(
        Path(manifest),
        splits=Path(splits),
        out=Path(classics),
        cache=Workspace(Path(parsed.workspace)).functionals,
        params=parsed.params,
        corpus=parsed.corpus,
        transcripts=parsed.transcripts,
        features=Path(features),
    )
    return len(records)


@saying_errors()
def track(request: str, *, manifest: str, splits: str, features: str, run: str, summary: str) -> None:
    """Run :func:`merflow.jobs.track.track`; ``summary`` is Markdown with a link to the run."""
    from merflow.contracts.tracked_run import read_tracked_run
    from merflow.evaluation.report.run_link import run_markdown
    from merflow.jobs.track import track as job

    parsed = TrackRequest.from_json(request)
    job(
        Path(manifest),
        splits=Path(splits),
        features=Path(features),
        variants=parsed.variants,
        name=parsed.name,
        workspace=Workspace(Path(parsed.workspace)),
        out=Path(run),
        training=parsed.training,
        seeds=parsed.seeds,
        params=parsed.params,
        dvc=parsed.dvc,
    )
    Path(summary).write_text(run_markdown(read_tracked_run(Path(run))), encoding="utf-8")


@saying_errors()
def train(request: str, *, metrics: str, summary: str) -> tuple[str, dict[str, Any]]:
    """Run :func:`merflow.jobs.train.train` into the workspace.

    Args:
        request: Path of the request.
        metrics: File for the development figures of the chosen epoch.
        summary: File for Markdown about the fold.

    Returns:
        The name of the fold's folder in the workspace, its fingerprint and that of its data, and the figures.
    """
    from merflow.contracts.history import read_history
    from merflow.contracts.tracked_run import read_tracked_run
    from merflow.evaluation.report.fold_page import fold_markdown
    from merflow.evaluation.report.run_link import run_markdown
    from merflow.folds.inputs import FoldInputs
    from merflow.jobs.train import train as job
    from merflow.runs.fold_folder import read_record

    parsed = _request_in(Path(request))
    workspace, user_presets = Workspace(Path(parsed.workspace)), parsed_presets(parsed.presets)
    manifest, splits, features = Path(parsed.manifest), Path(parsed.splits), Path(parsed.features)
    planned = FoldInputs.read(
        parsed.fold,
        manifest=manifest,
        splits=splits,
        features=features,
        params=parsed.params,
        user_presets=user_presets,
    )
    name = f"{planned.fingerprint}-{parsed.data}"
    folder = job(
        parsed.fold,
        manifest=manifest,
        splits=splits,
        features=features,
        out=workspace.trained(name),
        checkpoints=workspace.checkpoints / parsed.data,
        params=parsed.params,
        run=Path(parsed.run),
        user_presets=user_presets,
    )
    record = read_record(folder)
    text = f"{fold_markdown(record, read_history(folder))}\n{run_markdown(read_tracked_run(Path(parsed.run)))}"
    Path(summary).write_text(text, encoding="utf-8")
    chosen = record.chosen
    figures = _rounded({"best_epoch": chosen.epoch, "dev_ua": chosen.dev_ua, "dev_loss": chosen.dev_loss})
    write_json(Path(metrics), figures)
    return name, figures


def _request_in(path: Path) -> TrainRequest:
    if not path.is_file():
        raise PipelineError(f"{path} is missing; run the whole pipeline again, which writes it into the workspace")
    return TrainRequest.from_json(path.read_text(encoding="utf-8"))


@saying_errors()
def evaluate(
    request: str,
    *,
    folds: Sequence[str],
    manifest: str,
    splits: str,
    run: str,
    classics: str,
    results: str,
    report: str,
    metrics: str,
    confusion: str,
    tables: str,
) -> dict[str, Any]:
    """Run :func:`merflow.jobs.evaluate.evaluate`; ``folds`` are fingerprints, ``tables`` is Markdown.

    Returns:
        ``metrics``, the figures of each variant; ``best``, the best variant; its ``confusion`` in counts, true classes
        in rows; and the ``classes``. The same is written to the files of these names.
    """
    from merflow.contracts.tracked_run import read_tracked_run
    from merflow.evaluation.report.run_link import run_markdown
    from merflow.evaluation.report.table_files import markdown_tables
    from merflow.jobs.evaluate import evaluate as job
    from merflow.presets import catalogue

    parsed = EvaluateRequest.from_json(request)
    workspace = Workspace(Path(parsed.workspace))
    summary = job(
        [workspace.trained(fold) for fold in folds],
        manifest=Path(manifest),
        splits=Path(splits),
        results=Path(results),
        report=Path(report),
        name=parsed.name,
        command=parsed.command,
        params=parsed.params,
        run=Path(run),
        classics=Path(classics),
    )
    text = (
        f"{run_markdown(read_tracked_run(Path(run)))}\n{markdown_tables(summary, papers=catalogue.published_tables())}"
    )
    Path(tables).write_text(text, encoding="utf-8")
    figures = {
        f"{name} {figure}": value
        for name, variant in summary.variants.items()
        for figure, value in (
            ("UA", variant.ua.pooled),
            ("WA", variant.wa.pooled),
            ("macro F1", variant.macro_f1),
        )
    }
    shown = {
        "metrics": _rounded(figures),
        "best": summary.best,
        "classes": list(summary.classes),
        "confusion": [list(row) for row in summary.variants[summary.best].confusion],
    }
    write_json(Path(metrics), shown["metrics"])
    write_json(Path(confusion), {name: shown[name] for name in ("best", "classes", "confusion")})
    return shown


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Return figures with four decimals, for KFP's page, which shows all that it is given."""
    return {name: round(value, 4) for name, value in figures.items()}
