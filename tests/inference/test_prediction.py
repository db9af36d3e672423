"""Probabilities in the order of the source."""

import numpy as np
import pytest
import torch

from merflow.inference.prediction import predict
from tests.models.batches import CLASSES, EMOTIONS
from tests.training.separable import fresh_model, params, separable


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_in_the_order_of_the_source(batch_size: int) -> None:
    source = separable(23, seed=4)
    model = fresh_model().eval()
    found = predict(model, source, task=EMOTIONS, batch_size=batch_size, params=params())
    assert found.shape == (23, CLASSES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
    with torch.no_grad():
        alone = np.concatenate([model(source.batch([place])).logits.softmax(-1).numpy() for place in range(23)])
    np.testing.assert_allclose(found, alone, atol=1e-6)


def test_the_mode_is_kept_and_dropout_is_off() -> None:
    source = separable(9, seed=4)
    model = fresh_model().train()
    first, second = (predict(model, source, task=EMOTIONS, batch_size=4, params=params()) for _ in range(2))
    assert model.training
    np.testing.assert_array_equal(first, second)
