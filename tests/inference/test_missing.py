"""Utterances that lose modalities."""

from pathlib import Path

import numpy as np
import pytest
import torch

from merflow.contracts.batch import Batch, RawBatch, RawSlice, RawStream
from merflow.inference.missing import Without, drop_modalities, missing_sets, without
from merflow.inference.prediction import predict
from tests.training.separable import fold, fresh_model, params, separable
from tests.training.test_resume import assert_equal


def large_batch(count: int = 4000) -> Batch:
    """Three modalities of two steps each; every fourth utterance has no video, every fifth text alone."""
    place = torch.arange(count)
    present = {
        "speech": torch.ones(count, 2, dtype=torch.bool),
        "context": torch.ones(count, 2, dtype=torch.bool),
        "video": (place % 4 != 0).unsqueeze(1).expand(count, 2).clone(),
        "text": torch.ones(count, 2, dtype=torch.bool),
    }
    for role in ("speech", "context", "video"):
        present[role] &= (place % 5 != 0).unsqueeze(1)
    features = {role: torch.ones(count, 2, 1) for role in present}
    return Batch(features, present, None, tuple(map(str, range(count))))  # type: ignore[arg-type]


def there(batch: Batch | RawBatch) -> dict[str, torch.Tensor]:
    assert isinstance(batch, Batch)
    return {role: mask.any(dim=1) for role, mask in batch.present.items()}


def test_none_loses_its_last_modality_and_each_is_lost_as_often_as_asked() -> None:
    torch.manual_seed(0)
    batch = large_batch()
    before, after = there(batch), there(drop_modalities(batch, probability=0.3))
    assert bool(torch.stack(list(after.values())).any(dim=0).all())
    assert torch.equal(after["speech"], after["context"]), "both are audio"
    assert all(bool((before[role] | ~after[role]).all()) for role in before), "nothing comes into being"
    whole = before["speech"] & before["video"]
    lost = {role: float((~after[role])[whole].double().mean()) for role in ("speech", "video", "text")}
    expected = 0.3 - 0.3**3 / 3  # one of three stays where all were to go
    assert list(lost.values()) == pytest.approx([expected] * 3, abs=0.03)
    assert bool(after["text"][~before["speech"]].all()), "an only modality stays"


def test_no_probability_draws_nothing() -> None:
    torch.manual_seed(0)
    batch = large_batch(8)
    state = torch.get_rng_state()
    assert drop_modalities(batch, probability=0.0) is batch
    assert torch.equal(torch.get_rng_state(), state)


def test_raw_streams_are_silenced_too() -> None:
    slices = (RawSlice(torch.ones(3, 4), torch.tensor([4, 4, 4]), steps=2),)
    own = RawStream(slices, places=torch.tensor([[0, 1], [2, 3], [4, 5]]), members=None)
    turns = RawStream(slices, places=torch.tensor([[0, 1], [2, 3], [4, 5]]), members=torch.tensor([[0, 3], [1, 0]]))
    stored = Batch({}, {}, None, ("a", "b", "c"))
    gone = torch.tensor([False, True, False])
    silent = without(RawBatch({"speech": own}, stored), {"audio": gone})
    assert isinstance(silent, RawBatch)
    assert silent.streams["speech"].places.tolist() == [[0, 1], [6, 6], [4, 5]], "6 is the step of zeros"
    two = Batch({}, {}, None, ("a", "b"))
    silent = without(RawBatch({"text_layers": turns}, two), {"text": gone[:2]})
    assert isinstance(silent, RawBatch)
    members = silent.streams["text_layers"].members
    assert members is not None
    assert members.tolist() == [[0, 3], [3, 3]], "3 is no entry"


def test_every_set_that_leaves_something() -> None:
    assert missing_sets({"text"}) == []
    assert missing_sets({"text", "audio"}) == [("audio",), ("text",)]
    assert missing_sets({"text", "audio", "video"}) == [
        *(("audio",), ("text",), ("video",)),
        *(("audio", "text"), ("audio", "video"), ("text", "video")),
    ]


def test_a_model_hears_nothing_of_what_is_missing(tmp_path: Path) -> None:
    model = fresh_model()
    fold(model, tmp_path, max_epochs=4)
    test = separable(30, seed=5)
    louder = separable(30, seed=5, noise=3.0)
    deaf = [predict(model, Without(each, ["audio"]), batch_size=7, params=params()) for each in (test, louder)]
    whole = predict(model, test, batch_size=7, params=params())
    assert not np.allclose(deaf[0], whole)
    assert not np.allclose(deaf[0], deaf[1])
    mixed = Without(test, ["audio"]).batch(range(30))
    assert isinstance(mixed, Batch)
    assert not mixed.present["speech_layers"].any()
    assert torch.equal(mixed.present["text_layers"], test.batch(range(30)).present["text_layers"])


def test_training_with_dropped_modalities_is_repeatable_and_helps_where_one_is_missing(tmp_path: Path) -> None:
    dropping = params(modality_dropout=0.4)
    models = [fresh_model() for _ in range(3)]
    for number, (model, training) in enumerate(zip(models, (dropping, dropping, params()), strict=True)):
        fold(model, tmp_path / str(number), training=training, max_epochs=15)
    assert_equal(models[0].state_dict(), models[1].state_dict())
    test = separable(200, seed=5)
    assert test.labels is not None
    right = [
        (predict(model, Without(test, ["text"]), batch_size=50, params=params()).argmax(1) == test.labels).mean()
        for model in (models[0], models[2])
    ]
    assert right[0] > right[1]
