"""When a trial is given up: at a step where it is worse than half of the complete trials were.

Optuna's own median pruner takes a trial's best figure of any step. Here the figure is a mean over the folds so far, and
the first fold may be an easy one: its figures would shield a trial from ever being given up in a harder one.
"""

from collections.abc import Mapping
from statistics import median

from optuna import Study
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState


class StepMedianPruner(BasePruner):
    """Compares a trial's last figure with those that complete trials had at the same step.

    A trial whose fold ended earlier, for its patience had run out, stands at its last figure before.
    """

    def __init__(self, *, startup_trials: int, warmup_steps: int) -> None:
        """Settings.

        Args:
            startup_trials: Complete ones before any trial is given up.
            warmup_steps: Steps before a trial may be given up.
        """
        self._startup_trials = startup_trials
        self._warmup_steps = warmup_steps

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial is to be given up now."""
        step = trial.last_step
        if step is None or step < self._warmup_steps:
            return False
        complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(complete) < self._startup_trials:
            return False
        figures = [figure for each in complete if (figure := _at(each.intermediate_values, step)) is not None]
        return bool(figures) and trial.intermediate_values[step] < median(figures)


def _at(figures: Mapping[int, float], step: int) -> float | None:
    """The figure of a step, or of the last one before it."""
    before = [each for each in figures if each <= step]
    return figures[max(before)] if before else None
