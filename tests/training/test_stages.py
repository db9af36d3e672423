"""Several stages of one fold: their start, their end, and interruptions, which change nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from merflow.contracts.tracker import NullTracker
from merflow.errors import TrainingError
from merflow.training.loop import TrainedFold, train_fold
from merflow.training.stages import Material, Stage
from tests.models.batches import EMOTIONS
from tests.training.interruption import assert_equal, interrupted, without_seconds
from tests.training.separable import SEED, fold, fresh_model, params, recipe, separable

# The first stage's best epoch is not its last one, so that it matters which weights the second starts from; and its UA
# cannot be beaten, but its loss can.
FIRST: dict[str, Any] = {"lr": 0.03, "patience_epochs": 3, "max_epochs": 20, "monitor": "dev_ua"}
SECOND: dict[str, Any] = {"lr": 0.02, "patience_epochs": 2, "max_epochs": 5, "monitor": "dev_loss", "optimizer": "adam"}
# A rate at which everything is forgotten.
WORSE: dict[str, Any] = {"lr": 3.0, "patience_epochs": 2, "max_epochs": 5}


def two_stages(model: nn.Module, folder: Path, **changes: Any) -> TrainedFold:  # noqa: ANN401 - as `fold`
    return fold(model, folder, later=[SECOND], **FIRST, **changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, TrainedFold]:
    model = fresh_model()
    return model, two_stages(model, tmp_path_factory.mktemp("whole"))


def test_each_stage_has_its_own_recipe_and_patience(whole: tuple[nn.Module, TrainedFold]) -> None:
    history = whole[1].history
    first = [figures for figures in history.epochs if figures.stage == 1]
    second = [figures for figures in history.epochs if figures.stage == 2]
    assert [figures.epoch for figures in history.epochs] == list(range(1, len(first) + len(second) + 1))
    best = max(first, key=lambda figures: figures.dev_ua).epoch
    assert len(first) == best + 3 < 20
    assert {figures.lr for figures in first} == {0.03}
    assert {figures.lr for figures in second} == {0.02}
    assert history.best_epoch > len(first)
    assert len(history.epochs) == max(history.best_epoch + 2, len(first) + 2)


def test_a_stage_starts_from_the_best_weights_of_the_one_before(tmp_path: Path) -> None:
    alone, started = fresh_model(), []
    fold(alone, tmp_path / "alone", **FIRST)
    expected = {name: value.clone() for name, value in alone.state_dict().items()}
    model = fresh_model()
    material = Material(model, EMOTIONS, separable(96, seed=1), separable(40, seed=2))

    def second() -> Material:
        started.append({name: value.clone() for name, value in model.state_dict().items()})
        return material

    train_fold(
        [Stage(recipe(**FIRST), lambda: material), Stage(recipe(**SECOND), second)],
        seed=SEED,
        params=params(),
        folder=tmp_path / "both",
        tracker=NullTracker(),
    )
    assert len(started) == 1
    assert_equal(started[0], expected)


@pytest.mark.parametrize("after", [None, 1])
def test_a_stage_that_is_never_better_changes_nothing(tmp_path: Path, after: int | None) -> None:
    alone = fresh_model()
    first = fold(alone, tmp_path / "alone", **FIRST).history
    if after is not None:
        interrupted(tmp_path / "both", after=len(first.epochs) + after, later=[WORSE], **FIRST)
    model = fresh_model()
    found = fold(model, tmp_path / "both", later=[WORSE], **FIRST)
    assert len(found.history.epochs) == len(first.epochs) + 2, "the patience of the second stage"
    assert (found.history.best_epoch, found.history.best.stage) == (first.best_epoch, 1)
    assert_equal(found.material.model.state_dict(), alone.state_dict())


def test_figures_are_compared_by_the_monitor_of_the_later_stage(tmp_path: Path) -> None:
    history = fold(fresh_model(), tmp_path, later=[{**SECOND, "monitor": "dev_ua"}], **FIRST).history
    assert history.best.stage == 1, "its UA cannot be beaten, so a lower loss is no reason"
    assert history.best.dev_ua == 1.0
    assert any(figures.dev_loss < history.best.dev_loss for figures in history.epochs if figures.stage == 2)


@pytest.mark.parametrize("moment", ["in the first", "at the end of the first", "in the second", "at the end"])
def test_a_fold_resumes_in_any_stage(whole: tuple[nn.Module, TrainedFold], tmp_path: Path, moment: str) -> None:
    model, expected = whole
    epochs = expected.history.epochs
    first = sum(figures.stage == 1 for figures in epochs)
    after = {"in the first": 2, "at the end of the first": first, "in the second": first + 1, "at the end": len(epochs)}
    interrupted(tmp_path, after=after[moment], later=[SECOND], **FIRST)
    resumed = fresh_model()
    found = two_stages(resumed, tmp_path)
    assert without_seconds(found.history.rows()) == without_seconds(expected.history.rows())
    assert found.history.best_epoch == expected.history.best_epoch
    assert_equal(resumed.state_dict(), model.state_dict())


def test_a_finished_stage_is_not_opened_again(tmp_path: Path) -> None:
    material = Material(fresh_model(), EMOTIONS, separable(96, seed=1), separable(40, seed=2))
    interrupted(tmp_path, after=4, max_epochs=3, later=[{"max_epochs": 3}])

    def never() -> Material:
        raise AssertionError("opened")

    trained = train_fold(
        [Stage(recipe(max_epochs=3), never), Stage(recipe(max_epochs=3), lambda: material)],
        seed=SEED,
        params=params(),
        folder=tmp_path,
        tracker=NullTracker(),
    )
    assert [figures.stage for figures in trained.history.epochs] == [1, 1, 1, 2, 2, 2]


def test_progress_counts_the_epochs_of_all_stages(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def progress(epoch: int, last: int, _figures: Mapping[str, float]) -> None:
        told.append((epoch, last))

    fold(fresh_model(), tmp_path, max_epochs=9, patience_epochs=1, lr=1.0, later=[{"max_epochs": 2}], progress=progress)
    first = len(told) - 2
    assert first < 9, "a first stage that runs to its end would prove nothing"
    assert told == [(epoch, 11) for epoch in range(1, first + 1)] + [(first + 1, first + 2), (first + 2, first + 2)]


def test_encoders_have_their_own_learning_rate_and_the_schedule_changes_both(tmp_path: Path) -> None:
    class Grouped(nn.Module):
        """A model whose gates count as encoders."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = fresh_model()

        def forward(self, batch: object) -> object:
            return self.inner(batch)

        def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
            named = dict(self.inner.named_parameters())
            return {
                "model": [value for name, value in named.items() if "gate" not in name],
                "encoders": [value for name, value in named.items() if "gate" in name],
            }

    model = Grouped()
    before = {name: value.clone() for name, value in model.named_parameters()}
    history = fold(model, tmp_path, max_epochs=5, schedule="tenth-after-half", encoder_lr=1e-30).history
    assert [figures.lr for figures in history.epochs] == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.001])
    gates = [name for name in before if "gate" in name]
    after = dict(model.named_parameters())
    assert gates
    for name, value in before.items():
        assert torch.allclose(after[name], value, rtol=0, atol=1e-25) == (name in gates), name


