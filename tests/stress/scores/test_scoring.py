"""Results of scores that a reader can count."""

import numpy as np
import pandas as pd
import pytest

from merflow.contracts.task import SCALES
from merflow.errors import StressError
from merflow.evaluation.scores.metrics import figures_of
from merflow.stress.conditions.catalogue import CONDITIONS
from merflow.stress.scores.scoring import ALLOWED_GAP, ScoreReference, score_condition, score_groups

TELEPHONE = CONDITIONS[0]
TASK = SCALES["sentiment"]


def rows_of(count: int = 400, *, dialogues: int = 40) -> pd.DataFrame:
    """Return utterances of four speakers at all steps of the scale."""
    numbers = np.arange(count)
    speakers = np.array(["a", "b", "c", "d"])[(numbers // 7) % 4]
    return pd.DataFrame(
        {
            "sentiment": (numbers % 7 - 3).astype(float),
            "dialogue_id": [f"dialogue {number % dialogues}" for number in numbers],
            "session": "one",
            "speaker": speakers,
            "gender": np.where(np.isin(speakers, ["a", "b"]), "F", "M"),
            "duration_s": 1.0 + numbers / count,
        },
        index=pd.Index([f"u{number:03d}" for number in numbers], name="utterance_id"),
    )


def reference(rows: pd.DataFrame | None = None, *, worse: str = "") -> ScoreReference:
    """Return scores that miss by 0.3 to either side, and by 1 more for one speaker."""
    rows = rows_of() if rows is None else rows
    signs = np.where(np.random.default_rng(0).random(len(rows)) < 0.5, -1, 1)
    scores = rows["sentiment"].to_numpy() + signs * np.where(rows["speaker"] == worse, 1.3, 0.3)
    return ScoreReference(rows, scores, task=TASK, seed=0)


def test_nothing_changed_costs_nothing() -> None:
    given = reference()
    result = score_condition(TELEPHONE, given, given.scores)
    assert (result.delta_ccc, result.delta_mae, result.unchanged, result.passed) == (0.0, 0.0, 1.0, True)
    assert result.ci95 == result.mae_ci95 == (0.0, 0.0)
    assert (result.shift, result.shift_quartiles) == (0.0, (0.0, 0.0, 0.0))
    assert (result.ccc, result.mae) == given.figures
    assert result.mae == pytest.approx(0.3)


def test_a_drop_is_counted_and_has_its_interval() -> None:
    given = reference()
    changed = given.scores * 0.5
    result = score_condition(TELEPHONE, given, changed)
    before, after = (figures_of(given.labels, scores, TASK) for scores in (given.scores, changed))
    ccc, mae = (float(after[name] or 0) - float(before[name] or 0) for name in ("CCC", "MAE"))
    assert (result.delta_ccc, result.delta_mae) == pytest.approx((ccc, mae))
    assert result.unchanged == pytest.approx(np.mean(np.abs(given.scores) <= 1))
    assert not result.passed
    assert result.ci95 is not None
    assert result.ci95[0] < result.delta_ccc < result.ci95[1] < 0
    assert result.mae_ci95 is not None
    assert 0 < result.mae_ci95[0] < result.delta_mae < result.mae_ci95[1]
    assert 0.08 <= result.allowed_drop < 0.11, "8 points, and what chance adds to a model that is nearly right"


def test_scores_that_move_fail_a_condition_alone() -> None:
    given = reference()
    # Half of the scores err to the other side, by 0.3 as before: they move by 0.6, and MAE stays.
    moved = np.where(np.arange(400) % 2 == 0, 2 * given.labels - given.scores, given.scores)
    result = score_condition(TELEPHONE, given, moved)
    assert result.delta_mae == pytest.approx(0, abs=1e-12)
    assert abs(result.delta_ccc) < 0.01
    assert result.unchanged == pytest.approx(0.5)
    assert not result.passed


def test_a_drop_of_ccc_fails_a_condition_alone() -> None:
    rows = rows_of()
    rows["sentiment"] /= 6  # no score is further than half a step from the middle
    given = ScoreReference(rows, rows["sentiment"].to_numpy(), task=TASK, seed=0)
    result = score_condition(TELEPHONE, given, 0.3 * given.scores)
    assert result.unchanged == 1.0
    assert result.delta_ccc < -0.3
    assert not result.passed


def test_a_shift_is_reported_with_its_sign() -> None:
    given = reference()
    result = score_condition(TELEPHONE, given, given.scores - np.where(np.arange(400) % 5 == 0, 0.0, 0.4))
    assert result.shift == pytest.approx(-0.32)
    assert result.shift_quartiles == pytest.approx((-0.4, -0.4, -0.4))
    assert result.unchanged == 1.0


def test_few_dialogues_have_no_interval() -> None:
    given = reference(rows_of(dialogues=4))
    result = score_condition(TELEPHONE, given, given.scores)
    assert result.ci95 is None
    assert result.mae_ci95 is None


def test_a_group_that_the_model_fails_is_found() -> None:
    results = {(each.by, each.group): each for each in score_groups(reference(worse="b"))}
    assert [key for key, each in results.items() if not each.passed] == [("gender", "F"), ("speaker", "b")], (
        "and the gender with that speaker"
    )
    found = results["speaker", "b"]
    assert found.delta_mae == pytest.approx(1.0)
    assert found.mae == pytest.approx(1.3)
    assert found.ci95 == pytest.approx((1.0, 1.0)), "every error is the same"
    assert found.allowed_gap >= ALLOWED_GAP * 6
    assert "session" not in {by for by, _ in results}, "one session has no others"
    assert len([by for by, _ in results if by == "length"]) == 4


def test_a_group_is_compared_with_others_at_the_same_steps() -> None:
    rows = rows_of()
    labels, numbers = rows["sentiment"].to_numpy(), np.arange(len(rows))
    # Errors grow with the truth, and one group has the high ones alone: no bias against it.
    scores = labels + 0.1 * (labels + 4) * np.where(numbers % 2 == 0, -1, 1)
    high = labels >= 2
    mixed = rows.assign(speaker=np.where(high & (numbers % 3 == 0), "high", "others"))
    (group,) = (each for each in score_groups(ScoreReference(mixed, scores, TASK, 0)) if each.group == "high")
    assert group.mae == pytest.approx(0.65, abs=0.02)
    assert group.delta_mae == pytest.approx(0, abs=1e-9)
    assert group.passed
    apart = ScoreReference(rows.assign(speaker=np.where(high, "high", "others")), scores, TASK, 0)
    by_name = {each.group: each for each in score_groups(apart) if each.by == "speaker"}
    assert {name: (each.delta_mae, each.ci95, each.passed) for name, each in by_name.items()} == {
        "high": (None, None, True),
        "others": (None, None, True),
    }


def test_small_groups_are_not_compared() -> None:
    rows = rows_of(60)
    results = score_groups(reference(rows.assign(speaker=[f"s{number // 5}" for number in range(60)])))
    assert {each.by for each in results} == {"gender", "length"}


def test_utterances_of_one_score_are_refused() -> None:
    with pytest.raises(StressError, match="all 400 utterances have the sentiment 1, so that CCC is undefined"):
        reference(rows_of().assign(sentiment=1.0))
