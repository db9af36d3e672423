"""The shadow selection changes nothing about the training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from merflow.evaluation.metrics import unweighted_accuracy
from merflow.training.loop import TrainedFold
from merflow.training.shadow import Shadow
from tests.models.batches import EMOTIONS
from tests.training.interruption import assert_equal, interrupted, without_seconds
from tests.training.separable import Utterances, fold, fresh_model, separable

CHANGES: dict[str, Any] = {"lr": 0.03, "max_epochs": 12, "patience_epochs": 6}


def relabelled(source: Utterances) -> Utterances:
    assert source.labels is not None
    return Utterances(source.features, (source.labels + 1) % 4, source.shapes, source.count)


def run(folder: Path, test: Utterances | None) -> tuple[TrainedFold, dict[str, torch.Tensor]]:
    model = fresh_model()
    trained = fold(model, folder, test=test, **CHANGES)
    return trained, model.state_dict()


def test_the_shadow_changes_neither_the_weights_nor_the_chosen_epoch(tmp_path: Path) -> None:
    test = separable(60, seed=8, noise=1.5)
    plain, weights = run(tmp_path / "off", None)
    shadowed, same = run(tmp_path / "on", test)
    misled, too = run(tmp_path / "wrong", relabelled(test))
    assert plain.shadow is None
    assert shadowed.shadow is not None
    assert misled.shadow is not None
    assert shadowed.shadow.epoch != misled.shadow.epoch, "a test part that chooses alike would prove nothing"
    for other, its_weights in ((shadowed, same), (misled, too)):
        assert without_seconds(other.history.rows()) == without_seconds(plain.history.rows())
        assert other.history.best_epoch == plain.history.best_epoch
        assert_equal(its_weights, weights)


def test_the_shadow_is_the_epoch_with_the_highest_test_figure(tmp_path: Path) -> None:
    test = separable(60, seed=8, noise=1.5)
    assert test.labels is not None
    shadow = run(tmp_path / "long", test)[0].shadow
    assert shadow is not None
    found = unweighted_accuracy(test.labels, shadow.predictions.argmax(axis=1), classes=4)
    assert shadow.figure == found
    by_epoch = [fold(fresh_model(), tmp_path / str(n), test=test, lr=0.03, max_epochs=n).shadow for n in (1, 2, 3)]
    uas = [each.figure for each in by_epoch if each is not None]
    assert uas == sorted(uas)
    assert shadow.figure >= uas[-1]


def test_of_epochs_with_equal_test_figures_the_shadow_is_the_first() -> None:
    right = np.eye(4, dtype=np.float32)
    labels = np.arange(4)
    shadow = Shadow.empty().with_epoch(1, right[::-1].copy(), labels=labels, task=EMOTIONS)
    assert (shadow.epoch, shadow.figure) == (1, 0.0)
    shadow = shadow.with_epoch(2, right, labels=labels, task=EMOTIONS).with_epoch(
        3, right, labels=labels, task=EMOTIONS
    )
    assert (shadow.epoch, shadow.figure) == (2, 1.0)


@pytest.mark.parametrize("after", [1, 4])
def test_a_resumed_fold_has_the_same_shadow(tmp_path: Path, after: int) -> None:
    test = separable(60, seed=8, noise=1.5)
    whole = run(tmp_path / "whole", test)[0].shadow
    interrupted(tmp_path / "stopped", after=after, test=test, **CHANGES)
    resumed = run(tmp_path / "stopped", test)[0].shadow
    assert whole is not None
    assert resumed is not None
    assert (resumed.epoch, resumed.figure) == (whole.epoch, whole.figure)
    np.testing.assert_array_equal(resumed.predictions, whole.predictions)
