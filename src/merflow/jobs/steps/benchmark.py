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
from merflow.contracts.score_results import AnyResults, ScoreResults
from merflow.errors import PipelineError
from merflow.jobs.steps.corpus_files import fetch_recordings
from merflow.jobs.steps.feature_files import fetch_indices
from merflow.jobs.steps.fold_files import (
    fetch_evaluated,
    fetch_fold,
    fetch_inputs,
    mirror_remembered,
    remembered_files,
    training,
)
from merflow.jobs.steps.preparation import fetch_planned, parsed_presets
from merflow.jobs.steps.shared_files import SharedFiles
from merflow.runs.data import Data
from merflow.runs.workspace import workspace_of
from merflow.storage.local import write_json


@saying_errors()
def plan_benchmark(*, command: str, **settings: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as RunSettings
    """Run :func:`merflow.jobs.plan.plan_benchmark` on the fields of ``RunSettings``.

    Returns:
        The requests of index, validate, transcribe, split, extract, list_folds, classics, track and evaluate, as JSON.
    """
    from merflow.jobs.plan import plan_benchmark as job
    from merflow.jobs.run_settings import RunSettings

    run = RunSettings(**settings)
    fetch_planned(run)
    plan = job(run, command=command)
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
    from merflow.jobs.list_folds import run_file

    parsed = ListFoldsRequest.from_json(request)
    shared = SharedFiles(Path(parsed.workspace))
    fetch_indices(Path(features), shared)
    shared.agree_on_identity()
    paths = job(
        parsed,
        manifest=Path(manifest),
        splits=Path(splits),
        features=Path(features),
        run=Path(run),
    )
    shared.upload(shared.workspace.inputs.glob("*"), immutable=True)
    shared.upload([run_file(Path(run), shared.workspace)], immutable=False)
    shared.upload(paths, immutable=True)
    return [str(path) for path in paths]


@saying_errors()
def classics(request: str, *, manifest: str, splits: str, features: str, classics: str) -> int:
    """Run :func:`merflow.jobs.classics.classics`; return the number of classics."""
    from merflow.jobs.classics import classics as job

    parsed = ClassicsRequest.from_json(request)
    shared = SharedFiles(Path(parsed.workspace))
    functionals = shared.workspace.functionals
    fetch_recordings(Path(manifest), shared, video=False)
    shared.fetch_below(functionals)
    with shared.uploading(lambda: functionals.rglob("*.parquet"), immutable=True):
        records = job(
            Path(manifest),
            splits=Path(splits),
            out=Path(classics),
            cache=functionals,
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
    shared = SharedFiles(Path(parsed.workspace))
    job(
        Path(manifest),
        splits=Path(splits),
        features=Path(features),
        variants=parsed.variants,
        name=parsed.name,
        workspace=shared.workspace,
        out=Path(run),
        training=parsed.training,
        seeds=parsed.seeds,
        params=parsed.params,
        dvc=parsed.dvc,
    )
    shared.upload(remembered_files(Path(run)), immutable=False)
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

    shared = SharedFiles(workspace_of(Path(request)))
    shared.fetch(Path(request))
    parsed = _request_in(Path(request))
    workspace, user_presets = shared.workspace, parsed_presets(parsed.presets)
    manifest, splits, features, run = map(Path, (parsed.manifest, parsed.splits, parsed.features, parsed.run))
    shared.fetch(manifest, splits, features)
    shared.fetch(run, immutable=False)
    planned = FoldInputs.read(
        parsed.fold,
        manifest=manifest,
        splits=splits,
        features=features,
        params=parsed.params,
        user_presets=user_presets,
    )
    name = f"{planned.fingerprint}-{parsed.data}"
    folder, checkpoints = workspace.trained(name), workspace.checkpoints / parsed.data
    if not fetch_fold(folder, shared, weights=False):
        fetch_inputs(planned, Data(manifest, splits, features), shared, folds={planned.fold})
    with training(checkpoints / planned.fingerprint, shared, folder):
        job(
            parsed.fold,
            manifest=manifest,
            splits=splits,
            features=features,
            out=folder,
            checkpoints=checkpoints,
            params=parsed.params,
            run=run,
            user_presets=user_presets,
        )
    shared.upload(remembered_files(run), immutable=False)
    record = read_record(folder)
    text = f"{fold_markdown(record, read_history(folder))}\n{run_markdown(read_tracked_run(run))}"
    Path(summary).write_text(text, encoding="utf-8")
    chosen = record.chosen
    figures = _rounded({"best_epoch": chosen.epoch, **chosen.figures})
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
        in rows; and the ``classes``. The same is written to the files of these names. Scores have no confusion: both
        are empty, and their file names the best variant alone.
    """
    from merflow.contracts.tracked_run import read_tracked_run
    from merflow.evaluation.report.run_link import run_markdown
    from merflow.evaluation.report.table_files import markdown_tables
    from merflow.jobs.evaluate import evaluate as job
    from merflow.presets import catalogue

    parsed = EvaluateRequest.from_json(request)
    shared = SharedFiles(Path(parsed.workspace))
    trained = [shared.workspace.trained(fold) for fold in folds]
    fetch_evaluated(trained, shared, run=Path(run))
    summary = job(
        trained,
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
    mirror_remembered(shared, run=Path(run))
    compared = markdown_tables(summary, papers=catalogue.published_tables())
    Path(tables).write_text(f"{run_markdown(read_tracked_run(Path(run)))}\n{compared}", encoding="utf-8")
    shown = {"metrics": _rounded(_figures(summary)), "best": summary.best, **_confusion(summary)}
    write_json(Path(metrics), shown["metrics"])
    write_json(Path(confusion), {name: shown[name] for name in ("best", "classes", "confusion") if shown[name]})
    return shown


def _figures(summary: AnyResults) -> dict[str, float]:
    """Return the main figures of every variant, by variant and name."""
    from merflow.evaluation.report.plot_data import headline

    if isinstance(summary, ScoreResults):
        return {f"{name} {figure}": value for name, own in headline(summary).items() for figure, value in own.items()}
    return {
        f"{name} {figure}": value
        for name, variant in summary.variants.items()
        for figure, value in (
            ("UA", variant.ua.pooled),
            ("WA", variant.wa.pooled),
            ("macro F1", variant.macro_f1),
        )
    }


def _confusion(summary: AnyResults) -> dict[str, list[Any]]:
    """Return classes and confusion counts of the best variant; both empty if labels are scores."""
    if isinstance(summary, ScoreResults):
        return {"classes": [], "confusion": []}
    counts = summary.variants[summary.best].confusion
    return {"classes": list(summary.classes), "confusion": [list(row) for row in counts]}


def _rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Return figures with four decimals, for KFP's page, which shows all that it is given."""
    return {name: round(value, 4) for name, value in figures.items()}
