"""Work of one process on a study; the objective is a formula."""

import fcntl
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from merflow.contracts.params import TuningParams
from merflow.errors import DivergedError, TrainingError
from merflow.tuning.outcome import Outcome
from merflow.tuning.study import StudyLocation, open_study, prepare_next_trial, retry
from merflow.tuning.worker import Attempt, finished, work
from tests.tuning.studies import SUBJECT, location, made, objective, params, quality, searched, space


def table(study: optuna.Study) -> list[tuple[str, object, dict[str, object]]]:
    return [(trial.state.name, trial.value, trial.params) for trial in study.trials if trial.state != TrialState.FAIL]


def test_a_search_is_repeatable_and_its_first_trial_has_the_presets_own_values(tmp_path: Path) -> None:
    first, second = searched(tmp_path / "1", trials=6), searched(tmp_path / "2", trials=6)
    other = searched(tmp_path / "3", trials=6, seed=1)
    assert table(first) == table(second)
    assert table(first) != table(other)
    assert first.trials[0].params == space().defaults()
    assert finished(first) == len(first.trials) == 6
    assert first.best_value > quality(space().defaults())


def test_an_interrupted_study_resumes_like_one_that_never_stopped(tmp_path: Path) -> None:
    whole = searched(tmp_path / "whole", trials=6)
    chosen = params(trials=6)
    study = made(tmp_path / "stopped", chosen)

    def stopping(attempt: Attempt) -> float:
        if attempt.number == 4:
            raise KeyboardInterrupt
        return objective(attempt)

    with pytest.raises(KeyboardInterrupt):
        work(study, stopping, space=space(), params=chosen)
    assert finished(study) == 4
    again = open_study(location(tmp_path / "stopped"), subject=SUBJECT, params=chosen)
    assert work(again, objective, space=space(), params=chosen) == 2
    assert table(again) == table(whole)
    assert [row.repeats for row in Outcome.of(again, seed=0).rows if row.repeats is not None] == [4]


def test_more_trials_continue_a_finished_study(tmp_path: Path) -> None:
    searched(tmp_path, trials=3)
    study = searched(tmp_path, trials=5)
    assert finished(study) == len(study.trials) == 5
    assert work(study, objective, space=space(), params=params(trials=5)) == 0


def test_a_bad_trial_is_pruned_and_counts_as_finished(tmp_path: Path) -> None:
    chosen, epochs = params(trials=4, pruning_trials=2, pruning_epochs=3), []

    def worse_and_worse(attempt: Attempt) -> float:
        for epoch in range(1, 11):
            epochs.append((attempt.number, epoch))
            attempt.report(1.0 / (1 + attempt.number), step=epoch)
        return 1.0 / (1 + attempt.number)

    study = made(tmp_path, chosen)
    work(study, worse_and_worse, space=space(), params=chosen)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "PRUNED", "PRUNED"]
    assert [epoch for number, epoch in epochs if number == 2] == [1, 2, 3]


def test_a_trial_is_pruned_even_after_an_easy_first_fold(tmp_path: Path) -> None:
    chosen = params(trials=3, pruning_trials=2, pruning_epochs=1)
    figures = {0: [0.9, 0.6], 1: [0.9, 0.6], 2: [0.9, 0.5]}  # a mean so far that falls with the second fold

    def folds(attempt: Attempt) -> float:
        for step, figure in enumerate(figures[attempt.number], start=1):
            attempt.report(figure, step=step)
        return figures[attempt.number][-1]

    study = made(tmp_path, chosen)
    work(study, folds, space=space(), params=chosen)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "PRUNED"]


def test_a_trial_that_diverges_counts_as_finished_and_is_marked(tmp_path: Path) -> None:
    chosen = params(trials=3)

    def diverging(attempt: Attempt) -> float:
        if attempt.number == 1:
            raise DivergedError("training loss is nan")
        return objective(attempt)

    study = made(tmp_path, chosen)
    work(study, diverging, space=space(), params=chosen)
    found = Outcome.of(study, seed=0)
    assert [row.state for row in found.rows] == ["complete", "diverged", "complete"]
    assert found.rows[1].figure is None


def test_another_error_ends_the_worker(tmp_path: Path) -> None:
    chosen = params(trials=3)

    def failing(attempt: Attempt) -> float:
        raise TrainingError(f"no utterances in trial {attempt.number}")

    study = made(tmp_path, chosen)
    with pytest.raises(TrainingError, match="no utterances in trial 0"):
        work(study, failing, space=space(), params=chosen)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL]


def test_a_worker_that_asks_for_one_trial_too_many_returns_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = params(trials=2)
    study = made(tmp_path, chosen)
    other = open_study(location(tmp_path), subject=SUBJECT, params=chosen)
    theirs: list[optuna.Trial] = []

    def overtaken(ready: optuna.Study, settings: TuningParams, *, worker: int) -> None:
        prepare_next_trial(ready, settings, worker=worker)
        if not theirs:  # between this worker's look and its question, another begins and ends the last trials
            theirs.extend([other.ask(), other.ask()])
            for trial in theirs:
                other.tell(trial, 0.5)

    monkeypatch.setattr("merflow.tuning.worker.prepare_next_trial", overtaken)
    assert work(study, objective, space=space(), params=chosen) == 0
    assert finished(study) == 2
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL"]
    assert len(Outcome.of(study, seed=0).rows) == 2


def test_a_worker_that_was_killed_before_its_first_heartbeat_is_not_waited_for(tmp_path: Path) -> None:
    chosen = params(trials=3)
    study = made(tmp_path, chosen)
    lost = study.ask()  # and its process is gone
    work(study, objective, space=space(), params=chosen)
    rows = Outcome.of(study, seed=0).rows
    assert finished(study) == 3
    assert rows[lost.number].state == "failed"
    repeated = [row for row in rows if row.repeats == lost.number]
    assert [(row.state, row.values) for row in repeated] == [("complete", space().defaults())]


def test_a_worker_whose_trial_was_given_up_continues_with_other_trials(tmp_path: Path) -> None:
    chosen = params(trials=3)
    study = made(tmp_path, chosen)
    other = open_study(location(tmp_path), subject=SUBJECT, params=chosen)
    given_up: list[int] = []

    def held_up(attempt: Attempt) -> float:
        if not given_up:
            given_up.append(attempt.trial.number)
            frozen = other.tell(attempt.trial.number, state=TrialState.FAIL)
            retry(other, frozen, chosen)
        return objective(attempt)

    assert work(study, held_up, space=space(), params=chosen) == 3
    rows = Outcome.of(study, seed=0).rows
    assert finished(study) == 3
    assert rows[given_up[0]].state == "failed"
    assert [row.values for row in rows if row.repeats == given_up[0]] == [space().defaults()]


def test_workers_on_one_machine_take_turns_asking_for_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = location(tmp_path).lock
    assert lock == tmp_path / "study.db.lock"
    assert StudyLocation.of("postgresql://me@host/db", folder=tmp_path, name="x").lock is None
    chosen, free = params(trials=2), []
    study = made(tmp_path, chosen)
    ask = study.ask

    def is_free() -> bool:
        with lock.open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def asked() -> optuna.Trial:
        free.append(("asks", is_free()))
        return ask()

    def looked(attempt: Attempt) -> float:
        free.append(("tries", is_free()))
        return objective(attempt)

    monkeypatch.setattr(study, "ask", asked)
    work(study, looked, space=space(), params=chosen, lock=lock)
    assert free == [("asks", False), ("tries", True)] * 2
