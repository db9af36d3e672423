"""Argo's rules for retries, in simulated time."""

import pytest

from merflow.pipelines.rehearsal.retries import Attempt, GiveUp, Outcome, Retry, RetryPolicy, after

TASK = {
    "retryPolicy": {
        "maxRetryCount": 3,
        "backoffDuration": "60s",
        "backoffFactor": 2.0,
        "backoffMaxDuration": "1000s",
    }
}
POLICY = RetryPolicy.of(TASK)


def attempts(*lengths_s: float, policy: RetryPolicy = POLICY, last: Outcome = Outcome.FAILED) -> list[Attempt]:
    """Return failed attempts of these lengths, each begun when the rules allow it."""
    made: list[Attempt] = []
    now_s = 0.0
    for number, length_s in enumerate(lengths_s):
        if made:
            follows = after(made, policy)
            assert isinstance(follows, Retry)
            now_s = follows.at_s
        outcome = last if number == len(lengths_s) - 1 else Outcome.FAILED
        made.append(Attempt(now_s, now_s + length_s, outcome))
    return made


def test_a_package_is_read_as_kfp_wrote_it() -> None:
    assert RetryPolicy(retries=3, backoff_s=60, factor=2, window_s=1000) == POLICY
    assert RetryPolicy.of({}) == RetryPolicy()


@pytest.mark.parametrize(("done", "wait_s"), [((10.0,), 60.0), ((10.0, 10.0), 120.0), ((10.0, 10.0, 10.0), 240.0)])
def test_each_backoff_is_twice_as_long_as_the_one_before(done: tuple[float, ...], wait_s: float) -> None:
    made = attempts(*done)
    assert after(made, POLICY) == Retry(made[-1].finished_s + wait_s)


def test_there_are_as_many_retries_as_the_package_says() -> None:
    assert after(attempts(1, 1, 1, 1), POLICY) == GiveUp("it failed 4 times")
    assert after([Attempt(0, 1, Outcome.FAILED)], RetryPolicy()) == GiveUp("it failed, and has no retries")


def test_a_pod_that_vanished_is_not_retried() -> None:
    follows = after(attempts(1, last=Outcome.ERROR), POLICY)
    assert isinstance(follows, GiveUp)
    assert "vanished" in follows.reason


def test_no_retry_begins_after_the_window_which_counts_from_the_first_attempt() -> None:
    assert after(attempts(940), POLICY) == Retry(1000)
    follows = after(attempts(941), POLICY)
    assert isinstance(follows, GiveUp)
    assert "backoffMaxDuration, 1000 s" in follows.reason


def test_kfps_own_window_of_an_hour_never_retries_a_step_of_two_hours() -> None:
    default = RetryPolicy.of({"retryPolicy": {**TASK["retryPolicy"], "backoffMaxDuration": "3600s"}})
    assert isinstance(after([Attempt(0, 7200, Outcome.FAILED)], default), GiveUp)


def test_a_retry_ends_with_the_window_even_if_its_pod_might_run_longer() -> None:
    made = attempts(10)
    assert POLICY.deadline_s(made, now_s=70, limit_s=5000) == 1000
    assert POLICY.deadline_s(made, now_s=70, limit_s=100) == 170
    assert POLICY.deadline_s([], now_s=70, limit_s=0) == 1070
    assert RetryPolicy().deadline_s([], now_s=70, limit_s=0) == float("inf")


def test_a_rehearsal_waits_shorter_and_changes_nothing_else() -> None:
    assert POLICY.scaled(0.1) == RetryPolicy(retries=3, backoff_s=6, factor=2, window_s=1000)
