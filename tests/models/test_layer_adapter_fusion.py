"""The equations and blocks of layer-adapter-fusion against slow loops in float64."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from merflow.contracts.batch import Output
from merflow.contracts.presets import spec_of
from merflow.contracts.streams import Stream
from merflow.errors import PresetError
from merflow.models import MODELS
from merflow.models.layer_adapter_fusion import (
    FusionBlock,
    LayerAdapter,
    LayerAdapterFusion,
    LayerAdapterFusionConfig,
    Source,
)
from merflow.models.layers import Attention, TransformerLayer, inspect
from merflow.presets.catalogue import presets
from merflow.presets.profiles import shipped_profile
from tests.models.batches import EMOTIONS, SMALL, random_batch, shapes_of
from tests.models.slow import assert_near, sequences, slow_attention

LAYERS, WIDTH, DIMS = 4, 5, 6
STC: tuple[Source, ...] = ("speech", "text", "context")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(11)


def small(**switches: Any) -> LayerAdapterFusionConfig:  # noqa: ANN401 - any field of the config
    return LayerAdapterFusionConfig(**({"modalities": STC} | SMALL["layer-adapter-fusion"] | switches))


def gelu(value: float) -> float:
    return 0.5 * value * (1 + math.erf(value / math.sqrt(2)))


def slow_adapter(adapter: LayerAdapter, steps: Tensor) -> Tensor:
    """Compute Eq. 1-2 of one utterance, layer by layer: ``(T, H)`` for ``(T, L, D)``."""
    scores = [math.exp(score) for score in adapter.layer_scores.tolist()]
    rows = []
    for step in steps:
        summed = torch.zeros(adapter.weight.shape[-1], dtype=steps.dtype)
        for layer in range(len(step)):
            mapped = step[layer] @ adapter.weight[layer] + adapter.bias[layer, 0]
            active = torch.tensor([gelu(value) for value in mapped.tolist()], dtype=steps.dtype)
            normed = (active - active.mean()) / torch.sqrt(active.var(unbiased=False) + 1e-5)
            adapted = normed * adapter.gain[layer, 0] + adapter.offset[layer, 0]
            summed = summed + scores[layer] / sum(scores) * adapted
        rows.append(summed)
    return torch.stack(rows)


@pytest.mark.parametrize("lengths", [[5, 1, 3], [1]])
def test_layer_adapter(lengths: list[int]) -> None:
    adapter = LayerAdapter(layers=LAYERS, width=WIDTH, dims=DIMS).double()
    with torch.no_grad():
        for value in (adapter.gain, adapter.offset, adapter.layer_scores):
            value.copy_(torch.randn_like(value))
    values, _ = sequences(lengths, LAYERS, WIDTH)
    actual = adapter(values)
    for position, length in enumerate(lengths):
        assert_near(actual[position, :length], slow_adapter(adapter, values[position, :length]))


def test_all_layers_weigh_the_same_at_first() -> None:
    adapter = LayerAdapter(layers=LAYERS, width=WIDTH, dims=DIMS)
    values, _ = sequences([3], LAYERS, WIDTH)
    values = values.float()
    torch.testing.assert_close(adapter(values)[0], slow_adapter(adapter, values[0]))
    torch.testing.assert_close(adapter.layer_scores.softmax(dim=0), torch.full((LAYERS,), 1 / LAYERS))


def slow_attended(layer: nn.Module, norm: nn.Module, target: Tensor, source: Tensor) -> Tensor:
    """Compute cross-attention with output projection, residual and LayerNorm."""
    assert isinstance(layer, Attention)
    normed: Tensor = norm(target + layer.merge(slow_attention(layer, target, source)))
    return normed


def slow_fused(block: FusionBlock, target: Tensor, sources: list[Tensor]) -> Tensor:
    """Compute Eq. 4-7 of one utterance: one source after the other, then the feed-forward part."""
    for name, source in zip(block.sources, sources, strict=True):
        target = slow_attended(block.attentions[name], block.norms[name], target, source)
    fused: Tensor = block.norm(target + block.feedforward(target))
    return fused


@pytest.mark.parametrize("sources", [("text", "context"), ("text",)])
@pytest.mark.parametrize(("speech", "text"), [([4, 2, 1], [3, 5, 1]), ([1], [1])])
def test_fusion_block(sources: tuple[Source, ...], speech: list[int], text: list[int]) -> None:
    block = FusionBlock(small(fusion=True, dims=DIMS), target="speech", sources=sources).double()
    lengths: dict[Source, list[int]] = {"speech": speech, "text": text, "context": speech}
    made = {source: sequences(steps, DIMS) for source, steps in lengths.items()}
    actual = block(
        "speech",
        {source: values for source, (values, _) in made.items()},
        {source: mask for source, (_, mask) in made.items()},
    )
    for position, steps in enumerate(speech):
        real = {source: values[position, : lengths[source][position]] for source, (values, _) in made.items()}
        expected = slow_fused(block, real["speech"], [real[source] for source in sources])
        assert_near(actual[position, :steps], expected)


# Table II's systems as what is pooled: a modality and what it attends to.
POOLED: dict[tuple[Source, ...], dict[bool, list[tuple[Source, list[Source]]]]] = {
    ("speech",): {False: [("speech", [])]},
    ("text",): {False: [("text", [])]},
    ("context",): {False: [("context", [])]},
    ("speech", "text"): {
        False: [("speech", []), ("text", [])],
        True: [("speech", ["text"]), ("text", ["speech"])],
    },
    ("speech", "context"): {
        False: [("speech", []), ("context", [])],
        True: [("speech", ["context"]), ("context", ["speech"])],
    },
    ("text", "context"): {
        False: [("text", []), ("context", [])],
        True: [("text", ["context"]), ("context", ["text"])],
    },
    STC: {
        False: [("speech", []), ("text", []), ("context", [])],
        True: [("speech", ["text", "context"]), ("text", ["speech", "context"]), ("context", [])],
    },
}
SYSTEMS = [(names, fusion, pooled) for names, of in POOLED.items() for fusion, pooled in of.items()]


@pytest.mark.parametrize("adapters", [False, True], ids=["last", "adapters"])
@pytest.mark.parametrize(("modalities", "fusion", "pooled"), SYSTEMS, ids=str)
def test_systems(
    modalities: tuple[Source, ...], fusion: bool, pooled: list[tuple[Source, list[Source]]], adapters: bool
) -> None:
    """Compute Eq. 3-9 of whole systems, utterance by utterance."""
    config = small(modalities=modalities, fusion=fusion, adapters=adapters)
    model = LayerAdapterFusion(config, shapes=shapes_of(config.streams()), task=EMOTIONS).double().eval()
    batch = random_batch(config.streams(), [4, 1, 6], dtype=torch.float64)
    output: Output = model(batch)
    for position in range(3):
        hidden = {}
        for source in modalities:
            mask = batch.present[config.role(source)][position]
            values = batch.features[config.role(source)][position][mask]
            embed, layer = model.embed[source], model.transform[source]
            embedded = slow_adapter(embed, values) if isinstance(embed, LayerAdapter) else embed(values)
            assert isinstance(layer, TransformerLayer)
            attended = slow_attended(layer.attention, layer.attention_norm, embedded, embedded)
            hidden[source] = layer.feedforward_norm(attended + layer.feedforward(attended))  # Eq. 3
        vectors = []
        for target, sources in pooled:
            fused = hidden[target]
            if sources:
                block = model.fuse[target]
                assert isinstance(block, FusionBlock)
                fused = slow_fused(block, fused, [hidden[source] for source in sources])
            vectors.append(torch.stack([column.max() for column in fused.T]))
        assert_near(output.embedding[position], torch.cat(vectors))
    assert_near(output.logits, model.classify(output.embedding))
    assert batch.labels is not None
    likelihood = output.logits.softmax(dim=-1)[range(3), batch.labels].log().mean()
    assert_near(output.loss, -likelihood)


def test_nineteen_rows_of_both_tables() -> None:
    actual = [preset for preset in presets().values() if preset.model == "layer-adapter-fusion"]
    assert len(actual) == 19
    letters: dict[str, Source] = {"s": "speech", "t": "text", "c": "context"}
    for preset in actual:
        names, *parts = preset.name.split("-")
        config = MODELS[preset.model].configure(preset.config)
        assert isinstance(config, LayerAdapterFusionConfig)
        assert config.modalities == tuple(letters[letter] for letter in names)
        assert config.fusion == ("mf" in parts)
        assert config.adapters == ("la" in parts)


def test_layers_are_read_by_adapters_alone() -> None:
    plain, adapted = (LayerAdapterFusionConfig(modalities=STC, adapters=adapters) for adapters in (False, True))
    context = Stream("context", encoder="whisper-small.en")
    assert plain.streams() == (
        Stream("speech", encoder="wavlm-base"),
        Stream("text", encoder="roberta-base", transcript="asr"),
        context,
    )
    assert adapted.streams() == (
        Stream("speech_layers", encoder="wavlm-base"),
        Stream("text_layers", encoder="roberta-base", transcript="asr"),
        context,
    )
    for name in ("lite", "paper", "tiny"):
        for stream in plain.streams() + adapted.streams():
            assert spec_of(stream, shipped_profile(name).roles).name


def test_what_can_be_looked_at() -> None:
    config = small(adapters=True, fusion=True)
    model = LayerAdapterFusion(config, shapes=shapes_of(config.streams()), task=EMOTIONS)
    actual = inspect(model, random_batch(config.streams(), [4, 2, 6]))
    axes = {name: entry.axes for name, entry in actual.items()}
    assert axes["fuse.text.attentions.speech.attend"] == ("head", "text_layers", "speech_layers")
    assert axes["fuse.speech.attentions.context.attend"] == ("head", "speech_layers", "context")
    for source in ("speech", "text"):
        assert axes[f"embed.{source}.layer_weights"] == ("layer",)
        weights = actual[f"embed.{source}.layer_weights"].values
        torch.testing.assert_close(weights, torch.full((3, 3), 1 / 3))


def test_an_encoder_of_the_models_width_needs_no_map() -> None:
    config = small(dims=12)
    model = LayerAdapterFusion(config, shapes=shapes_of(config.streams()), task=EMOTIONS)
    assert not list(model.embed.parameters())


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"modalities": ["context"], "fusion": True}, "context alone has nothing to fuse with"),
        ({"modalities": []}, "at least one"),
        ({"modalities": ["text", "text"]}, "none twice"),
        ({"modalities": ["text"], "heads": 5}, "5 heads do not divide dims 768"),
        ({"modalities": ["video", "text"]}, "modalities.0: Input should be 'speech', 'text' or 'context'"),
    ],
)
def test_switches_that_do_not_fit(switches: dict[str, Any], message: str) -> None:
    with pytest.raises(PresetError, match=message):
        MODELS["layer-adapter-fusion"].configure(switches)
