"""The equations and blocks of context-mmt against slow loops in float64."""

import pytest
import torch
from torch import Tensor

from merflow.contracts.streams import StreamShape
from merflow.models.context_mmt import (
    PATHS,
    ContextExtractor,
    ContextMMT,
    ContextMMTConfig,
    FeatureExtractor,
    LayerGate,
    System,
)
from tests.models.batches import EMOTIONS, random_batch, shapes_of
from tests.models.slow import assert_near, sequences

LAYERS, WIDTH, DIMS = 4, 7, 6


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(11)


def slow_gate(gate: LayerGate, steps: Tensor) -> Tensor:
    """Compute squeeze-and-excitation of one utterance ``(T, L, D)``, number by number."""
    squeezed = gate.squeeze.bias[0].clone()
    for layer in range(steps.shape[1]):
        total, count = 0.0, 0
        for step in steps[:, layer]:
            for value in step:
                total, count = total + value, count + 1
        squeezed = squeezed + gate.squeeze.weight[0, layer] * (total / max(count, 1))
    excited = [
        gate.excite.weight[layer, 0] * max(squeezed, torch.zeros(())) + gate.excite.bias[layer]
        for layer in range(steps.shape[1])
    ]
    return torch.stack([1 / (1 + torch.exp(-value)) for value in excited])


def slow_extract(extractor: FeatureExtractor, steps: Tensor) -> Tensor:
    """Scale the layers, sum them, project, normalize: ``(T, L, D)`` to ``(T, H)``."""
    weights = slow_gate(extractor.gate, steps)
    rows = []
    for step in steps:
        summed = sum(weights[layer] * step[layer] for layer in range(step.shape[0]))
        projected = extractor.project.weight @ summed + extractor.project.bias
        mean, variance = projected.mean(), projected.var(unbiased=False)
        normed = (projected - mean) / torch.sqrt(variance + extractor.norm.eps)
        rows.append(normed * extractor.norm.weight + extractor.norm.bias)
    return torch.stack(rows)


@pytest.mark.parametrize("lengths", [[5, 1, 3], [1, 1], [1], [4]])
def test_layer_gate(lengths: list[int]) -> None:
    gate = LayerGate(layers=LAYERS).double()
    values, present = sequences(lengths, LAYERS, WIDTH)
    actual = gate(values, present)
    for position, length in enumerate(lengths):
        assert_near(actual[position], slow_gate(gate, values[position, :length]))


def test_layer_gate_of_nothing_is_the_gate_of_zeros() -> None:
    gate = LayerGate(layers=LAYERS).double()
    values, present = sequences([0, 2], LAYERS, WIDTH)
    zeros = torch.zeros(1, LAYERS, WIDTH, dtype=torch.float64)
    assert_near(gate(values, present)[0], slow_gate(gate, zeros))


@pytest.mark.parametrize("lengths", [[5, 1, 3], [1]])
def test_feature_extractor(lengths: list[int]) -> None:
    extractor = FeatureExtractor(shape=StreamShape(layers=LAYERS, width=WIDTH), dims=DIMS).double()
    values, present = sequences(lengths, LAYERS, WIDTH)
    actual = extractor(values, present)
    for position, length in enumerate(lengths):
        expected = slow_extract(extractor, values[position, :length])
        assert_near(actual[position, :length], expected)


@pytest.mark.parametrize(
    "absent",
    [
        [],  # in the middle of a dialogue
        [0, 1, 2, 3],  # the first turn of a dialogue
        [0, 1, 2, 3, 5, 6, 7, 8],  # a dialogue of one turn
        [4],  # an utterance without words
        [2, 6, 7, 8],
    ],
)
def test_context_convolution(absent: list[int]) -> None:
    extractor = ContextExtractor(
        shape=StreamShape(layers=LAYERS, width=WIDTH), dims=DIMS, neighbours=4, kernel=3
    ).double()
    bias = extractor.convolve.bias
    assert bias is not None
    values, _ = sequences([9, 9], LAYERS, WIDTH)
    present = torch.ones(2, 9, dtype=torch.bool)
    present[1, absent] = False
    actual = extractor(values, present)
    for position in range(2):
        turns = torch.zeros(9, DIMS, dtype=torch.float64)
        for turn in range(9):
            if present[position, turn]:
                turns[turn] = slow_extract(extractor.extract, values[position, [turn]])[0] * extractor.turn_weight[turn]
        for turn in range(9):
            total = bias
            for tap in range(3):
                if 0 <= turn + tap - 1 < 9:
                    total = total + extractor.convolve.weight[:, :, tap] @ turns[turn + tap - 1]
            assert_near(actual[position, turn], total.clamp(min=0))


def test_near_turns_weigh_more_at_first() -> None:
    extractor = ContextExtractor(shape=StreamShape(layers=2, width=3), dims=2, neighbours=2, kernel=3)
    torch.testing.assert_close(extractor.turn_weight.detach(), torch.tensor([1 / 9, 1 / 4, 1, 1 / 4, 1 / 9]))


@pytest.mark.parametrize("system", PATHS)
def test_the_utterance_is_told_from_its_neighbours(system: System) -> None:
    config = ContextMMTConfig(system=system)
    if "text" not in config.sources:
        return
    model = ContextMMT(config, shapes=shapes_of(config.streams()), task=EMOTIONS).eval()
    batch = random_batch(config.streams(), [4, 4])
    batch.present["text_layers"][:] = True
    batch.features["text_layers"][1] = batch.features["text_layers"][0][[0, 1, 3, 2, 5, 4, 6, 7, 8]]
    if "speech_layers" in batch.features:
        batch.features["speech_layers"][1] = batch.features["speech_layers"][0]
    output = model(batch)
    assert bool((output.logits[0] - output.logits[1]).abs().max() > 1e-4)


@pytest.mark.parametrize("system", PATHS)
def test_the_embedding_is_the_pooled_paths(system: System) -> None:
    config = ContextMMTConfig(system=system)
    model = ContextMMT(config, shapes=shapes_of(config.streams()), task=EMOTIONS).eval()
    output = model(random_batch(config.streams(), [4, 7, 1]))
    assert output.embedding.shape == (3, 16 * len(PATHS[system]))
    torch.testing.assert_close(model.classify(output.embedding), output.logits)


def test_a_system_reads_only_its_streams() -> None:
    streams = {system: [stream.role for stream in ContextMMTConfig(system=system).streams()] for system in PATHS}
    assert streams == {
        system: ["speech_layers"]
        if system.startswith("audio")
        else ["text_layers"]
        if system.startswith("text")
        else ["speech_layers", "text_layers"]
        for system in PATHS
    }
    speech, text = ContextMMTConfig(system="mmt").streams()
    assert (speech.clip_s, speech.skip_silence, speech.pooled, speech.neighbours) == (5.0, True, False, 0)
    assert (text.clip_s, text.pooled, text.neighbours) == (None, True, 4)


@pytest.mark.parametrize(("changes", "message"), [({"kernel": 2}, "kernel 2 is even"), ({"heads": 3}, "3 heads")])
def test_sizes_that_do_not_fit(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ContextMMTConfig(system="mmt", **changes)
