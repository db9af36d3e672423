"""Best parameters of a variant: opens a study, runs workers on it, and writes what they found."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from merflow.contracts.params import TrackingParams, TrainingParams, TuningParams
from merflow.contracts.passwords import without_password
from merflow.contracts.presets import parse_variant
from merflow.contracts.processes import side_by_side
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.contracts.study import StudyResults, write_study_results
from merflow.errors import TuningError
from merflow.inference.devices import gpus, processes_at_once
from merflow.jobs.study_tracking import begin_study_run, log_study
from merflow.jobs.trials import run_trials
from merflow.presets.user_presets import UserPreset, user_preset_name, write_user_presets
from merflow.runs.data import Data
from merflow.runs.provenance import git_commit
from merflow.runs.workspace import Workspace
from merflow.storage.local import replacing
from merflow.tuning.figures import write_figures, write_page
from merflow.tuning.outcome import Outcome
from merflow.tuning.search import Search
from merflow.tuning.study import StudyLocation, create_study, open_study
from merflow.tuning.worker import finished

SEARCH, RUN, SUMMARY, PRESETS = "search.json", "run.json", "study.json", "presets.yaml"
TABLE, PAGE, FIGURES = "trials.csv", "study.html", "figures"


def tune(
    variant: str,
    data: Data,
    *,
    out: Path,
    study: str,
    name: str,
    params: TuningParams,
    training: TrainingParams,
    tracking: TrackingParams,
    progress: Progress | None = None,
) -> StudyResults:
    """Search with several processes on this machine, and write what they find below ``out``; see :func:`choose`.

    The same call continues a study that was interrupted, and with more trials one that was finished.

    Args:
        variant: ``model:preset``.
        data: The files that folds are trained on.
        out: Folder of the study.
        study: The study's name in its database.
        name: Name of the preset that the best trial becomes; see :func:`choose`.
        params: Trials, folds, workers and storage.
        training: Training parameters of the trials.
        tracking: Location of MLflow.
        progress: Called with the number of finished trials.

    Raises:
        PresetError: merflow ships a preset of that name; this is checked before the first trial.
        MerflowError: Raised by :func:`open_search`, :func:`merflow.jobs.trials.run_trials` or :func:`choose`.
    """
    made_from(variant, name=name)
    workspace, search, run = Workspace(out), out / SEARCH, out / RUN
    password = without_password(params.storage)[1]
    open_search(
        variant,
        data,
        workspace=workspace,
        out=search,
        run=run,
        study=study,
        params=params,
        training=training,
        tracking=tracking,
    )
    _work_side_by_side(search, data, run=run, out=out, password=password, progress=progress)
    return choose(search, data, out=out, name=name, run=run, password=password)


def open_search(
    variant: str,
    data: Data,
    *,
    workspace: Workspace,
    out: Path,
    run: Path,
    study: str,
    params: TuningParams,
    training: TrainingParams,
    tracking: TrackingParams,
) -> Path:
    """Create the study and its run in MLflow, or find those of an earlier attempt, and write ``out`` and ``run``.

    Call this once, before any worker starts: two processes must not create a database's tables at the same time.

    Raises:
        PresetError: The variant is unknown.
        TuningError: The model has no search space, the database cannot be reached, or its study of this name has
            another subject.
        TrackingError: MLflow is not installed, or ``tracking.uri`` is not a valid location.
        OutputError: A file cannot be written.
    """
    location = StudyLocation.of(params.storage, folder=workspace.root, name=study)
    search = Search.of(variant, data, location=location, params=params, training=training)
    subject = search.subject.model_dump(mode="json")
    opened = create_study(location, subject=subject, first=search.space.defaults(), params=params)
    search.save(out)
    begin_study_run(search, out=run, workspace=workspace, params=tracking)
    say(f"tune {variant}: {location}, {finished(opened)} of {params.trials} trial(s) are finished")
    return out


def choose(
    search: Path, data: Data, *, out: Path, name: str, run: Path | None = None, password: str | None = None
) -> StudyResults:
    """Turn the study's best trial into a preset, and write the outcome.

    ``presets.yaml`` is for ``--presets`` of other commands. ``study.json`` holds the outcome and ``trials.csv`` all
    trials. ``study.html`` is a page with figures that works offline; ``figures/`` has the same figures as PNG.

    Args:
        search: The file that :func:`open_search` wrote.
        data: The files that the search was opened with.
        out: Folder for all files.
        name: Name of the preset, without its model; if empty, the base's name followed by ``-tuned``.
        run: The study's run in MLflow; None tracks nothing.
        password: Password of the study's database; see :class:`merflow.tuning.study.StudyLocation`.

    Returns:
        The content of ``study.json``.

    Raises:
        TuningError: No trial is complete, or the study has another subject.
        PresetError: merflow ships a preset of that name.
        OutputError: ``out`` cannot be written.
    """
    opened = Search.load(search, data, password=password)
    study = open_study(opened.location, subject=opened.subject.model_dump(mode="json"), params=opened.params)
    outcome = Outcome.of(study, seed=opened.params.seed)
    preset = made_from(opened.subject.variant, name=name)
    results = outcome.results(opened.subject, preset=preset)
    write_user_presets(out / PRESETS, {preset: _entry(opened, results)})
    with replacing(out / TABLE) as part:
        outcome.table(figure=results.subject.figure).to_csv(part, index=False)
    write_page(study, out / PAGE, results=results)
    figures = write_figures(study, out / FIGURES, results=results)
    write_study_results(out / SUMMARY, results)
    if run is not None:
        files = [out / name for name in (PRESETS, TABLE, PAGE, SUMMARY)]
        log_study(run, outcome, results=results, files=[*files, *figures])
    say(f"tune {opened.subject.variant}: {_conclusion(results)}; the best trial is now preset {preset}")
    return results


def made_from(variant: str, *, name: str) -> str:
    """Return the variant that a study's best trial becomes; an empty name means the base's name and ``-tuned``.

    Raises:
        PresetError: The name does not have the right form, or merflow ships a preset of that name.
    """
    model, preset = parse_variant(variant)
    made = f"{model}:{name or f'{preset}-tuned'}"
    user_preset_name(made, where="the tuned preset (--name)")
    return made


def _work_side_by_side(
    search: Path, data: Data, *, run: Path, out: Path, password: str | None, progress: Progress | None
) -> None:
    opened = Search.load(search, data, password=password)
    checkpoints = Workspace(out).trials
    params = opened.params
    workers = params.workers if params.workers != "auto" else processes_at_once(opened.training, wanted=_most(params))
    say(f"tune: {workers} trial(s) at a time (--workers)")
    study = open_study(opened.location, params=params)
    tell = progress or plain_lines()

    told = -1

    def look() -> None:
        nonlocal told
        done = min(finished(study), params.trials)
        if done > told or done < params.trials:  # the last line once
            told = done
            tell("tune trials", done, params.trials)

    look()
    killed = side_by_side(
        [
            partial(run_trials, search, data, checkpoints=checkpoints, run=run, worker=worker, password=password)
            for worker in range(workers)
        ],
        meanwhile=look,
        environments=[{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus(opened.training)],
    )
    if killed:
        say(f"tune: {killed} of {workers} worker(s) were killed, perhaps for lack of memory")
    if finished(study) < params.trials:
        raise TuningError(
            f"{finished(study)} of {params.trials} trials are finished and no worker is left; run the same command "
            "again, with fewer --workers"
        )
    # The study is complete: what an interrupted trial left here is of no more use.
    shutil.rmtree(checkpoints, ignore_errors=True)


def _most(params: TuningParams) -> int:
    """Return the most workers worth starting: of too many, most would draw at random before the sampler has learned."""
    return min(params.trials, max(2, params.trials // params.startup_trials))


def _entry(search: Search, results: StudyResults) -> UserPreset:
    """Return the best trial as a preset, with its origin."""
    subject, best, untuned, space = results.subject, results.best, results.untuned, search.space
    return UserPreset(
        base=subject.variant,
        config=space.config_of(best.values),
        stages=[
            dict(stage) | found_on
            for stage, found_on in zip(space.recipes_of(best.values), _found_on(search), strict=True)
        ],
        tuned={
            "study": search.location.name,
            "trial": best.trial,
            "trials": results.trials,
            "objective": f"{subject.objective} over folds {', '.join(map(str, subject.folds))}",
            f"dev_{subject.figure}": best.figure,
            f"dev_{subject.figure}_of_base": None if untuned is None else untuned.figure,
            "published": f"the paper's figures belong to {subject.variant}, which has other settings",
            "selection": subject.selection,
            "seed": subject.seed,
            "protocol": subject.protocol,
            "split_id": subject.split_id,
            "manifest_hash": subject.manifest_hash,
            "profile": subject.profile,
            "max_epochs": subject.training.max_epochs,
            "git_commit": git_commit(),
        },
    )


def _found_on(search: Search) -> list[dict[str, Any]]:
    """Return what each stage has to keep: settings that were found with frozen encoders are for frozen encoders."""
    preset = search.first.preset
    return [
        {"policy": "frozen", "encoders": {}} if ran == "frozen" != asked else {}
        for ran, asked in zip(preset.stages, preset.asked, strict=False)
    ]


def _conclusion(results: StudyResults) -> str:
    subject, best, untuned = results.subject, results.best, results.untuned
    own = "" if untuned is None else f" (the preset's own values: {subject.shown(untuned.figure)})"
    return f"development {subject.figure} {subject.shown(best.figure)} in trial {best.trial}{own}"
