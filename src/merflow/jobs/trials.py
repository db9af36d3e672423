"""One worker of a study: runs trials until the study has enough of them."""

from pathlib import Path

from merflow.jobs.study_tracking import study_run, trial_facts
from merflow.runs.data import Data
from merflow.tuning.search import Search
from merflow.tuning.study import database_errors, open_study
from merflow.tuning.trial_row import TrialRow
from merflow.tuning.trials import Trials
from merflow.tuning.worker import work


def run_trials(
    search: Path,
    data: Data,
    *,
    checkpoints: Path,
    run: Path | None = None,
    worker: int = 0,
    password: str | None = None,
) -> int:
    """Work on a study until it has its number of finished trials; return the number that ran here.

    Any number of these calls may work on one study. If one is killed, only the part of its running trial since the last
    checkpoint is lost: the trial is tried again, here or elsewhere, and continues from the checkpoint if it can be read
    there.

    Args:
        search: The file that :func:`merflow.jobs.tune.open_search` wrote.
        data: The files that the search was opened with.
        checkpoints: Folder of unfinished trials.
        run: The study's run in MLflow; None tracks nothing.
        worker: Distinguishes the workers of one study.
        password: Password of the study's database; see :class:`merflow.tuning.study.StudyLocation`.

    Raises:
        TuningError: The study cannot be reached, or has another subject.
        TrainingError: A fold cannot be trained.
    """
    opened = Search.load(search, data, password=password)
    study = open_study(opened.location, subject=opened.subject.model_dump(mode="json"), params=opened.params)
    tracked, figure = None if run is None else study_run(run), opened.subject.figure
    with database_errors(opened.location):
        return work(
            study,
            Trials(opened, checkpoints),
            space=opened.space,
            params=opened.params,
            worker=worker,
            lock=opened.location.lock,
            ended=None
            if tracked is None
            else lambda trial: tracked.log_trial(trial_facts(TrialRow.of(trial), figure=figure)),
        )
