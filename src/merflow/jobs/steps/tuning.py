"""From features to a variant's best parameters."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from merflow.contracts.params import TrackingParams, TrainingParams, TuningParams
from merflow.contracts.passwords import masked, without_password
from merflow.contracts.progress import saying_errors
from merflow.errors import TuningError
from merflow.jobs.steps.sections import section
from merflow.runs.data import Data
from merflow.runs.workspace import Workspace
from merflow.storage.local import write_json


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
    from merflow.jobs.tune import open_search

    if len(models) != 1:
        raise TuningError(f"one variant is tuned at a time, {len(models)} are given: {', '.join(models)}")
    tuning = section(TuningParams, params)
    refuse_password(tuning)
    open_search(
        models[0],
        Data(Path(manifest), Path(splits), Path(features)),
        workspace=Workspace(Path(workspace)),
        out=Path(search),
        run=Path(run),
        study=name,
        params=tuning,
        training=section(TrainingParams, training_params),
        tracking=section(TrackingParams, tracking_params),
    )
    return [str(worker) for worker in range(tuning.workers)]


def refuse_password(params: TuningParams) -> None:
    """A pipeline's parameters are kept and shown by whatever runs it, and its steps do not hand passwords on.

    Raises:
        TuningError: The storage's URL has a password.
    """
    if without_password(params.storage)[1] is not None:
        raise TuningError(
            f"tuning.storage {masked(params.storage)!r} has a password, which a pipeline would keep among its "
            "parameters; leave it out, and give it to every step in PGPASSWORD or ~/.pgpass"
        )


@saying_errors()
def tune(
    worker: str, *, manifest: str, splits: str, features: str, search: str, run: str, workspace: str, tried: str
) -> None:
    """As :func:`merflow.jobs.trials.run_trials`; ``tried`` says how many trials were tried here."""
    from merflow.jobs.trials import run_trials

    count = run_trials(
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
    from merflow.jobs.tune import PAGE, PRESETS, SUMMARY
    from merflow.jobs.tune import choose as job

    data = Data(Path(manifest), Path(splits), Path(features))
    with TemporaryDirectory() as scratch:
        results = job(Path(search), data, out=Path(scratch), name=preset, run=Path(run))
        for name, place in ((SUMMARY, summary), (PRESETS, presets), (PAGE, page)):
            Path(place).write_bytes((Path(scratch) / name).read_bytes())
    figures = {"tuned dev UA": results.best.dev_ua}
    figures |= {"own dev UA": results.untuned.dev_ua} if results.untuned else {}
    write_json(Path(metrics), figures)
    return figures
