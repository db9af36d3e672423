"""MFDR as a whole: every row of its tables against slow loops, its streams, its losses and its refusals."""

from typing import Any

import pytest
import torch

from merflow.contracts.batch import Batch, Output
from merflow.contracts.presets import spec_of
from merflow.contracts.streams import Role, Stream
from merflow.contracts.task import SCALES
from merflow.errors import PresetError
from merflow.models import MODELS
from merflow.models.layers import inspect
from merflow.models.mfdr import MFDR, MFDRConfig
from merflow.presets.catalogue import presets
from merflow.presets.profiles import shipped_profile
from tests.models.batches import EMOTIONS, WIDTH, random_batch, shapes_of
from tests.models.slow import assert_near, sequences
from tests.models.slow_mfdr import slow_embedding, small

PRESETS = {preset.name: preset.config for preset in presets().values() if preset.model == "mfdr"}


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(17)


@pytest.mark.parametrize("name", PRESETS)
def test_whole_systems(name: str) -> None:
    config = small(**PRESETS[name])
    model = MFDR(config, shapes=shapes_of(config.streams()), task=EMOTIONS).double().eval()
    batch = random_batch(config.streams(), [40, 1, 22], dtype=torch.float64)
    output: Output = model(batch)
    for position in range(3):
        words, frames = (batch.features[role][position][batch.present[role][position]] for role in ("text", "speech"))
        assert_near(output.embedding[position], slow_embedding(model, words, frames))
    assert_near(output.logits, output.embedding @ model.classify.weight.T + model.classify.bias)
    assert batch.labels is not None
    assert_near(output.loss, -output.logits.softmax(dim=-1)[range(3), batch.labels].log().mean())


def test_presets_are_the_rows_of_table_3_and_two_of_ours() -> None:
    """Each preset differs from ``full`` in one switch."""
    full = MFDRConfig()
    assert full.steps == (50, 24, 8)
    actual = {name: MFDRConfig(**config) for name, config in PRESETS.items()}
    assert actual == {
        "window-10": MFDRConfig(attention="sliwa", window=10),
        "window-30": MFDRConfig(attention="sliwa", window=30),
        "window-50": MFDRConfig(attention="sliwa", window=50),
        "full-size": MFDRConfig(attention="full-size"),
        "no-context": MFDRConfig(context=False),
        "gru": MFDRConfig(unit="gru", context=False),
        "mgru": MFDRConfig(unit="mgru"),
        "max-pool": MFDRConfig(pooling="max"),
        "avg-pool": MFDRConfig(pooling="mean"),
        "no-dfc": MFDRConfig(pooling="none"),
        "full": full,
        "residual": MFDRConfig(residual=True),
        "proportional": MFDRConfig(alignment="proportional"),
    }
    (recipe,) = presets()["mfdr:full"].recipes
    assert (recipe.schedule, recipe.lr, recipe.max_epochs) == ("tenth-after-half", 5e-4, 40)


def test_streams_have_encoders_in_every_profile() -> None:
    streams = MFDRConfig().streams()
    assert streams == (Stream("speech", encoder="wavlm-base", clip_s=5.12), Stream("text", encoder="bert-base"))
    for name in ("lite", "paper", "tiny"):
        for stream in streams:
            assert spec_of(stream, shipped_profile(name).roles).name


def test_what_the_paper_does_not_read_changes_nothing() -> None:
    """The model ignores frames from the 256th and words from the 51st."""
    config = small()
    model = MFDR(config, shapes=shapes_of(config.streams()), task=EMOTIONS).eval()
    longer = random_batch(config.streams(), [260, 270])
    cut = Batch(
        {"speech": longer.features["speech"][:, :255], "text": longer.features["text"][:, :50]},
        {"speech": longer.present["speech"][:, :255], "text": longer.present["text"][:, :50]},
        longer.labels,
        longer.utterance_ids,
    )
    assert torch.equal(model(longer).logits, model(cut).logits)


@pytest.mark.parametrize("name", ["full", "residual", "proportional", "window-30", "full-size"])
def test_a_gradient_reaches_every_frame_that_the_model_reads(name: str) -> None:
    """Frames of 20 ms; the model reads the first 255 of them, whatever the number of words."""
    config = small(**PRESETS[name])
    model = MFDR(config, shapes=shapes_of(config.streams()), task=EMOTIONS)
    words, durations_s = (1, 13, 25, 50, 60), (0.3, 1.0, 3.6, 5.1, 8.0)
    counts: dict[Role, tuple[int, ...]] = {
        "text": words * len(durations_s),
        "speech": tuple(round(duration_s / 0.02) for duration_s in durations_s for _ in words),
    }
    sequence = {role: sequences(list(count), WIDTH) for role, count in counts.items()}
    features = {role: values.float().requires_grad_() for role, (values, _) in sequence.items()}
    present = {role: mask for role, (_, mask) in sequence.items()}
    names = tuple(str(number) for number in range(len(counts["text"])))
    model(Batch(features, present, torch.zeros(len(names), dtype=torch.long), names)).loss.backward()
    assert features["speech"].grad is not None
    heard = features["speech"].grad.abs().sum(dim=-1) > 0
    assert len(heard) == 25
    for row, frames in zip(heard, counts["speech"], strict=True):
        assert row.nonzero().flatten().tolist() == list(range(min(frames, 255)))


def test_scores_are_learned_with_an_absolute_error() -> None:
    config = small()
    model = MFDR(config, shapes=shapes_of(config.streams()), task=SCALES["sentiment"])
    classes = random_batch(config.streams(), [17, 5, 1, 9, 12, 3, 23, 8])
    scores = torch.linspace(-3, 3, 8)
    batch = Batch(classes.features, classes.present, scores, classes.utterance_ids)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        model(batch).loss.backward()
        optimizer.step()
    output: Output = model(batch)
    assert output.logits.shape == (8, 1)
    assert output.losses.keys() == {"l1"}
    torch.testing.assert_close(output.loss, (output.logits[:, 0] - scores).abs().mean())
    assert output.loss.item() < 0.3


def test_what_can_be_looked_at() -> None:
    config = small()
    model = MFDR(config, shapes=shapes_of(config.streams()), task=EMOTIONS)
    batch = random_batch(config.streams(), [20, 4, 30])
    actual = inspect(model, batch)
    assert {name: entry.axes for name, entry in actual.items()} == {
        "combine.show": ("position", "window"),
        "context.attend": ("head", "position", "position"),
    }
    weights = actual["combine.show"].values
    assert weights.shape == (3, 50, 30)
    with_frames = int(batch.present["speech"][0].sum()) // config.hop
    sums = weights[0, :with_frames].sum(dim=-1)
    assert set(sums.round().tolist()) <= {1.0, 2.0, 3.0}
    torch.testing.assert_close(sums, sums.round(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"window": 7}, "window 7 is odd"),
        ({"heads": 5}, "5 heads do not divide dims 256"),
        ({"unit": "gru"}, "choose context false"),
        ({"words": 6}, "6 words are too few"),
        ({"attention": "sliding"}, "attention: Input should be 'sawa', 'sliwa' or 'full-size'"),
    ],
)
def test_switches_that_do_not_fit(switches: dict[str, Any], message: str) -> None:
    with pytest.raises(PresetError, match=message):
        MODELS["mfdr"].configure(switches)
