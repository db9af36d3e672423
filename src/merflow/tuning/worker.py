"""One worker: tries values until the study has its number of finished trials, whoever else works on it."""

import fcntl
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from merflow.contracts.params import TuningParams
from merflow.errors import DivergedError
from merflow.tuning.space import SearchSpace, Values
from merflow.tuning.study import FINISHED, original_number, retry, set_out

_ASKING_AGAIN_S = 1.0  # while the last trials run elsewhere

# What trials are marked with.
BEGUN, DIVERGED, SURPLUS, FOLDS = "begun", "diverged", "surplus", "folds"


class _SurplusError(Exception):
    """Others have begun the last trials meanwhile."""


@dataclass
class Attempt:
    """A trial as its objective sees it.

    Attributes:
        number: Of the trial that is tried, also when it is tried again.
        values: To be tried.
    """

    trial: Trial
    number: int
    values: Values

    def report(self, figure: float, *, step: int) -> None:
        """Tells the study a figure that is comparable among trials at the same step.

        Raises:
            TrialPruned: The trial is worse than others were; it must stop at once. The first one never is: all
                others are compared with the preset's own values.
        """
        self.trial.report(figure, step)
        if self.number != 0 and self.trial.should_prune():
            raise optuna.TrialPruned

    def note(self, figures: dict[str, float]) -> None:
        """Keeps figures of finished folds with the trial."""
        self.trial.set_user_attr(FOLDS, figures)


Objective = Callable[[Attempt], float]


def work(
    study: optuna.Study,
    objective: Objective,
    *,
    space: SearchSpace,
    params: TuningParams,
    worker: int = 0,
    lock: Path | None = None,
    ended: Callable[[FrozenTrial], None] | None = None,
) -> int:
    """Tries values until the study has ``params.trials`` finished trials; returns how many were tried here.

    The number is exact, and no trial is lost: a worker that finds the last ones running elsewhere waits for them, for
    one whose worker was killed goes silent and is tried again. A trial that is interrupted here is put back.

    Args:
        study: Opened, by this process.
        objective: Gives the figure to be maximised.
        space: Where the values come from.
        params: How many trials, sampler and pruner.
        worker: Tells apart workers of one study.
        lock: The study's (:attr:`merflow.tuning.study.StudyPlace.lock`), where others may work on it.
        ended: Given every trial that ended here.

    Raises:
        MerflowError: As the objective raises; the trial has failed.
    """
    tried = 0
    silent = _Silent(params)
    while finished(study) < params.trials:
        silent.renew(study)
        if _unfailed(study) - _waiting(study) >= params.trials:
            time.sleep(_ASKING_AGAIN_S)
            continue
        set_out(study, params, worker=worker)
        trial = _try(study, objective, space=space, params=params, lock=lock)
        if trial.state not in FINISHED:  # a trial too many, or one that another worker has been given meanwhile
            continue
        tried += 1
        if ended is not None:
            ended(trial)
    return tried


def finished(study: optuna.Study) -> int:
    """How many trials are complete or pruned."""
    return len(study.get_trials(deepcopy=False, states=FINISHED))


@dataclass
class _Silent:
    """Gives up trials whose worker has gone silent, and puts their values back.

    Optuna does so by heartbeats. A worker that is killed between asking for a trial and its first heartbeat leaves one
    that Optuna believes to run for ever: here it is given up when it has not begun for as long.
    """

    params: TuningParams
    seen_s: dict[int, float] = field(default_factory=dict)

    def renew(self, study: optuna.Study) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(study)
        now_s = time.monotonic()
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if BEGUN in trial.user_attrs:
                continue
            if now_s - self.seen_s.setdefault(trial.number, now_s) > self.params.grace_s:
                _put_back(study, trial.number, self.params)


def _try(
    study: optuna.Study, objective: Objective, *, space: SearchSpace, params: TuningParams, lock: Path | None
) -> FrozenTrial:
    """One trial, ended."""
    begun: list[int] = []
    given_up: list[int] = []
    turn = ExitStack()

    def tried(trial: Trial) -> float:
        turn.close()  # the trial is this worker's
        begun.append(trial.number)
        trial.set_user_attr(BEGUN, True)
        if _unfailed(study, before=trial.number) >= params.trials:
            trial.set_user_attr(SURPLUS, True)
            raise _SurplusError
        number = original_number(study.trials[trial.number])
        try:
            return objective(Attempt(trial, number, space.suggest(trial)))
        except DivergedError:
            trial.set_user_attr(DIVERGED, True)
            raise optuna.TrialPruned from None
        finally:
            if study.trials[trial.number].state != TrialState.RUNNING:
                given_up.append(trial.number)

    try:
        if lock is not None:
            fcntl.flock(turn.enter_context(lock.open("w")), fcntl.LOCK_EX)
        study.optimize(tried, n_trials=1, catch=(_SurplusError,))
    except (UpdateFinishedTrialError, ValueError):  # how Optuna refuses figures of a trial that has ended
        if not given_up:
            raise  # else this process was held up for so long that another has the trial now
    except (KeyboardInterrupt, SystemExit):
        for number in begun:
            _put_back(study, number, params)
        raise
    finally:
        turn.close()
    return study.trials[begun[0]]


def _put_back(study: optuna.Study, number: int, params: TuningParams) -> None:
    """Fails a trial that is not finished; its values wait for whoever asks next."""
    trial = study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
    if trial.state == TrialState.FAIL:
        retry(study, trial, params)


def _waiting(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _unfailed(study: optuna.Study, *, before: int | None = None) -> int:
    """Trials that have not failed, of those with a lower number."""
    return sum(
        trial.state != TrialState.FAIL and (before is None or trial.number < before)
        for trial in study.get_trials(deepcopy=False)
    )
