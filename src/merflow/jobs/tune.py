"""The best parameters of a variant: opens a study, has workers try values, and writes what they found."""

from functools import partial
from pathlib import Path
from typing import Any

from merflow.contracts.params import TrackingParams, TrainingParams, TuningParams
from merflow.contracts.passwords import without_password
from merflow.contracts.presets import parse_variant
from merflow.contracts.processes import side_by_side
from merflow.contracts.progress import Progress, plain_lines, say
from merflow.errors import TuningError
from merflow.inference.devices import gpus
from merflow.jobs.study_tracking import begin_study_run, log_study
from merflow.jobs.trials import try_values
from merflow.presets.user_presets import UserPreset, user_preset_name, write_user_presets
from merflow.runs.data import Data
from merflow.runs.provenance import git_commit
from merflow.runs.workspace import Workspace
from merflow.storage.local import replacing, write_json
from merflow.tuning.figures import write_figures, write_page
from merflow.tuning.outcome import Outcome
from merflow.tuning.search import Search
from merflow.tuning.study import StudyPlace, create_study, open_study
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
) -> dict[str, Any]:
    """Searches with several processes on this machine, and writes what they find below ``out`` (see :func:`choose`).

    The same call goes on with a study that was interrupted; with more trials, with one that was finished.

    Args:
        variant: ``model:preset``.
        data: Files of earlier jobs.
        out: Folder of the study.
        study: Its name in the database.
        name: Of the preset that the best trial becomes; as for :func:`choose`.
        params: Trials, folds, workers, storage.
        training: Of the trials.
        tracking: Where runs are tracked.
        progress: Told of finished trials.

    Raises:
        PresetError: merflow ships a preset of that name, which is found before anything is tried.
        MerflowError: As :func:`open_search`, ``jobs.trials.try_values`` and :func:`choose` raise.
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
    """Makes the study and its run in MLflow, or finds those of an earlier try, and writes ``out`` and ``run``.

    Called once, before any worker starts: databases do not like their tables made by two at a time.

    Raises:
        PresetError: The variant is unknown.
        TuningError: The database cannot be reached, or its study of this name is of something else.
        TrackingError: MLflow is not installed, or ``tracking.uri`` is no place to track.
        OutputError: A file cannot be written.
    """
    place = StudyPlace.of(params.storage, folder=workspace.root, name=study)
    search = Search.of(variant, data, place=place, params=params, training=training)
    opened = create_study(place, facts=search.facts, first=search.space.defaults(), params=params)
    search.save(out)
    begin_study_run(search, out=run, workspace=workspace, params=tracking)
    say(f"tune {variant}: {place}, {finished(opened)} of {params.trials} trial(s) finished before")
    return out


def choose(
    search: Path, data: Data, *, out: Path, name: str, run: Path | None = None, password: str | None = None
) -> dict[str, Any]:
    """Makes a preset of the study's best trial, and writes what the study found.

    ``presets.yaml`` is what ``--presets`` of other commands reads; ``study.json`` the outcome, ``trials.csv`` all
    trials, ``study.html`` the figures on one page that works offline, ``figures/`` the same as pictures.

    Args:
        search: What :func:`open_search` wrote.
        data: The files that it was opened with.
        out: Folder for all of it.
        name: Of the preset, without its model; empty for the base's with ``-tuned`` behind it.
        run: The study's run in MLflow; None tracks nothing.
        password: Of the study's database, as for :class:`merflow.tuning.study.StudyPlace`.

    Returns:
        The content of ``study.json``.

    Raises:
        TuningError: No trial is complete, or the study is of something else.
        PresetError: merflow ships a preset of that name.
        OutputError: ``out`` cannot be written.
    """
    opened = Search.load(search, data, password=password)
    study = open_study(opened.place, facts=opened.facts, params=opened.params)
    outcome = Outcome.of(study, seed=opened.params.seed)
    base = opened.first.preset
    variant = made_from(base.variant, name=name)
    summary = {"preset": variant, **outcome.summary(opened.facts)}
    write_user_presets(out / PRESETS, {variant: _entry(opened, outcome)})
    with replacing(out / TABLE) as part:
        outcome.table().to_csv(part, index=False)
    write_page(study, out / PAGE, summary=summary)
    pictures = write_figures(study, out / FIGURES, importance=bool(outcome.importance), seed=opened.params.seed)
    write_json(out / SUMMARY, summary)
    if run is not None:
        files = [out / name for name in (PRESETS, TABLE, PAGE, SUMMARY)]
        log_study(run, outcome, summary=summary, files=[*files, *pictures])
    say(f"tune {opened.first.preset.variant}: {_told(summary)}; it is preset {variant}")
    return summary


def made_from(variant: str, *, name: str) -> str:
    """The variant that a study's best trial becomes; of an empty name the base's with ``-tuned`` behind it.

    Raises:
        PresetError: The name is of no such form, or merflow ships a preset of that name.
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
    study = open_study(opened.place, params=params)
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
            partial(try_values, search, data, checkpoints=checkpoints, run=run, worker=worker, password=password)
            for worker in range(params.workers)
        ],
        meanwhile=look,
        environments=[{"CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus(opened.training)],
    )
    if killed:
        say(f"tune: {killed} of {params.workers} worker(s) were killed, perhaps for lack of memory")
    if finished(study) < params.trials:
        raise TuningError(
            f"{finished(study)} of {params.trials} trials are finished and no worker is left; run the same command "
            "again, with fewer --workers"
        )


def _entry(search: Search, outcome: Outcome) -> UserPreset:
    """The best trial as a preset, with where it comes from."""
    best, own, space = outcome.best, outcome.own, search.space
    facts = search.facts
    return UserPreset(
        base=search.first.preset.variant,
        config=space.config_of(best.values),
        stages=[dict(stage) for stage in space.recipes_of(best.values)],
        tuned={
            "study": search.place.name,
            "trial": best.number,
            "trials": outcome.counts,
            "objective": f"{facts['objective']} over folds {', '.join(map(str, facts['folds']))}",
            "dev_UA": best.dev_ua,
            "dev_UA_of_base": None if own is None else own.dev_ua,
            "published": f"figures are those of {search.first.preset.variant}, whose settings these are not",
            **{key: facts[key] for key in ("selection", "seed", "protocol", "split_id", "manifest_hash", "profile")},
            "max_epochs": facts["training"]["max_epochs"],
            "git_commit": git_commit(),
        },
    )


def _told(summary: dict[str, Any]) -> str:
    best, own = summary["best"], summary["own"]
    beside = "" if own is None else f", the preset's own {100 * own['dev_UA']:.1f}"
    return f"development UA {100 * best['dev_UA']:.1f} in trial {best['trial']}{beside}"
