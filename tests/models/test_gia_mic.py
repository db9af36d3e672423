"""GIA-MIC as a whole: its systems against slow loops, its streams, its presets and its refusals."""

from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

from merflow.contracts.batch import Batch, Output
from merflow.contracts.presets import spec_of
from merflow.contracts.streams import Stream
from merflow.errors import PresetError
from merflow.models import MODELS
from merflow.models.gia_mic import (
    GIAMIC,
    GIAMICConfig,
    InvariantGenerator,
    Sequences,
    Source,
)
from merflow.models.layers import inspect
from merflow.presets.catalogue import preset
from merflow.presets.profiles import shipped_profile
from tests.models.batches import EMOTIONS, garbled, random_batch, shapes_of
from tests.models.slow import assert_near
from tests.models.slow_gia_mic import VST, slow_divergence, slow_generated, small


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(11)


def in_double(config: GIAMICConfig) -> GIAMIC:
    return GIAMIC(config, shapes=shapes_of(config.streams()), task=EMOTIONS).double().eval()


def preliminary(model: GIAMIC, batch: Batch) -> Sequences:
    present: dict[Source, Tensor] = {source: batch.present[source] for source in model.config.modalities}
    return Sequences(
        {source: model.extractors[source](batch.features[source], mask) for source, mask in present.items()}, present
    )


@pytest.mark.parametrize(
    "switches", [{}, {"msr": False}, {"mir": False}, {"modalities": ("video", "text")}, {"mic_weight": 0.0}], ids=str
)
def test_fusion_and_loss(switches: dict[str, Any]) -> None:
    """Compute Eq. 7-8, 12-13 and 16-19, with everything concatenated step by step."""
    config = small(**switches)
    model = in_double(config)
    batch = random_batch(config.streams(), [4, 1, 6], dtype=torch.float64)
    output: Output = model(batch)
    begun = preliminary(model, batch)
    assert model.interact is not None
    specific = model.interact.specific(begun).states if config.msr else begun.states
    divergences, steps = 0.0, 0
    for position in range(3):
        real = {source: mask[position] for source, mask in begun.present.items()}
        joint = torch.cat([begun.states[source][position][mask] for source, mask in real.items()])
        overall = torch.cat([specific[source][position][mask] for source, mask in real.items()])
        invariants = []
        for source in config.modalities if config.mir else ():
            block = model.interact.generators[source]
            assert isinstance(block, InvariantGenerator)
            invariants.append(slow_generated(block, joint, overall, specific[source][position][real[source]]))
        assert_near(output.embedding[position], torch.cat([overall, *invariants]).mean(dim=0))
        for m, n in combinations(invariants, 2):
            divergences += sum(slow_divergence(m[step], n[step]) for step in range(len(joint)))
        steps += len(joint)
    assert_near(output.logits, model.classify(output.embedding))
    assert batch.labels is not None
    likelihood = output.logits.softmax(dim=-1)[range(3), batch.labels].log().mean()
    if not config.mir or not config.mic_weight:
        assert output.losses.keys() == {"ce"}
        assert_near(output.loss, -likelihood)
        return
    assert divergences > 0
    assert_near(output.loss, -likelihood + 0.1 * divergences / steps)


def test_the_baseline_concatenates_means() -> None:
    config = small(modalities=("speech", "text"), system="baseline")
    model = in_double(config)
    batch = random_batch(config.streams(), [4, 1, 6], dtype=torch.float64)
    output: Output = model(batch)
    states, present = preliminary(model, batch)
    for position in range(3):
        means = [states[source][position][present[source][position]].mean(dim=0) for source in config.modalities]
        assert_near(output.embedding[position], torch.cat(means))
    assert output.losses.keys() == {"ce"}


