"""From features to compared, tracked models."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from merflow.contracts.params import EvaluationParams, PlanParams, TrackingParams, TrainingParams
from merflow.contracts.progress import saying_errors
from merflow.jobs.steps.sections import parsed_presets, section
from merflow.runs.workspace import Workspace
from merflow.storage.local import write_json


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
    """Run :func:`merflow.jobs.track.track`."""
    from merflow.jobs.track import track as job

    job(
        Path(manifest),
        splits=Path(splits),
        features=Path(features),
        variants=models,
        name=name,
        workspace=Workspace(Path(workspace)),
        out=Path(run),
        training=section(TrainingParams, training_params),
        seeds=section(PlanParams, plan_params).seeds,
        params=section(TrackingParams, params),
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
    from merflow.contracts.history import read_history
    from merflow.evaluation.report.fold_page import fold_markdown
    from merflow.jobs.train import train as job
    from merflow.runs.fold_folder import read_record

    folder = job(
        item,
        manifest=Path(manifest),
        splits=Path(splits),
        features=Path(features),
        out=Path(fold),
        checkpoints=Workspace(Path(workspace)).checkpoints,
        params=section(TrainingParams, params),
        run=Path(run),
        user_presets=parsed_presets(presets),
    )
    record = read_record(folder)
    Path(summary).write_text(fold_markdown(record, read_history(folder)), encoding="utf-8")
    chosen = record.chosen
    figures = _readable({"best_epoch": chosen.epoch, "dev_ua": chosen.dev_ua, "dev_loss": chosen.dev_loss})
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
    from merflow.evaluation.report.tables import markdown_tables
    from merflow.evaluation.results import ranked
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
        params=section(EvaluationParams, params),
        run=Path(run),
        user_presets=parsed_presets(presets),
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


def _readable(figures: Mapping[str, float]) -> dict[str, float]:
    """To four digits after the point, as KFP's page shows what it is given."""
    return {name: round(value, 4) for name, value in figures.items()}
