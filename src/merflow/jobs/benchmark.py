"""The whole way from a corpus to a report as plain jobs, without KFP; the same jobs, so the same numbers."""

import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from merflow.contracts.params import Params, TrainingParams
from merflow.jobs.evaluate import evaluate
from merflow.jobs.extract import extract
from merflow.jobs.index import index
from merflow.jobs.progress import Progress
from merflow.jobs.source import Source
from merflow.jobs.split import split
from merflow.jobs.tracking import open_run
from merflow.jobs.train import train
from merflow.jobs.validate import validate
from merflow.jobs.variants import parse_item, plan
from merflow.jobs.workspace import Workspace


def benchmark(
    source: Source,
    *,
    variants: Sequence[str],
    out: Path,
    params: Params,
    name: str,
    command: str,
    quarantine: bool = False,
    workers: int = 1,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Index, validate, split, extract, train every fold, evaluate; everything below ``out``.

    What an earlier call with the same inputs finished is kept.

    Args:
        source: The corpus.
        variants: ``model:preset`` each.
        out: Folder of the benchmark.
        params: All parameters.
        name: Name of the run in MLflow and in the report.
        command: What reproduces the run, for the report.
        quarantine: Set bad rows aside instead of failing.
        workers: Folds that train at a time, each in its own process.
        progress: Told of every stage.

    Raises:
        MerflowError: As the jobs raise.
    """
    workspace = Workspace(out)
    items = plan(variants, protocol=params.splits.protocol, profile=params.features.profile)
    manifest, splits, features, run = (
        out / name for name in ("manifest.parquet", "splits.parquet", "features.json", "run.json")
    )
    root = source.place(workspace, progress=progress)
    index(root, corpus=source.corpus, out=out / "all.parquet", params=params.corpus)
    validate(
        out / "all.parquet",
        out=manifest,
        summary=out / "validation.html",
        docs=out / "validation",
        quarantine=out / "quarantine.csv" if quarantine else None,
        params=params.corpus,
        progress=progress,
    )
    split(manifest, out=splits, params=params.splits)
    extract(manifest, variants=variants, store=workspace.store, out=features, params=params.features, progress=progress)
    open_run(
        manifest, splits=splits, variants=variants, name=name, workspace=workspace, out=run, params=params.tracking
    )
    shared: dict[str, Any] = {"manifest": manifest, "splits": splits, "features": features, "run": run}
    trained = _train_all(
        items, workspace=workspace, shared=shared, params=params.training, workers=workers, progress=progress
    )
    return evaluate(
        trained,
        manifest=manifest,
        splits=splits,
        results=out / "results.json",
        report=out / "report.html",
        name=name,
        command=command,
        params=params.evaluation,
        run=run,
    )


def _train_all(
    items: Sequence[str],
    *,
    workspace: Workspace,
    shared: dict[str, Any],
    params: TrainingParams,
    workers: int,
    progress: Progress | None,
) -> list[Path]:
    """The fold folders in the order of the items; a fold that fails stops those that have not begun."""
    folders = [_folder(workspace, item) for item in items]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_interrupts_to_the_parent) as pool:
        futures = [
            pool.submit(train, item, out=folder, checkpoints=workspace.checkpoints, params=params, **shared)
            for item, folder in zip(items, folders, strict=True)
        ]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                if progress is not None:
                    progress("train folds", done, len(items))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    return folders


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _folder(workspace: Workspace, item: str) -> Path:
    variant, fold = parse_item(item)
    model, _, preset = variant.partition(":")
    return workspace.root / "folds" / model / preset / f"fold-{fold}"