def test_padding_between_modalities_changes_nothing_at_all() -> None:
    config = small()
    model = in_double(config)
    batch = random_batch(config.streams(), [4, 1, 6, 3], dtype=torch.float64)
    together = model(batch)
    extras: list[dict[Any, int]] = [{"video": 1}, {"speech": 2}, {"video": 3, "speech": 1, "text": 2}]
    for extra in extras:
        padded = model(garbled(batch, extra_steps=extra))
        assert_near(padded.logits, together.logits)
        assert_near(padded.loss, together.loss)


def test_what_an_absent_modality_leaves() -> None:
    """Without words, the pooled vector is the mean of the overall MSR and the other two modalities' invariants."""
    config = small()
    model = in_double(config)
    batch = random_batch(config.streams(), [4, 2, 6], dtype=torch.float64)
    batch.present["text"][0] = False
    actual = inspect(model, batch)
    assert not actual["interact.specific.directions.video_from_text.opening"].values[0].any()
    assert bool((actual["interact.specific.directions.video_from_speech.opening"].values[0] > 0).all())
    assert model.interact is not None
    specific, present = model.interact.specific(preliminary(model, batch))
    real = [specific[source][0][present[source][0]] for source in VST[:2]]
    means = [actual[f"interact.generators.{source}.mean"].values[0].double() for source in VST[:2]]
    expected = (torch.cat(real).mean(dim=0) + sum(means)) / 3
    torch.testing.assert_close(model(batch).embedding[0], expected, atol=1e-5, rtol=0)


def test_what_can_be_looked_at() -> None:
    config = small()
    model = GIAMIC(config, shapes=shapes_of(config.streams()), task=EMOTIONS)
    actual = inspect(model, random_batch(config.streams(), [4, 2, 6]))
    axes = {name: entry.axes for name, entry in actual.items()}
    gates = [name for name in axes if name.endswith(".opening")]
    assert len(gates) == 6
    assert all(axes[name] == ("feature",) for name in gates)
    assert all(bool(((actual[name].values > 0) & (actual[name].values < 1)).all()) for name in gates)
    assert axes["interact.specific.directions.text_from_speech.attention.attend"] == ("head", "text", "speech")
    assert axes["interact.generators.speech.attention.attend"] == ("head", "joint", "speech")
    assert actual["interact.generators.video.mean"].values.shape == (3, config.dims)
    assert axes["interact.generators.video.mean"] == ("invariant",)


def test_an_encoder_of_the_models_width_needs_no_map() -> None:
    config = small(dims=12)
    model = GIAMIC(config, shapes=shapes_of(config.streams()), task=EMOTIONS)
    assert not [name for name, _ in model.named_parameters() if name.endswith("project.weight")]


def test_streams_are_the_papers_and_every_profile_has_them() -> None:
    config = GIAMICConfig(modalities=VST, transcripts="asr")
    assert config.streams() == (
        Stream("video", clip_s=6.0, encoder="clip-vit-large"),
        Stream("speech", clip_s=6.0, encoder="wavlm-large"),
        Stream("text", encoder="roberta-base", transcript="asr"),
    )
    for name in ("lite", "paper", "tiny"):
        for stream in config.streams():
            assert spec_of(stream, shipped_profile(name).roles).name


def test_only_one_preset_reads_recognized_words() -> None:
    names = ["full", "full-asr", "st", "t"]
    configs = [MODELS["gia-mic"].configure(preset(f"gia-mic:{name}").config) for name in names]
    words = [[stream.transcript for stream in config.streams() if stream.role == "text"] for config in configs]
    assert words == [["truth"], ["asr"], ["truth"], ["truth"]]


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"modalities": ["speech"]}, "speech alone has nothing to interact with"),
        ({"modalities": []}, "at least one"),
        ({"modalities": ["text", "text"]}, "none twice"),
        ({"modalities": ["speech", "text"], "heads": 5}, "5 heads do not divide dims 768"),
        ({"modalities": ["sound", "text"]}, "modalities.0: Input should be 'video', 'speech' or 'text'"),
    ],
)
def test_switches_that_do_not_fit(switches: dict[str, Any], message: str) -> None:
    with pytest.raises(PresetError, match=message):
        MODELS["gia-mic"].configure(switches)
