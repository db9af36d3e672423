"""Outcome of a study: its trials as a table, the best one next to the preset's own values, and what mattered."""

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from merflow.contracts.study import StudyResults, StudySubject, TrialResult
from merflow.errors import TuningError
from merflow.tuning.space import Values
from merflow.tuning.study import original_number
from merflow.tuning.worker import DIVERGED, FOLDS, SURPLUS

State = Literal["complete", "pruned", "diverged", "failed", "running", "waiting"]

_STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}
_FEWEST_FOR_IMPORTANCE = 4  # complete trials; a forest on fewer says nothing


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


@dataclass(frozen=True)
class Outcome:
    """The trials of a study.

    Attributes:
        rows: The trials in the order of their numbers, without those that workers started in vain.
        importance: Share of the variance among complete trials by setting, the largest first; empty if there are too
            few trials to tell.
    """

    rows: list[TrialRow]
    importance: dict[str, float]

    @classmethod
    def of(cls, study: optuna.Study, *, seed: int) -> "Outcome":
        """Read the current state of the study; the seed is for the forest that computes the importance."""
        trials = [trial for trial in study.get_trials(deepcopy=False) if not trial.user_attrs.get(SURPLUS)]
        return cls([TrialRow.of(trial) for trial in trials], importance(study, seed=seed))

    @property
    def best(self) -> TrialRow:
        """The complete trial with the highest figure; the first of equals.

        Raises:
            TuningError: No trial is complete.
        """
        complete = self.ranked
        if not complete:
            raise TuningError(
                f"none of {len(self.rows)} trial(s) is complete: {self.counts}; run the same command again"
            )
        return complete[0]

    @property
    def ranked(self) -> list[TrialRow]:
        """Complete trials, the best first."""
        complete = [row for row in self.rows if row.state == "complete"]
        return sorted(complete, key=lambda row: (-(row.figure or 0.0), row.number))

    @property
    def untuned(self) -> TrialRow | None:
        """The complete trial with the preset's own values; None if it was not completed."""
        return next((row for row in self.rows if row.state == "complete" and 0 in (row.number, row.repeats)), None)

    @property
    def counts(self) -> dict[str, int]:
        """Number of trials by state."""
        return dict(Counter(row.state for row in self.rows))

    def table(self, *, figure: str) -> pd.DataFrame:
        """Return one row per trial: number, state, repeats, figure, seconds, one column per fold and per setting.

        Args:
            figure: Name of the figure that the study maximizes, for the columns (``dev_UA``, ``dev_UA fold 1``).
        """
        return pd.DataFrame(
            {
                "trial": row.number,
                "state": row.state,
                "repeats": row.repeats,
                f"dev_{figure}": row.figure,
                "seconds": row.seconds,
                **{f"dev_{figure} fold {fold}": value for fold, value in row.folds.items()},
                **row.values,
            }
            for row in self.rows
        ).astype({"repeats": "Int64"})

    def results(self, subject: StudySubject, *, preset: str, best: int = 10) -> StudyResults:
        """Return the outcome as stored on disk.

        Args:
            subject: The study's subject.
            preset: The variant that the best trial became.
            best: Number of trials to keep, the best ones.

        Raises:
            TuningError: No trial is complete.
        """
        ranked = [self.best, *self.ranked[1:best]]
        return StudyResults(
            preset=preset,
            subject=subject,
            trials=self.counts,
            untuned=None if self.untuned is None else self.untuned.result,
            ranked=tuple(row.result for row in ranked),
            importance=self.importance,
        )


def importance(study: optuna.Study, *, seed: int) -> dict[str, float]:
    """Return fANOVA's shares by setting over the complete trials; none if there are too few or all are equal.

    Settings that some complete trials lack are left out.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _FEWEST_FOR_IMPORTANCE or len({trial.value for trial in complete}) == 1:
        return {}
    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
