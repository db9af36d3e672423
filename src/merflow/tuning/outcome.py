"""What a study has found: its trials as a table, the best one beside the preset's own values, what mattered."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

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
_FEWEST_FOR_IMPORTANCE = 4  # complete trials; a forest over fewer says nothing


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Attributes:
        number: Counted from 0; that trial has the preset's own values.
        repeats: The trial that was tried again here; None for one of its own.
        dev_ua: Mean over the folds, of a complete trial; of another the last mean that was told, or None.
        folds: Fold -> development UA, of finished folds.
        steps: Step -> the mean so far.
        seconds: None while it runs.
    """

    number: int
    state: State
    repeats: int | None
    dev_ua: float | None
    folds: dict[str, float]
    steps: dict[int, float]
    values: Values
    seconds: float | None

    @classmethod
    def of(cls, trial: FrozenTrial) -> "TrialRow":
        """The row of a trial."""
        state: State = "diverged" if trial.user_attrs.get(DIVERGED) else _STATES[trial.state]
        steps = dict(sorted(trial.intermediate_values.items()))
        told = trial.value if trial.state == TrialState.COMPLETE else None if not steps else list(steps.values())[-1]
        original = original_number(trial)
        return cls(
            number=trial.number,
            state=state,
            repeats=None if original == trial.number else original,
            dev_ua=told,
            folds=dict(trial.user_attrs.get(FOLDS, {})),
            steps=steps,
            values=dict(trial.params),
            seconds=None if trial.duration is None else trial.duration.total_seconds(),
        )


@dataclass(frozen=True)
class Outcome:
    """A study's trials.

    Attributes:
        rows: In the order of their numbers, without those that workers began in vain.
        importance: Setting -> its share of the variance among complete trials, the largest first; empty where there
            are too few to say.
    """

    rows: list[TrialRow]
    importance: dict[str, float]

    @classmethod
    def of(cls, study: optuna.Study, *, seed: int) -> "Outcome":
        """What the study holds now; the seed is of the forest that weighs settings."""
        trials = [trial for trial in study.get_trials(deepcopy=False) if not trial.user_attrs.get(SURPLUS)]
        return cls([TrialRow.of(trial) for trial in trials], importance(study, seed=seed))

    @property
    def best(self) -> TrialRow:
        """The complete trial with the highest figure; of equals the first.

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
        return sorted(complete, key=lambda row: (-(row.dev_ua or 0.0), row.number))

    @property
    def own(self) -> TrialRow | None:
        """The complete trial of the preset's own values; None where it was not completed."""
        return next((row for row in self.rows if row.state == "complete" and 0 in (row.number, row.repeats)), None)

    @property
    def counts(self) -> dict[State, int]:
        """Trials by state."""
        return dict(Counter(row.state for row in self.rows))

    def table(self) -> pd.DataFrame:
        """One row a trial: number, state, repeats, dev_UA, seconds, a column a fold, a column a setting."""
        return pd.DataFrame(
            {
                "trial": row.number,
                "state": row.state,
                "repeats": row.repeats,
                "dev_UA": row.dev_ua,
                "seconds": row.seconds,
                **{f"dev_UA fold {fold}": value for fold, value in row.folds.items()},
                **row.values,
            }
            for row in self.rows
        ).astype({"repeats": "Int64"})

    def summary(self, facts: Mapping[str, Any], *, best: int = 10) -> dict[str, Any]:
        """The outcome as JSON, with what the study is of."""
        own = self.own
        return {
            "study": dict(facts),
            "trials": self.counts,
            "own": None if own is None else _json(own),
            "best": _json(self.best),
            "best_trials": [_json(row) for row in self.ranked[:best]],
            "importance": self.importance,
        }


def importance(study: optuna.Study, *, seed: int) -> dict[str, float]:
    """FANOVA's shares by setting, over the complete trials; empty where there are too few, or all are equal.

    Settings that some complete trials lack are left out.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _FEWEST_FOR_IMPORTANCE or len({trial.value for trial in complete}) == 1:
        return {}
    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))


def _json(row: TrialRow) -> dict[str, Any]:
    return {
        "trial": row.number,
        "dev_UA": row.dev_ua,
        "folds": row.folds,
        "values": row.values,
        "seconds": row.seconds,
    }
