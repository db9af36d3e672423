"""Steps from features to a variant's best parameters."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from merflow.contracts.progress import saying_errors
from merflow.contracts.requests import ChoiceRequest, StudyRequest, TrialsRequest
from merflow.jobs.steps.fold_files import fetch_inputs, trying
from merflow.jobs.steps.preparation import fetch_planned
from merflow.jobs.steps.shared_files import SharedFiles
from merflow.runs.data import Data
from merflow.runs.workspace import Workspace
from merflow.storage.local import digest, write_json


@saying_errors()
def plan_tuning(*, preset: str, **settings: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as RunSettings
    """Run :func:`merflow.jobs.plan.plan_tuning` on the fields of ``RunSettings``.

    Returns:
        The requests of the workers, one for each, and then those of index, validate, transcribe, split, extract, the
        study and the choice; all as JSON.
    """
    from merflow.jobs.plan import plan_tuning as job
    from merflow.jobs.run_settings import RunSettings

    run = RunSettings(**settings)
    fetch_planned(run)
    plan = job(run, preset=preset)
    workers = [request.to_json() for request in plan.trials]
    return (workers, *plan.preparation.to_json(), plan.study.to_json(), plan.choice.to_json())


@saying_errors()
def open_study(request: str, *, manifest: str, splits: str, features: str, study: str, run: str) -> None:
    """Run :func:`merflow.jobs.tune.open_search`."""
    from merflow.jobs.tune import open_search

    parsed = StudyRequest.from_json(request)
    open_search(
        parsed.variant,
        Data(Path(manifest), Path(splits), Path(features)),
        workspace=Workspace(Path(parsed.workspace)),
        out=Path(study),
        run=Path(run),
        study=parsed.name,
        params=parsed.params,
        training=parsed.training,
        tracking=parsed.tracking,
    )


@saying_errors()
def run_trials(request: str, *, manifest: str, splits: str, features: str, study: str, run: str) -> str:
    """Run :func:`merflow.jobs.trials.run_trials`; return the worker and how many trials it ran, as JSON."""
    from merflow.jobs.trials import run_trials as job
    from merflow.tuning.search import Search

    parsed = TrialsRequest.from_json(request)
    shared, data = SharedFiles(Path(parsed.workspace)), Data(Path(manifest), Path(splits), Path(features))
    search = Search.load(Path(study), data)
    fetch_inputs(search.first, data, shared, folds=search.subject.folds)
    trials = shared.workspace.trials / digest([search.location.url, search.location.name])
    with trying(trials, shared):
        count = job(Path(study), data, checkpoints=trials, run=Path(run), worker=parsed.worker)
    return json.dumps({"worker": parsed.worker, "trials": count})


@saying_errors()
def choose_trial(
    request: str,
    *,
    manifest: str,
    splits: str,
    features: str,
    study: str,
    run: str,
    summary: str,
    presets: str,
    page: str,
    metrics: str,
) -> dict[str, Any]:
    """Run :func:`merflow.jobs.tune.choose`; return and write the figures with and without tuning."""
    from merflow.jobs.tune import PAGE, PRESETS, SUMMARY
    from merflow.jobs.tune import choose as job

    data = Data(Path(manifest), Path(splits), Path(features))
    with TemporaryDirectory() as scratch:
        results = job(Path(study), data, out=Path(scratch), name=ChoiceRequest.from_json(request).preset, run=Path(run))
        for name, path in ((SUMMARY, summary), (PRESETS, presets), (PAGE, page)):
            Path(path).write_bytes((Path(scratch) / name).read_bytes())
    name = f"dev {results.subject.figure}"
    figures = {f"tuned {name}": results.best.figure}
    figures |= {f"untuned {name}": results.untuned.figure} if results.untuned else {}
    write_json(Path(metrics), figures)
    return figures
