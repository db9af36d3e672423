"""One trial as a row of a study's table; workers record it, and need no more of the study's outcome."""

from dataclasses import dataclass
from typing import Literal

from optuna.trial import FrozenTrial, TrialState

from merflow.contracts.study import TrialResult
from merflow.tuning.space import Values
from merflow.tuning.study import original_number
from merflow.tuning.worker import DIVERGED, FOLDS

State = Literal["complete", "pruned", "diverged", "failed", "running", "waiting"]

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Attributes:
        number: Counted from 0; trial 0 has the preset's own values.
        repeats: The trial that this one repeats; None if it repeats none.
        figure: Mean over the folds of a complete trial; the last reported mean of another trial, or None.
        folds: Figure of finished folds, by fold.
        steps: The mean so far, by step.
        seconds: Wall time; None while the trial runs.
    """

    number: int
    state: State
    repeats: int | None
    figure: float | None
    folds: dict[str, float]
    steps: dict[int, float]
    values: Values
    seconds: float | None

    @classmethod
    def of(cls, trial: FrozenTrial) -> "TrialRow":
        """Return the row of a trial."""
        state: State = "diverged" if trial.user_attrs.get(DIVERGED) else _STATES[trial.state]
        steps = dict(sorted(trial.intermediate_values.items()))
        last = None if not steps else list(steps.values())[-1]
        original = original_number(trial)
        return cls(
            number=trial.number,
            state=state,
            repeats=None if original == trial.number else original,
            figure=trial.value if trial.state == TrialState.COMPLETE else last,
            folds=dict(trial.user_attrs.get(FOLDS, {})),
            steps=steps,
            values=dict(trial.params),
            seconds=None if trial.duration is None else trial.duration.total_seconds(),
        )

    @property
    def result(self) -> TrialResult:
        """The trial as the study's results hold it; complete trials only."""
        assert self.figure is not None
        return TrialResult(
            trial=self.number,
            figure=self.figure,
            folds={int(fold): figure for fold, figure in self.folds.items()},
            values=self.values,
            seconds=self.seconds,
        )
