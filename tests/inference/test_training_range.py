"""Distances from the training data: masked steps do not count, and the usual distance covers 99% of the data."""

import numpy as np
import pytest
import torch

from merflow.contracts.batch import Batch
from merflow.inference.training_range import distances, usual_distances


def batch(values: torch.Tensor, present: torch.Tensor) -> Batch:
    return Batch({"speech": values}, {"speech": present}, None, tuple(map(str, range(len(values)))))


def test_the_distance_is_that_of_the_mean_step() -> None:
    values = torch.tensor([[[1.0, -1.0], [3.0, -3.0], [99.0, 99.0]], [[0.5, 0.5], [-0.5, -0.5], [0.0, 0.0]]])
    present = torch.tensor([[True, True, False], [True, True, True]])
    assert distances(batch(values, present))["speech"] == pytest.approx([2.0, 0.0])
    layers = values[:, :, None].expand(-1, -1, 4, -1)
    assert distances(batch(layers, present))["speech"] == pytest.approx([2.0, 0.0])


def test_an_utterance_without_the_role_has_no_distance() -> None:
    found = distances(batch(torch.ones(2, 3, 5), torch.tensor([[True] * 3, [False] * 3])))["speech"]
    assert found[0] == pytest.approx(1.0)
    assert np.isnan(found[1])


def test_the_usual_distance_is_above_nearly_all() -> None:
    parts = [{"speech": np.arange(100) / 100}, {"speech": np.append(np.arange(100) / 100, np.nan)}]
    usual = usual_distances(parts)["speech"]  # type: ignore[arg-type] # a literal is not a Mapping of roles to mypy
    assert usual == pytest.approx(0.99)
    assert usual_distances([]) == {}
    assert usual_distances([{"speech": np.full(3, np.nan)}]) == {}
