"""The epochs of a refit, from histories written by hand."""

import pytest

from merflow.contracts.history import EpochFigures, write_history
from merflow.contracts.recipe import Recipe
from merflow.errors import PromotionError
from merflow.promotion.packaging.chosen_epochs import passed_epochs, stage_epochs
from merflow.runs.run_folder import TrainedFold
from tests.contracts.records import RECIPE, epoch, fold_record


def history(*stages: list[float]) -> list[EpochFigures]:
    """Return epochs with these development losses."""
    rows: list[EpochFigures] = []
    for stage, losses in enumerate(stages, start=1):
        rows += [epoch(len(rows) + number, stage=stage, dev_loss=loss) for number, loss in enumerate(losses, start=1)]
    return rows


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (([3.0, 1.0, 2.0],), (2,)),
        # The second stage starts from epoch 2 of the first, and its own second epoch is the best.
        (([3.0, 1.0, 2.0], [0.9, 0.5, 0.7]), (2, 2)),
        # The second stage improves nothing.
        (([3.0, 1.0, 2.0], [1.5, 1.2]), (2, 0)),
        # The last stage of three improves nothing, the second does.
        (([3.0, 1.0], [0.8, 0.9], [2.0]), (2, 1, 0)),
        (([3.0, 1.0], [2.0], [0.5]), (2, 0, 1)),
    ],
)
def test_only_epochs_behind_the_final_weights_count(stages: tuple[list[float], ...], expected: tuple[int, ...]) -> None:
    assert passed_epochs(history(*stages), [RECIPE] * len(stages)) == expected


def test_a_stage_is_judged_by_its_own_monitor() -> None:
    by_ua = Recipe.model_validate(RECIPE.model_dump() | {"monitor": "dev_ua"})
    rows = [epoch(1, dev_loss=1.0, dev_ua=0.4), epoch(2, dev_loss=2.0, dev_ua=0.6)]
    assert passed_epochs(rows, [by_ua]) == (2,)
    assert passed_epochs(rows, [RECIPE]) == (1,)


@pytest.fixture
def folds(tmp_path_factory: pytest.TempPathFactory) -> list[TrainedFold]:
    """Return folds of two stages that went through 2 + 2, 1 + 1, 3 + 0 and 2 + 2 epochs."""
    made = []
    for stages in (
        ([3.0, 1.0], [0.9, 0.5]),
        ([1.0, 3.0], [0.9, 1.0]),
        ([3.0, 2.0, 1.0], [2.0]),
        ([3.0, 1.0], [0.9, 0.5]),
    ):
        folder = tmp_path_factory.mktemp("fold")
        rows = history(*stages)
        write_history(folder, rows)
        best = min(rows, key=lambda row: row.dev_loss)
        chosen = fold_record().chosen.model_copy(update={"epoch": best.epoch, "stage": best.stage})
        made.append(TrainedFold(folder, fold_record(recipes=(RECIPE, RECIPE), chosen=chosen)))
    return made


def test_the_median_of_each_stage_is_rounded_up(folds: list[TrainedFold]) -> None:
    assert stage_epochs(folds) == (2, 2), "medians 2 and 1.5"
    assert stage_epochs(folds[:3]) == (2, 1)
    assert stage_epochs(folds[2:3]) == (3, 0), "no second stage"


def test_a_history_of_another_training_is_refused(folds: list[TrainedFold]) -> None:
    write_history(folds[0].folder, history([1.0, 2.0], [3.0]))
    with pytest.raises(PromotionError, match=r"does not lead to the chosen epoch 4; train the fold again"):
        stage_epochs(folds)
