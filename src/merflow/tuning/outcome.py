"""Outcome of a study: its trials as a table, the best one next to the preset's own values, and what mattered."""

from collections import Counter
from dataclasses import dataclass

import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState

from merflow.contracts.study import StudyResults, StudySubject
from merflow.errors import TuningError
from merflow.tuning.trial_row import TrialRow
from merflow.tuning.worker import SURPLUS

_FEWEST_FOR_IMPORTANCE = 4  # complete trials; a forest on fewer says nothing


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
