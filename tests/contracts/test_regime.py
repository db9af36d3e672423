"""The encoders' part in a training, in words."""

from pathlib import Path

import pytest

from merflow.contracts.fold_record import FOLD_RECORD, read_fold_record, write_fold_record
from merflow.contracts.protocols import Policy
from merflow.contracts.regime import Regime
from tests.contracts.records import fold_record

NOTE = "encoders frozen; the paper fine-tunes them"


@pytest.mark.parametrize(
    ("asked", "ran", "note"),
    [
        (("partial",), ("partial",), None),
        (("frozen",), ("frozen",), None),
        (("partial",), ("frozen",), NOTE),
        (("frozen", "partial"), ("frozen",), NOTE),
        (("frozen", "partial"), ("frozen", "partial"), None),
    ],
)
def test_frozen_encoders_are_reported_where_the_paper_fine_tunes(
    asked: tuple[Policy, ...], ran: tuple[Policy, ...], note: str | None
) -> None:
    assert Regime(asked=asked, ran=ran).note == note


def test_the_record_of_a_fold_says_it_in_words(tmp_path: Path) -> None:
    record = fold_record(regime=Regime(asked=("full",), ran=("frozen",)))
    write_fold_record(tmp_path, record)
    assert NOTE in (tmp_path / FOLD_RECORD).read_text()
    assert read_fold_record(tmp_path) == record
