"""Every model learns a score as well as classes."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from merflow.contracts.batch import Batch, Output
from merflow.contracts.streams import Stream
from merflow.contracts.task import SCALES, Regression
from merflow.models import MODELS
from merflow.models.foal_net import emotion_of
from merflow.models.layers import output_layer
from merflow.presets import catalogue
from tests.models.batches import EMOTIONS, SMALL, random_batch, shapes_of

FULL = ("context-mmt:mmt-frozen", "foal-net:full", "gia-mic:full", "layer-adapter-fusion:stc-mf-la", "mfdr:full")
VALENCE = SCALES["valence"]


def scored(streams: Sequence[Stream]) -> Batch:
    return replace(random_batch(streams, [17, 5, 1, 9, 12, 3, 23, 8]), labels=torch.linspace(1, 5, 8))


@pytest.mark.parametrize("variant", FULL)
def test_its_main_term_is_the_absolute_error(variant: str) -> None:
    preset = catalogue.preset(variant)
    config = MODELS[preset.model].configure(preset.config | SMALL.get(preset.model, {}))
    torch.manual_seed(0)
    model = MODELS[preset.model].model(config, shapes=shapes_of(config.streams()), task=VALENCE)
    batch = scored(config.streams())
    assert batch.labels is not None
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    first = model(batch).losses["l1"].value.item()
    for _ in range(60):
        optimizer.zero_grad()
        model(batch).loss.backward()
        optimizer.step()
    model.eval()
    output: Output = model(batch)
    assert output.logits.shape == (8, 1)
    torch.testing.assert_close(output.losses["l1"].value, (output.logits[:, 0] - batch.labels).abs().mean())
    assert output.losses["l1"].value < first / 2
    others = {"foal-net:full": {"avel", "mem"}, "gia-mic:full": {"mic"}}.get(variant, set())
    assert output.losses.keys() == {"l1"} | others


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_a_score_is_learned_as_the_distance_from_the_middle_of_the_scale(scale: Regression) -> None:
    layer, pooled = output_layer(6, scale), torch.randn(3, 6)
    distance = pooled @ layer.weight.T + layer.bias
    torch.testing.assert_close(layer(pooled), distance + (scale.low + scale.high) / 2)


def test_equal_emotion_is_the_same_whole_number_of_the_scale() -> None:
    scores = torch.tensor([-2.8, -3.0, -0.3, 0.3, 1.6, 2.4])
    assert emotion_of(scores, SCALES["sentiment"]).tolist() == [-3, -3, 0, 0, 2, 2]
    labels = torch.tensor([3, 0, 1])
    assert emotion_of(labels, EMOTIONS) is labels