def fixed(model: nn.Module, folder: Path, *counts: int, **changes: Any) -> TrainedFold:  # noqa: ANN401 - any
    """Train stages of fixed numbers of epochs, without development utterances."""
    material = Material(model, EMOTIONS, separable(96, seed=1), dev=None)
    stages = [Stage(recipe(**changes), lambda: material, epochs=count) for count in counts]
    return train_fold(stages, seed=SEED, params=params(), folder=folder, tracker=NullTracker())


def test_without_development_utterances_the_last_epoch_is_kept(tmp_path: Path) -> None:
    model = fresh_model()
    trained = fixed(model, tmp_path / "fixed", 3, 2)
    history = trained.history
    assert [(figures.epoch, figures.stage) for figures in history.epochs] == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)]
    assert history.best_epoch == 5
    assert not any(figures.has_development for figures in history.epochs)
    again, longer = fresh_model(), fresh_model()
    fixed(again, tmp_path / "again", 3, 2)
    fixed(longer, tmp_path / "longer", 3, 3)
    weights = model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in again.state_dict().items())
    assert not all(torch.equal(value, weights[name]) for name, value in longer.state_dict().items())


def test_a_fixed_number_of_epochs_gives_the_weights_that_development_data_would_choose(tmp_path: Path) -> None:
    """The learning rate follows the schedule of the recipe's full number of epochs."""
    halved: dict[str, Any] = {"max_epochs": 8, "schedule": "tenth-after-half"}
    chosen = fresh_model()
    history = fold(chosen, tmp_path / "chosen", **halved).history
    model = fresh_model()
    rates = [figures.lr for figures in fixed(model, tmp_path / "fixed", history.best_epoch, **halved).history.epochs]
    assert rates == [figures.lr for figures in history.epochs][: history.best_epoch]
    weights = chosen.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_a_checkpoint_of_another_number_of_epochs_is_refused(tmp_path: Path) -> None:
    fixed(fresh_model(), tmp_path, 2)
    with pytest.raises(TrainingError, match="epochs 1"):
        fixed(fresh_model(), tmp_path, 3)
