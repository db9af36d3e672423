"""A fold whose labels are scores."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from merflow.contracts.task import SCALES
from merflow.contracts.tracker import NullTracker
from merflow.evaluation.scores.metrics import figures_of
from merflow.inference.determinism import seed_epoch
from merflow.inference.prediction import predict
from merflow.models import MODELS
from merflow.training.loop import TrainedFold, train_fold
from merflow.training.stages import Material, Stage
from tests.training.interruption import without_seconds
from tests.training.separable import SHAPES, Utterances, params, recipe, separable

VALENCE = SCALES["valence"]
DEV, TEST = (2, 8)


def rated(count: int, *, seed: int) -> Utterances:
    """Return utterances whose valence is 1.2 to 4.2 and follows from the columns that are raised."""
    found = separable(count, seed=seed)
    assert found.labels is not None
    return replace(found, labels=(1.2 + found.labels).astype(np.float32))


def model_of_valence() -> nn.Module:
    seed_epoch(0, epoch=0)
    entry = MODELS["context-mmt"]
    return entry.model(entry.configure({"system": "mmt", "dropout": 0.2}), shapes=SHAPES, task=VALENCE)


def fold(folder: Path, *, epochs: int = 8, monitor: str = "dev_ccc") -> TrainedFold:
    material = Material(model_of_valence(), VALENCE, rated(96, seed=1), rated(40, seed=DEV), rated(60, seed=TEST))
    stage = Stage(recipe(max_epochs=epochs, monitor=monitor), lambda: material)
    return train_fold([stage], seed=3, params=params(), folder=folder, tracker=NullTracker())


@pytest.mark.parametrize("monitor", ["dev_loss", "dev_mae", "dev_ccc"])
def test_the_epoch_with_the_best_monitored_figure_is_chosen(tmp_path: Path, monitor: str) -> None:
    trained = fold(tmp_path, monitor=monitor)
    figures = [epoch.monitored(monitor) for epoch in trained.history.epochs]
    best = max(figures) if monitor == "dev_ccc" else min(figures)
    assert trained.history.best_epoch == 1 + figures.index(best)
    dev = rated(40, seed=DEV)
    assert dev.labels is not None
    scores = predict(trained.material.model, dev, task=VALENCE, batch_size=7, params=params())[:, 0]
    chosen = trained.history.best.development
    expected = figures_of(dev.labels, scores, VALENCE)
    assert chosen["dev_mae"] == pytest.approx(expected["MAE"], abs=1e-5)
    assert chosen["dev_ccc"] == pytest.approx(expected["CCC"], abs=1e-5)
    assert chosen["dev_ccc"] > 0.5
    assert list(trained.history.best.row)[3:7] == ["dev_loss", "dev_mae", "dev_ccc", "dev_pearson"]


def test_the_shadow_has_the_lowest_test_error(tmp_path: Path) -> None:
    shadow = fold(tmp_path / "long").shadow
    test = rated(60, seed=TEST)
    assert shadow is not None
    assert test.labels is not None
    assert shadow.predictions.shape == (60, 1)
    errors = [fold(tmp_path / str(n), epochs=n).shadow for n in (1, 3)]
    assert -shadow.figure == pytest.approx(figures_of(test.labels, shadow.predictions[:, 0], VALENCE)["MAE"])
    assert all(each is not None and shadow.figure >= each.figure for each in errors)


def test_a_resumed_fold_is_the_same(tmp_path: Path) -> None:
    whole = fold(tmp_path / "whole", epochs=4)
    fold(tmp_path / "stopped", epochs=4)
    again = fold(tmp_path / "stopped", epochs=4)
    assert without_seconds(again.history.rows()) == without_seconds(whole.history.rows())
    for name, value in whole.material.model.state_dict().items():
        torch.testing.assert_close(again.material.model.state_dict()[name], value, rtol=0, atol=0)
