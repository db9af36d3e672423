"""One contract for every preset of every model."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from merflow.contracts.batch import Batch, Output
from merflow.contracts.presets import Preset
from merflow.contracts.streams import MODALITY_OF, Stream
from merflow.models import MODELS, ModelConfig
from merflow.models.folder import load_model, save_model
from merflow.presets.catalogue import presets
from tests.models.batches import CLASSES, EMOTIONS, SMALL, garbled, pick, random_batch, shapes_of
from tests.models.records import record_of

LENGTHS = (17, 5, 1, 9, 12, 3, 23, 8)
PRESETS = tuple(presets().values())


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=PRESETS, ids=lambda preset: preset.variant)
def preset(request: pytest.FixtureRequest) -> Preset:
    actual: Preset = request.param
    return actual


def configured(preset: Preset) -> ModelConfig:
    return MODELS[preset.model].configure(preset.config | SMALL.get(preset.model, {}))


def streams_of(preset: Preset) -> tuple[Stream, ...]:
    return configured(preset).streams()


def build(preset: Preset, *, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    config = configured(preset)
    return MODELS[preset.model].model(config, shapes=shapes_of(config.streams()), task=EMOTIONS).eval()


def run(model: nn.Module, batch: Batch) -> Output:
    output: Output = model(batch)
    return output


def test_every_model_has_presets() -> None:
    counts = Counter(preset.model for preset in PRESETS)
    assert counts.keys() == MODELS.keys()
    assert counts["context-mmt"] == 18
    assert counts["gia-mic"] == 14
    assert counts["layer-adapter-fusion"] == 19
    assert counts["mfdr"] == 13


def test_inputs_name_the_streams(preset: Preset) -> None:
    assert {MODALITY_OF[stream.role] for stream in streams_of(preset)} == set(preset.inputs)


def test_output(preset: Preset) -> None:
    batch = random_batch(streams_of(preset), LENGTHS)
    output = run(build(preset), batch)
    assert output.logits.shape == (len(LENGTHS), CLASSES)
    assert output.embedding.shape[0] == len(LENGTHS)
    assert output.losses
    assert output.loss.shape == ()
    unlabelled = run(build(preset), Batch(batch.features, batch.present, None, batch.utterance_ids))
    assert not unlabelled.losses
    assert torch.equal(unlabelled.logits, output.logits)


@pytest.mark.parametrize("seed", range(3))
def test_padding_never_changes_a_result(preset: Preset, seed: int) -> None:
    lengths = torch.randint(1, 40, (6,), generator=torch.Generator().manual_seed(seed)).tolist()
    streams = streams_of(preset)
    batch = random_batch(streams, lengths, seed=seed)
    model = build(preset, seed=seed)
    together = run(model, batch)
    alone = torch.cat([run(model, pick(batch, [position], streams=streams)).logits for position in range(len(batch))])
    torch.testing.assert_close(alone, together.logits, atol=1e-5, rtol=0)
    extra = {stream.role: 11 for stream in streams if not stream.pooled}
    padded = run(model, garbled(batch, extra_steps=extra))
    torch.testing.assert_close(padded.logits, together.logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(padded.loss, together.loss, atol=1e-5, rtol=0)


def test_batch_order_never_changes_a_result(preset: Preset) -> None:
    streams = streams_of(preset)
    batch = random_batch(streams, LENGTHS)
    model = build(preset)
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(1))
    shuffled = run(model, pick(batch, order.tolist(), streams=streams))
    torch.testing.assert_close(shuffled.logits, run(model, batch).logits[order], atol=1e-5, rtol=0)


def test_gradients_reach_every_parameter(preset: Preset) -> None:
    model = build(preset)
    run(model, random_batch(streams_of(preset), LENGTHS)).loss.backward()  # type: ignore[no-untyped-call]
    learning = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    without = [name for name, value in learning if value.grad is None or not value.grad.abs().sum()]
    assert without == []


def test_overfits_eight_utterances(preset: Preset) -> None:
    batch = random_batch(streams_of(preset), LENGTHS)
    model = build(preset)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        output = run(model, batch)
        if output.losses["ce"].value.item() < 0.1:
            break
        optimizer.zero_grad()
        output.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    output = run(model, batch)
    assert batch.labels is not None
    assert torch.equal(output.logits.argmax(dim=1), batch.labels)
    assert output.losses["ce"].value.item() < 0.1


def test_saved_and_loaded_bit_equal(preset: Preset, tmp_path: Path) -> None:
    model = build(preset, seed=5)
    record = record_of(preset, shapes=shapes_of(streams_of(preset)))
    save_model(tmp_path / "model", model, record)
    loaded, loaded_record = load_model(tmp_path / "model")
    assert loaded_record == record
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["fold_record.json", "model.safetensors"]
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name
    batch = random_batch(streams_of(preset), LENGTHS)
    assert torch.equal(run(loaded, batch).logits, run(model, batch).logits)


def test_an_absent_modality_is_finite(preset: Preset) -> None:
    streams = streams_of(preset)
    whole = random_batch(streams, LENGTHS)
    for role in whole.features:
        present = {other: mask.clone() for other, mask in whole.present.items()}
        present[role][:3] = False
        batch = Batch(whole.features, present, whole.labels, whole.utterance_ids)
        model = build(preset).train()
        output = run(model, batch)
        output.loss.backward()  # type: ignore[no-untyped-call]
        assert bool(output.logits.isfinite().all())
        assert all(bool(value.grad.isfinite().all()) for value in model.parameters() if value.grad is not None)
        model.eval()
        others = pick(batch, range(3, len(batch)), streams=streams)
        torch.testing.assert_close(run(model, batch).logits[3:], run(model, others).logits, atol=1e-5, rtol=0)
