from merflow.contracts.fold_record import ChosenEpoch
from merflow.contracts.history import EpochFigures
from merflow.evaluation.report.fold_page import fold_markdown
from tests.contracts.records import SPLITS, epoch, fold_record


def test_the_chosen_epoch_stands_out_and_there_is_no_test_figure() -> None:
    epochs = [
        epoch(number, train_loss=1.23456, dev_loss=0.5, dev_ua=0.7, dev_wa=0.65, lr=1e-4, seconds=6.2)
        for number in (1, 2)
    ]
    chosen = ChosenEpoch(epoch=2, stage=1, dev_ua=0.7, dev_loss=0.5)
    page = fold_markdown(fold_record(fold=2, seed=5, chosen=chosen, epochs=2, seconds=12.4), epochs)
    assert page.splitlines() == [
        "# context-mmt:mmt-frozen, fold 2, seed 5",
        "",
        "Epoch 2 of 2 was chosen by: lowest loss of one training speaker. Stages: frozen. Training took 12 s.",
        "",
        "Encoders (profile lite): speech lite-speech.",
        "",
        "| epoch | train loss | dev loss | dev UA | dev WA | lr |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
        "| 1 | 1.235 | 0.5 | 70.0% | 65.0% | 0.0001 |",
        "| **2** | **1.235** | **0.5** | **70.0%** | **65.0%** | **0.0001** |",
    ]
    assert "test" not in page


def test_a_fold_of_scores_has_their_figures() -> None:
    row = {"epoch": 1, "stage": 1, "train_loss": 1.0, "dev_loss": 0.9, "lr": 1e-3, "seconds": 2.0}
    of_scores = {"dev_mae": 0.912, "dev_ccc": 0.25, "dev_pearson": 0.31}
    chosen = ChosenEpoch(epoch=1, stage=1, dev_loss=0.9, **of_scores)
    fold = fold_record(chosen=chosen, epochs=1, classes=(), split_params=SPLITS.model_copy(update={"task": "valence"}))
    page = fold_markdown(fold, [EpochFigures.of_row({**row, **of_scores})])
    assert page.splitlines()[-3:] == [
        "| epoch | train loss | dev loss | dev MAE | dev CCC | dev Pearson | lr |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| **1** | **1** | **0.9** | **0.912** | **0.25** | **0.31** | **0.001** |",
    ]
