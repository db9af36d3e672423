"""Utterances without some of their modalities."""

from pathlib import Path

import numpy as np
import torch

from merflow.contracts.batch import Batch, RawBatch, RawSlice, RawStream
from merflow.inference.missing import Without, missing_sets, without
from merflow.inference.prediction import predict
from tests.models.batches import EMOTIONS
from tests.training.separable import fold, fresh_model, params, separable


def test_raw_streams_are_silenced_too() -> None:
    slices = (RawSlice(torch.ones(3, 4), torch.tensor([4, 4, 4]), steps=2),)
    own = RawStream(slices, positions=torch.tensor([[0, 1], [2, 3], [4, 5]]), members=None)
    turns = RawStream(slices, positions=torch.tensor([[0, 1], [2, 3], [4, 5]]), members=torch.tensor([[0, 3], [1, 0]]))
    stored = Batch({}, {}, None, ("a", "b", "c"))
    removed = torch.tensor([False, True, False])
    silent = without(RawBatch({"speech": own}, stored), {"audio": removed})
    assert isinstance(silent, RawBatch)
    assert silent.streams["speech"].positions.tolist() == [[0, 1], [6, 6], [4, 5]], "6 is the step of zeros"
    two = Batch({}, {}, None, ("a", "b"))
    silent = without(RawBatch({"text_layers": turns}, two), {"text": removed[:2]})
    assert isinstance(silent, RawBatch)
    members = silent.streams["text_layers"].members
    assert members is not None
    assert members.tolist() == [[0, 3], [3, 3]], "3 is not an entry"


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
    deaf = [
        predict(model, Without(each, ["audio"]), task=EMOTIONS, batch_size=7, params=params())
        for each in (test, louder)
    ]
    whole = predict(model, test, task=EMOTIONS, batch_size=7, params=params())
    assert not np.allclose(deaf[0], whole)
    assert not np.allclose(deaf[0], deaf[1])
    mixed = Without(test, ["audio"]).batch(range(30))
    assert isinstance(mixed, Batch)
    assert not mixed.present["speech_layers"].any()
    assert torch.equal(mixed.present["text_layers"], test.batch(range(30)).present["text_layers"])
