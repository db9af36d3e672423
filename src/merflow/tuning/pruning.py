"""Pruning: a trial stops at a step where it is worse than half of the complete trials.

Optuna's own median pruner compares a trial's best figure at any step. Here the figure is a mean over the folds so far,
and the first fold may be easy: its figures would protect a trial from being pruned in a harder one.
"""

from collections.abc import Mapping
from statistics import median

from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState


class StepMedianPruner(BasePruner):
    """Compares a trial's last figure with the figures of complete trials at the same step.

    If a complete trial's fold stopped early before that step, its last earlier figure counts.
    """

    def __init__(self, *, startup_trials: int, warmup_steps: int) -> None:
        """Set the pruner up.

        Args:
            startup_trials: Number of complete trials before any trial is pruned.
            warmup_steps: Number of steps before a trial may be pruned.
        """
        self._startup_trials = startup_trials
        self._warmup_steps = warmup_steps

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Return True if the trial must stop now."""
        step = trial.last_step
        if step is None or step < self._warmup_steps:
            return False
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(complete) < self._startup_trials:
            return False
        figures = [figure for each in complete if (figure := _at(each.intermediate_values, step)) is not None]
        return bool(figures) and trial.intermediate_values[step] < median(figures)


def _at(figures: Mapping[int, float], step: int) -> float | None:
    """Return the figure at a step, or at the last step before it."""
    before = [each for each in figures if each <= step]
    return figures[max(before)] if before else None
