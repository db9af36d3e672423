"""One worker: runs trials until the study has enough finished ones, along with any other workers."""

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
from merflow.tuning.study import FINISHED, original_number, prepare_next_trial, retry

_POLL_S = 1.0  # while the last trials run elsewhere

# Marks on trials.
BEGUN, DIVERGED, SURPLUS, FOLDS = "begun", "diverged", "surplus", "folds"


class _SurplusError(Exception):
    """Another worker has started the last trial in the meantime."""


@dataclass
class Attempt:
    """A trial as seen by its objective.

    Attributes:
        number: The trial's number; a repeated trial keeps the number of the first attempt.
        values: The settings to try.
    """

    trial: Trial
    number: int
    values: Values

    def report(self, figure: float, *, step: int) -> None:
        """Report a figure that is comparable among trials at the same step.

        Raises:
            TrialPruned: The trial is worse than others, and must stop at once. The first trial is never pruned,
                because all others are compared with the preset's own values.
        """
        self.trial.report(figure, step)
        if self.number != 0 and self.trial.should_prune():
            raise optuna.TrialPruned

    def note(self, figures: dict[str, float]) -> None:
        """Store the figures of finished folds with the trial."""
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
    """Run trials until the study has ``params.trials`` finished ones; return the number that ran here.

    The number of trials is exact and none is lost. While the last trials run elsewhere, a worker waits: if their worker
    is killed, they stop responding and are tried again. A trial that is interrupted here is put back into the queue.

    Args:
        study: The study, opened by this process.
        objective: Returns the figure to maximize.
        space: Source of the values.
        params: Number of trials, sampler and pruner.
        worker: Distinguishes the workers of one study.
        lock: The study's lock (:attr:`merflow.tuning.study.StudyLocation.lock`) if others may work on it.
        ended: Called with each trial that ended here.

    Raises:
        MerflowError: Raised by the objective; the trial has failed.
    """
    count = 0
    silent = _Silent(params)
    while finished(study) < params.trials:
        silent.renew(study)
        if _unfailed(study) - _waiting(study) >= params.trials:
            time.sleep(_POLL_S)
            continue
        prepare_next_trial(study, params, worker=worker)
        trial = _try(study, objective, space=space, params=params, lock=lock)
        if trial.state not in FINISHED:  # one trial too many, or one that another worker has taken over
            continue
        count += 1
        if ended is not None:
            ended(trial)
    return count


def finished(study: optuna.Study) -> int:
    """Return the number of trials that are complete or pruned."""
    return len(study.get_trials(deepcopy=False, states=FINISHED))


@dataclass
class _Silent:
    """Gives up trials whose worker has stopped responding, and puts their values back into the queue.

    Optuna uses heartbeats for this. If a worker is killed between requesting a trial and its first heartbeat, Optuna
    considers the trial running forever. Here it is given up if it has not started after the grace period.
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
    """Run one trial to its end."""
    begun: list[int] = []
    given_up: list[int] = []
    turn = ExitStack()

    def run(trial: Trial) -> float:
        turn.close()  # the trial belongs to this worker
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
        study.optimize(run, n_trials=1, catch=(_SurplusError,))
    except (UpdateFinishedTrialError, ValueError):  # Optuna's response to figures of a trial that has ended
        if not given_up:
            raise  # otherwise this process was delayed for so long that another worker took over the trial
    except (KeyboardInterrupt, SystemExit):
        for number in begun:
            _put_back(study, number, params)
        raise
    finally:
        turn.close()
    return study.trials[begun[0]]


def _put_back(study: optuna.Study, number: int, params: TuningParams) -> None:
    """Mark an unfinished trial as failed; the next worker receives its values."""
    trial = study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
    if trial.state == TrialState.FAIL:
        retry(study, trial, params)


def _waiting(study: optuna.Study) -> int:
    return len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


def _unfailed(study: optuna.Study, *, before: int | None = None) -> int:
    """Return the number of trials that have not failed, counting only those before a number if one is given."""
    return sum(
        trial.state != TrialState.FAIL and (before is None or trial.number < before)
        for trial in study.get_trials(deepcopy=False)
    )
