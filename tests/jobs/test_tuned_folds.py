"""The folds of a study before its splits exist."""

import pytest

from merflow.contracts.params import TuningParams
from merflow.contracts.params_files import shipped_params
from merflow.errors import TuningError
from merflow.jobs.tuned_folds import with_known_folds

SHIPPED = shipped_params()


def tuning(folds: list[int]) -> TuningParams:
    return SHIPPED.tuning.model_copy(update={"folds": folds})


@pytest.mark.parametrize(
    ("protocol", "folds"),
    [
        ("session-5fold", [1, 2]),
        ("k-fold", [1, 2]),
        ("official", [1]),
        ("session5-only", [1]),
        ("leave-one-speaker-out", "auto"),
        ("auto", "auto"),
    ],
)
def test_the_first_two_folds_of_a_protocol_are_tuned_on(protocol: str, folds: object) -> None:
    splits = SHIPPED.splits.model_copy(update={"protocol": protocol})
    assert with_known_folds(SHIPPED.tuning, splits=splits).folds == folds


def test_named_folds_stay_if_the_protocol_has_them() -> None:
    official = SHIPPED.splits.model_copy(update={"protocol": "official"})
    tenfold = SHIPPED.splits.model_copy(update={"protocol": "speaker-10fold"})
    by_session = SHIPPED.splits.model_copy(update={"protocol": "leave-one-session-out"})
    assert with_known_folds(tuning([10, 3]), splits=tenfold).folds == [10, 3]
    assert with_known_folds(tuning([10, 3]), splits=by_session).folds == [10, 3]
    with pytest.raises(TuningError) as caught:
        with_known_folds(tuning([1, 2]), splits=official)
    assert str(caught.value) == "official has no fold 2; its last one is 1. Choose others with --folds"
