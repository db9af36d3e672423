"""The study's run in MLflow, which jobs hand on as a small JSON file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from merflow.contracts.params import TrackingParams
from merflow.contracts.study import StudyResults, StudyRunFile, read_study_run, write_study_run
from merflow.runs.provenance import git_commit
from merflow.runs.workspace import Workspace
from merflow.storage.local import digest
from merflow.tracking.connection import tracking_uri
from merflow.tracking.study_run import StudyRun, TrialFacts, open_study_run
from merflow.tuning.search import Search
from merflow.tuning.trial_row import TrialRow

if TYPE_CHECKING:  # it measures importance with scikit-learn, which the workers do not need
    from merflow.tuning.outcome import Outcome

_ENDED = ("complete", "pruned", "diverged", "failed")


def begin_study_run(search: Search, *, out: Path, workspace: Workspace, params: TrackingParams) -> None:
    """Create the study's run, or find that of an earlier attempt, and write ``out``.

    Raises:
        TrackingError: MLflow is not installed, or ``tracking.uri`` is not a valid location.
        OutputError: The workspace cannot be written.
    """
    subject = search.subject
    values = subject.model_dump(mode="json")
    run = StudyRunFile(
        uri=tracking_uri(params.uri, folder=workspace.root),
        experiment=params.experiment,
        name=f"tune {search.location.name}",
        study_id=digest([search.location.name, values]),
        tags={
            "variant": subject.variant,
            "task": search.first.task.name,
            "corpus": search.first.manifest.corpus,
            "manifest_hash": subject.manifest_hash,
            "split_id": subject.split_id,
            "protocol": subject.protocol,
            "selection": subject.selection,
            "mlflow.source.git.commit": git_commit(),
        },
        params={key: value for key, value in values.items() if key != "space"} | {"trials": search.params.trials},
    )
    write_study_run(out, run)
    _open(run)


def study_run(run: Path) -> StudyRun | None:
    """Open the study's run for its trials; return None if nothing is tracked."""
    return _open(read_study_run(run))


def trial_facts(row: TrialRow, *, figure: str) -> TrialFacts:
    """Return a trial's facts for its run, with the name of the figure that the study maximizes."""
    return TrialFacts(row.number, row.state, figure, row.figure, row.folds, row.steps, row.values, row.seconds)


def log_study(run: Path, outcome: "Outcome", *, results: StudyResults, files: Sequence[Path]) -> None:
    """Complete the study's run: add missing runs of trials, figures and files."""
    tracked = study_run(run)
    if tracked is None:
        return
    figure = results.subject.figure
    trials = [trial_facts(row, figure=figure) for row in outcome.rows if row.state in _ENDED]
    tracked.log_study(trials, best=trial_facts(outcome.best, figure=figure), note=_note(results), files=files)


def _open(run: StudyRunFile) -> StudyRun | None:
    if run.uri is None:
        return None
    return open_study_run(
        run.uri, experiment=run.experiment, name=run.name, study_id=run.study_id, tags=run.tags, params=run.params
    )


def _note(results: StudyResults) -> str:
    """Return the run's description in MLflow."""
    subject, best, untuned = results.subject, results.best, results.untuned
    lines = [
        f"{subject.objective.capitalize()} of {subject.variant} over folds {', '.join(map(str, subject.folds))}. "
        f"Best: {subject.shown(best.figure)} in trial {best.trial}"
        + ("" if untuned is None else f"; the preset's own values: {subject.shown(untuned.figure)}")
        + f". `presets.yaml` holds the best trial as the preset `{results.preset}`.",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in best.values.items()),
    ]
    return "\n".join(lines)
