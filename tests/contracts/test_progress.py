import pytest

from merflow.contracts.progress import plain_lines


def test_a_training_counts_epochs_and_other_stages_what_their_name_says(capsys: pytest.CaptureFixture[str]) -> None:
    tell = plain_lines()
    tell("train mfdr:full:1", 40, 40)
    tell("train folds", 5, 5)
    assert capsys.readouterr().err.splitlines() == [
        "merflow | train mfdr:full:1: epoch 40/40 (0 s)",
        "merflow | train folds: 5/5 (0 s)",
    ]
