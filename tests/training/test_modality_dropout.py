"""Training utterances that lose modalities at random."""

from pathlib import Path

import pytest
import torch

from merflow.contracts.batch import Batch, RawBatch
from merflow.inference.missing import Without
from merflow.inference.prediction import predict
from merflow.training.modality_dropout import drop_modalities
from tests.models.batches import EMOTIONS
from tests.training.interruption import assert_equal
from tests.training.separable import fold, fresh_model, params, separable


def large_batch(count: int = 4000) -> Batch:
    """Return three modalities of two steps; every fourth utterance has no video, and every fifth only text."""
    index = torch.arange(count)
    present = {
        "speech": torch.ones(count, 2, dtype=torch.bool),
        "context": torch.ones(count, 2, dtype=torch.bool),
        "video": (index % 4 != 0).unsqueeze(1).expand(count, 2).clone(),
        "text": torch.ones(count, 2, dtype=torch.bool),
    }
    for role in ("speech", "context", "video"):
        present[role] &= (index % 5 != 0).unsqueeze(1)
    features = {role: torch.ones(count, 2, 1) for role in present}
    return Batch(features, present, None, tuple(map(str, range(count))))  # type: ignore[arg-type]


def roles_present(batch: Batch | RawBatch) -> dict[str, torch.Tensor]:
    assert isinstance(batch, Batch)
    return {role: mask.any(dim=1) for role, mask in batch.present.items()}


def test_every_utterance_keeps_a_modality_and_each_is_dropped_at_the_given_rate() -> None:
    torch.manual_seed(0)
    batch = large_batch()
    before, after = roles_present(batch), roles_present(drop_modalities(batch, probability=0.3))
    assert bool(torch.stack(list(after.values())).any(dim=0).all())
    assert torch.equal(after["speech"], after["context"]), "both are audio"
    assert all(bool((before[role] | ~after[role]).all()) for role in before), "nothing comes into being"
    whole = before["speech"] & before["video"]
    lost = {role: float((~after[role])[whole].double().mean()) for role in ("speech", "video", "text")}
    expected = 0.3 - 0.3**3 / 3  # one of three stays where all were to go
    assert list(lost.values()) == pytest.approx([expected] * 3, abs=0.03)
    assert bool(after["text"][~before["speech"]].all()), "an only modality stays"


def test_a_probability_of_0_draws_no_random_numbers() -> None:
    torch.manual_seed(0)
    batch = large_batch(8)
    state = torch.get_rng_state()
    assert drop_modalities(batch, probability=0.0) is batch
    assert torch.equal(torch.get_rng_state(), state)


def test_training_with_dropped_modalities_is_repeatable_and_helps_where_one_is_missing(tmp_path: Path) -> None:
    dropping = params(modality_dropout=0.4)
    models = [fresh_model() for _ in range(3)]
    for number, (model, training) in enumerate(zip(models, (dropping, dropping, params()), strict=True)):
        fold(model, tmp_path / str(number), training=training, max_epochs=15)
    assert_equal(models[0].state_dict(), models[1].state_dict())
    test = separable(200, seed=5)
    assert test.labels is not None
    predicted = [
        predict(model, Without(test, ["text"]), task=EMOTIONS, batch_size=50, params=params())
        for model in (models[0], models[2])
    ]
    right = [(rows.argmax(1) == test.labels).mean() for rows in predicted]
    assert right[0] > right[1]
