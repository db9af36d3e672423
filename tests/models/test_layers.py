"""The maths that papers share against slow loops in float64."""

import pytest
import torch
from torch import nn

from merflow.contracts.batch import Batch, Output
from merflow.models.layers import Attention, Shown, TransformerLayer, inspect, masked_max, masked_mean
from tests.models.slow import assert_near, sequences, slow_attention

DIMS = 6


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(11)


@pytest.mark.parametrize("heads", [1, 2, 3])
@pytest.mark.parametrize(("targets", "sources"), [([4, 2, 1], [3, 5, 1]), ([1], [1]), ([3], [1]), ([1], [6])])
def test_attention(heads: int, targets: list[int], sources: list[int]) -> None:
    layer = Attention(dims=DIMS, heads=heads, target="text", source="speech").double()
    target, _ = sequences(targets, DIMS)
    source, present = sequences(sources, DIMS)
    actual = layer.attended(target, source, present)
    for position, (steps, seen) in enumerate(zip(targets, sources, strict=True)):
        expected = slow_attention(layer, target[position, :steps], source[position, :seen])
        assert_near(actual[position, :steps], expected)


def test_an_absent_source_adds_nothing() -> None:
    layer = Attention(dims=DIMS, heads=2, target="text", source="speech").double()
    target, _ = sequences([3, 3], DIMS)
    source, present = sequences([0, 2], DIMS)
    actual = layer.attended(target, source, present)
    assert torch.equal(actual[0], torch.zeros(3, DIMS, dtype=torch.float64))
    assert bool(actual[1].abs().sum() > 0)


@pytest.mark.parametrize("lengths", [[5, 1, 3], [0, 2], [1]])
def test_masked_pooling(lengths: list[int]) -> None:
    values, present = sequences(lengths, DIMS)
    mean, highest = masked_mean(values, present), masked_max(values, present)
    for position, length in enumerate(lengths):
        nothing = torch.zeros(DIMS, dtype=torch.float64)
        assert_near(mean[position], sum(values[position, :length], nothing) / max(1, length))
        columns = [max(values[position, :length, column].tolist(), default=0.0) for column in range(DIMS)]
        assert_near(highest[position], torch.tensor(columns, dtype=torch.float64))


def test_transformer_layer() -> None:
    layer = TransformerLayer(dims=DIMS, heads=2, feedforward=8, target="text", source="speech").double()
    target, _ = sequences([4, 2], DIMS)
    source, present = sequences([3, 5], DIMS)
    actual = layer(target, source, present)
    for position, (steps, seen) in enumerate([(4, 3), (2, 5)]):
        attended = slow_attention(layer.attention, target[position, :steps], source[position, :seen])
        middle = layer.attention_norm(target[position, :steps] + layer.attention.merge(attended))
        assert_near(actual[position, :steps], layer.feedforward_norm(middle + layer.feedforward(middle)))


class Looking(nn.Module):
    """A model that attends twice with the same weights and shows a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention(dims=DIMS, heads=2, target="speech", source="speech")
        self.gate = Shown("speech")

    def forward(self, batch: Batch) -> Output:
        values, present = batch.features["speech"], batch.present["speech"]
        twice = self.attention(self.attention(values, values, present), values, present)
        pooled = masked_mean(twice * self.gate(twice.sum(dim=-1)).unsqueeze(-1), present)
        return Output(logits=pooled, embedding=pooled, losses={})


def test_inspect_collects_weights_and_what_is_shown() -> None:
    values, present = sequences([3, 5, 0], DIMS)
    model = Looking().double().train()
    batch = Batch({"speech": values}, {"speech": present}, None, ("a", "b", "c"))
    actual = inspect(model, batch)
    assert list(actual) == ["attention.attend", "attention.attend#2", "gate"]
    assert [entry.axes for entry in actual.values()] == [("head", "speech", "speech")] * 2 + [("speech",)]
    weights = actual["attention.attend"].values
    assert weights.shape == (3, 2, 5, 5)
    torch.testing.assert_close(weights[:2].sum(dim=-1), torch.ones(2, 2, 5))
    assert not weights[0, :, :, 3:].any()
    assert not weights[2].any()
    assert model.training
    assert list(inspect(model, batch)) == list(actual)
